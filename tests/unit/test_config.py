"""The configuration: what it resolves to, and one line for whatever is wrong in it."""

import pytest
import yaml

from ddpg import config
from ddpg.errors import UserError


@pytest.fixture
def settings():
    return config.read("config.yaml")


def test_the_presets_are_spinning_ups(settings):
    classic = config.experiment(settings, "halfcheetah-benchmark")
    assert (classic.hidden_sizes, classic.update_every) == ((400, 300), "episode")
    assert classic.total_steps == 3_000_000
    assert classic.seeds == tuple(range(0, 100, 10))
    modern = config.experiment(settings, "halfcheetah-benchmark-2020")
    assert (modern.hidden_sizes, modern.update_after, modern.update_every) == ((256, 256), 1000, 50)
    demo = config.experiment(settings, "pendulum-demo")
    assert (demo.total_steps, demo.seeds, demo.hidden_sizes) == (500_000, (0, 10, 20), (300,))
    exercise = config.experiment(settings, "spinup-exercise-2-2")
    assert (exercise.batch_size, exercise.polyak, exercise.max_ep_len) == (64, 0.95, 150)


def test_the_digest_follows_values_and_nothing_else(settings):
    demo = config.experiment(settings, "pendulum-demo")
    settings["experiments"]["pendulum-demo"]["seeds"] = [5]
    settings["experiments"]["halfcheetah-benchmark"]["pi_lr"] = 0.5
    assert config.experiment(settings, "pendulum-demo").digest() == demo.digest()
    settings["experiments"]["pendulum-demo"]["pi_lr"] = 0.5
    assert config.experiment(settings, "pendulum-demo").digest() != demo.digest()


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("pi_lr=-0.1", "pi_lr: -0.1 is less than or equal to the minimum of 0"),
        ("pi_lr=1e-3", "'1e-3' is text to YAML; write it as a decimal"),
        ("polyack=0.9", "unknown key 'polyack'; did you mean 'polyak'?"),
        ("update_every=often", "'often' is neither a positive whole number nor 'episode'"),
        ("hidden_sizes=[]", "hidden_sizes: [] should be non-empty"),
        ("epochs=1.5", "epochs: 1.5 is not of type 'integer'"),
        ("seeds=[0,0]", "seeds: [0, 0] has non-unique elements"),
        ("epochs", "--set epochs: write KEY=VALUE"),
    ],
)
def test_bad_values_get_one_line(settings, assignment, message):
    with pytest.raises(UserError) as error:
        config.experiment(settings, "pendulum-demo", config.parse_overrides([assignment]))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_every_experiment_is_checked_also_those_not_asked_for(settings):
    settings["experiments"]["pendulum-demo"]["discount"] = 1.5
    with pytest.raises(UserError, match=r"experiments.pendulum-demo.discount: 1.5 is greater"):
        config.check(settings)


def test_a_missing_key_is_named(settings):
    del settings["experiments"]["pendulum-demo"]["env"]
    with pytest.raises(UserError, match=r"pendulum-demo: 'env' is missing"):
        config.check(settings)


def test_an_unknown_experiment_is_named_with_those_there_are(settings):
    with pytest.raises(UserError, match="did you mean 'pendulum-demo'"):
        config.experiment(settings, "pendulum")


@pytest.mark.parametrize(
    ("text", "message"),
    [("defaults: [", "line 2"), ("- 1", "not a configuration"), ("", "not a configuration")],
)
def test_a_file_that_is_no_configuration(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text + "\n")
    with pytest.raises(UserError, match=message):
        config.read(path)
    with pytest.raises(UserError, match="no such file"):
        config.read(tmp_path / "missing.yaml")


def test_later_files_override_earlier_ones_key_by_key(tmp_path):
    later = tmp_path / "later.yaml"
    later.write_text(yaml.safe_dump({"experiments": {"pendulum-demo": {"epochs": 7}}}))
    demo = config.experiment(config.read("config.yaml", later), "pendulum-demo")
    assert (demo.epochs, demo.env) == (7, "Pendulum-v1")
