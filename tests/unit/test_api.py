"""The public functions: what they return, what they refuse, and that they need no TensorFlow."""

import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from helpers.check_imports import check_tensorflow_is_not_imported
from helpers.checkout import ROOT

from ddpg import api
from ddpg.errors import UserError

PUBLISHED = ROOT / "results/published"
SEED = PUBLISHED / "pendulum-demo/seed_0"


@pytest.fixture(scope="module")
def pendulum():
    return api.read_runs(PUBLISHED.glob("pendulum-demo/seed_*"))


@pytest.fixture(scope="module")
def exercise():
    return {
        name: api.read_runs(PUBLISHED.glob(f"{name}/seed_*"))
        for name in ("spinup-exercise-2-2", "spinup-exercise-2-2-2020")
    }


def test_reading_one_run_and_several(pendulum):
    run = api.read_run(SEED)
    assert list(run.env_interacts) == [10000.0 * epoch for epoch in range(1, 51)]
    assert run.test_return_mean[0] == -235.631047
    assert sorted(pendulum.seed.unique()) == [0, 10, 20]
    own = pendulum[pendulum.seed == 0].reset_index(drop=True)
    assert own.test_return_mean.equals(run.test_return_mean)


def test_compare_equals_the_pair_table(exercise):
    (pair,) = api.compare(exercise).to_dict("records")
    assert (pair["a"], pair["b"]) == tuple(exercise)
    assert round(pair["difference"]) == 11
    assert (round(pair["difference_low"]), round(pair["difference_high"])) == (-43, 66)
    assert pair["welch_p_adjusted"] == pair["welch_p"], "one pair, nothing to adjust for"
    means = api.summarize(exercise).set_index("group")["mean"]
    assert means.iloc[0] - means.iloc[1] == pytest.approx(pair["difference"])


def test_the_example_in_the_documents_runs_and_has_the_stated_difference(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    (example,) = re.findall(r"```python\n(from .*?)```", (ROOT / "docs/api.md").read_text(), re.S)
    exec(example, {})
    shown = dict(re.findall(r"^(\w+) +(\S+)$", capsys.readouterr().out, re.M))
    stated = re.search(r"difference from Spinning Up's PyTorch DDPG, run again \| (\S+) \|",
                       (ROOT / "docs/artifact.md").read_text())  # fmt: skip
    assert round(float(shown["difference"])) == int(stated[1])


def test_every_pair_is_compared(pendulum, exercise):
    groups = {**exercise, "Pendulum": pendulum, "again": pendulum}
    pairs = api.compare(groups)
    assert len(pairs) == 6
    assert pairs.set_index(["a", "b"]).loc[("Pendulum", "again"), "difference"] == 0


def test_external_runs_can_be_compared(exercise):
    table = api.read_table(ROOT / "results/reference/spinup_pytorch_exercise_2_2_rerun.csv")
    other = api.read_spinning_up([PUBLISHED / "spinup-exercise-2-2"])
    groups = {"table": table, "progress.txt": other, "runs": exercise["spinup-exercise-2-2"]}
    summary = api.summarize(groups).set_index("group")
    assert list(summary["seeds"]) == [20, 20, 20]
    assert summary.loc["progress.txt", "mean"] == pytest.approx(summary.loc["runs", "mean"])


def test_a_figure_shows_every_group(exercise):
    assert api.draw(exercise, title=" ").axes[0].get_title() == ", ".join(exercise)
    figure = api.draw(exercise, title="A title", smooth=3)
    assert figure.axes[0].get_title() == "A title"
    drawn = [line.get_ydata() for line in figure.axes[0].lines]
    for table in exercise.values():
        mean = table.groupby("epoch").test_return_mean.mean().rolling(3, center=True).mean()
        same = [np.allclose(line[1:9], mean[1:9]) for line in drawn if len(line) == 10]
        assert same.count(True) == 1


def test_a_policy_is_a_function_of_observations():
    policy = api.load_policy(SEED)
    assert isinstance(policy, api.Policy)
    observations = np.float32([[1, 0, 0], [-1, 0, 0]])
    actions = policy(observations)
    assert actions.shape == (2, 1)
    assert policy(observations[0]) == pytest.approx(actions[0], abs=1e-6)
    same = api.load_policy(SEED / "policy.npz")
    assert np.array_equal(same(observations), actions)


def test_the_policy_of_a_file_needs_no_configuration(tmp_path):
    alone = shutil.copy(SEED / "policy.npz", tmp_path)
    observation = np.float32([1, 0, 0])
    assert api.load_policy(alone)(observation) == api.load_policy(SEED)(observation)
    with pytest.raises(UserError, match="no environment is known, because there is no config"):
        api.evaluate(alone)


def test_evaluate_is_deterministic():
    returns = api.evaluate(SEED, episodes=3, seed=5)
    assert returns.shape == (3,)
    assert returns.tolist() == api.evaluate(SEED, episodes=3, seed=5).tolist()
    assert returns.tolist() != api.evaluate(SEED, episodes=3, seed=6).tolist()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: api.read_run(ROOT), "config.json: no such file"),
        (lambda t: api.compare({"a": t}), r"1 group\(s\): give two or more"),
        (lambda t: api.compare({"a": t, "b": t.iloc[:0]}), "'b': not a table of runs; make it"),
        (lambda t: api.compare({"a": t, "b": [1]}), "'b': not a table of runs"),
        (lambda t: api.summarize({"a": t.drop(columns="seed")}), "'a': .* no column seed"),
        (lambda t: api.summarize({"a": pd.concat([t, t])}), "a seed appears twice"),
        (lambda t: api.summarize({"a": t.iloc[:-1]}), "seed 20 of 'a' has 49"),
        (lambda t: api.summarize({"a": t}, final_steps=0), "final_steps=0: give a number of"),
        (lambda t: api.compare({"a": t, "b": t}, final_steps=math.nan), "final_steps=nan: give"),
        (
            lambda t: api.summarize({"a": t.assign(env=["x"] + ["y"] * (len(t) - 1))}),
            r"more than one env \(x, y\)",
        ),
        (lambda t: api.draw({"a": t}, smooth=2), "smooth=2: give an odd number"),
        (lambda t: api.draw({}), "no groups; give one or more"),
        (lambda t: api.summarize({}), "no groups; give one or more"),
        (lambda t: api.evaluate(SEED, episodes=0), "episodes=0: give a whole number, 1 or more"),
        (lambda t: api.evaluate(SEED, episodes=1.5), "episodes=1.5: give a whole number"),
        (lambda t: api.evaluate(SEED, seed=-1), "seed=-1: give a whole number, 0 or more"),
        (lambda t: api.evaluate(SEED, seed=None), "seed=None: give a whole number"),
        (lambda t: api.film(SEED, "film.gif", width=-3), "width=-3: give a whole number of pixels"),
        (lambda t: api.film(SEED, "film.gif", width=9.5), "width=9.5: give a whole number of"),
        (lambda t: api.film(SEED, "film.gif", seconds="1"), "seconds=1: give a number above 0"),
        (lambda t: api.summarize({"a": t}, final_steps="9"), "final_steps=9: give a number of"),
        (lambda t: api.draw({"a": t}, smooth="3"), "smooth=3: give an odd number"),
        (lambda t: api.draw({"a": t}, smooth=2.5), "smooth=2.5: give an odd number"),
        (
            lambda t: api.summarize({"a": t.assign(seed=t["seed"].where(t["seed"] > 0))}),
            "'a': a row without a seed",
        ),
        (lambda t: api.film(SEED, "film.gif", width=10**5), "give at most 4,096 pixels"),
        (lambda t: api.film(SEED, "film.gif", seconds=math.nan), "seconds=nan: give a number"),
        (lambda t: api.read_runs(str(SEED)), "seed_0: one path; give a list of them"),
        (lambda t: api.read_runs(SEED), "seed_0: one path; give a list of them"),
        (lambda t: api.read_runs([]), "no paths; give one or more"),
        (lambda t: api.read_spinning_up([]), "no paths; give one or more"),
        (lambda t: api.read_run(SEED / "progress.txt"), "is a file; give the run's directory"),
        (lambda t: api.summarize(t), "groups must be a mapping of names to tables"),
        (lambda t: api.compare(None), "groups must be a mapping of names to tables"),
        (lambda t: api.draw(None), "groups must be a mapping of names to tables"),
        (lambda t: api.summarize({"a": t}, final_steps=1j), "final_steps=1j: give a number of"),
        (lambda t: api.compare([t, t]), "groups must be a mapping of names to tables"),
        (lambda t: api.compare({1: t, "1": t}), "two groups of one name among 1, '1'"),
        (
            lambda t: api.summarize({"a": t.assign(test_return_mean=math.inf)}),
            "seed 0 of 'a': no finite test return at environment step 10000",
        ),
        (
            lambda t: api.summarize({"a": t.assign(test_return_mean="x")}),
            "'a': a cell of the column 'test_return_mean' is not a number",
        ),
        (lambda t: api.film(SEED, "film.avi"), "film.avi: --output must end in"),
    ],
)
def test_wrong_arguments_are_refused(pendulum, call, message):
    with pytest.raises(api.UserError, match=message):
        call(pendulum)


def test_tensorflow_is_not_imported():
    program = "from ddpg import api; api.evaluate(sys.argv[1], episodes=1)"
    check_tensorflow_is_not_imported(program, SEED)
