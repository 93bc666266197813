"""The benchmarks' bound counts what an update multiplies; nothing here measures time."""

from benchmarks import bound


def test_the_bound_multiplies_what_an_update_does():
    operands = bound.products([400, 300], batch=100, obs_dim=17, act_dim=6)

    hidden = 2 * 100 * 400 * 300
    actor_first, actor_last = 2 * 100 * 17 * 400, 2 * 100 * 300 * 6
    critic_first, critic_last = 2 * 100 * 23 * 400, 2 * 100 * 300
    # Hidden layers: 2 + 3 forwards; backwards 2 for the weights and 3 for the inputs.
    assert bound.flop(operands) == (
        10 * hidden + 3 * actor_first + 4 * actor_last + 5 * critic_first + 6 * critic_last
    )


def test_the_products_fit_their_results():
    for a, b, out in bound.products([300], batch=64, obs_dim=3, act_dim=1):
        assert out.shape == (a.shape[0], b.shape[1])
        assert a.shape[1] == b.shape[0]
