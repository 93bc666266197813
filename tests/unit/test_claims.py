"""Claims: read from a file, checked against the configuration, judged by the data."""

import math
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from helpers.checkout import ROOT
from helpers.make_curves import make_our_runs, make_seeds

from ddpg import config
from ddpg.analysis import claims, curves, judging
from ddpg.analysis.claims import Claim
from ddpg.analysis.comparison import Comparison, load_comparison
from ddpg.analysis.groups import FinalSteps, PublishedGroup, SeedGroup
from ddpg.analysis.statistics import Estimate
from ddpg.cli import main
from ddpg.errors import UserError

SETTINGS = config.read(ROOT / "config.yaml")
OURS = "spinup-exercise-2-2"


def load(runs: pd.DataFrame, name: str = "exercise-2-2") -> Comparison:
    return load_comparison(name, SETTINGS["comparisons"][name], runs, ROOT)


def judge(runs: pd.DataFrame, name: str = "exercise-2-2") -> pd.DataFrame:
    table = judging.judge_claims(claims.read_claims(SETTINGS, ROOT), [load(runs, name)])
    return table.set_index(["group", "statement"])


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (Estimate(250, 190, 320), judging.AGREES),
        (Estimate(310, 290, 330), judging.UNDECIDED),
        (Estimate(330, 310, 350), judging.DISAGREES),
        (Estimate(250), judging.AGREES),
        (Estimate(301), judging.UNDECIDED),
        (Estimate(math.nan), judging.UNDECIDED),
        (None, judging.UNDECIDED),
    ],
)
def test_value_claim_agrees_when_the_value_is_in_range(estimate, verdict):
    assert judging.judge_estimate(estimate, 200, 300) == verdict


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (Estimate(250, 210, 290), judging.AGREES),
        (Estimate(250, 190, 290), judging.UNDECIDED),
        (Estimate(330, 310, 350), judging.DISAGREES),
        (Estimate(250), judging.UNDECIDED),
    ],
)
def test_interval_claim_agrees_when_the_whole_interval_is_in_range(estimate, verdict):
    assert judging.judge_estimate(estimate, 200, 300, "interval") == verdict


def test_claims_of_the_notes_on_known_data():
    runs = make_our_runs(-100, OURS)
    rows = judge(runs)
    ours = rows.loc[(OURS, "return in the last three epochs: 200 to 300")]
    returns = runs.groupby("env_interacts")["test_return_mean"].mean()
    expected = returns[40000] / 4 + returns[45000] / 2 + returns[50000] / 4
    assert ours["measured"] == pytest.approx(expected)
    assert ours["verdict"] == judging.AGREES
    rerun = rows.loc[("spinup-pytorch", "final Q loss about 20")]
    assert rerun["measured"] == pytest.approx(12.948265)
    assert rerun["measured_low"] < rerun["measured"] < rerun["measured_high"]
    assert rerun["verdict"] == judging.DISAGREES
    assert set(rows["source"]) == {"development notes of 2019, exercise 2.2"}


def test_two_seeds_cannot_refute_a_claim():
    runs = make_our_runs(-10000, OURS)
    ours = judge(runs[runs["seed"] < 20]).loc[OURS]
    assert set(ours["note"]) == {"2 seeds only"} and ours["measured_low"].isna().all()
    assert set(ours["verdict"]) == {judging.UNDECIDED}


def test_claims_without_runs_are_undecided():
    rows = judge(curves.aggregate_runs([]), "halfcheetah-2018").loc["halfcheetah-benchmark"]
    assert set(rows["note"]) == {"no data"} and set(rows["verdict"]) == {judging.UNDECIDED}


def test_band_claims_of_a_published_curve_have_no_interval():
    rows = judge(curves.aggregate_runs([]), "halfcheetah-2018").loc["spinup-2018"]
    band = rows.filter(like="one standard deviation", axis=0)["measured"]
    assert [round(value) for value in band] == [3676, 7988]
    assert rows["measured_low"].isna().all()


def test_each_quantity_of_the_schema_is_measured():
    """Every quantity of the schema, on data for which its value is known."""
    text = claims.SCHEMA.read_text(encoding="utf-8")
    schema = yaml.safe_load(text)["$defs"]["claim"]["properties"]
    measured = [*judging.MEASURES_OF_ONE, *judging.MEASURES_OF_TWO]
    assert schema["quantity"]["enum"] == measured
    assert tuple(judging.MEASURES_OF_TWO) == claims.OF_TWO_GROUPS
    runs = make_our_runs(200, OURS).assign(time=lambda table: table["env_interacts"] / 100)
    comparison = load(runs)
    other, base = "spinup-pytorch", {"statement": "", "source": "", "comparison": comparison.name}

    def measure(quantity: str, against: str | None = None) -> float:
        claim = Claim(**base, group=OURS, quantity=quantity, low=0, high=1, against=against)
        return judging.judge_claims([claim], [comparison]).loc[0, "measured"]

    mean, low, high = (measure(f"final_return{edge}") for edge in ("", "_minus_sd", "_plus_sd"))
    assert (low + high) / 2 == pytest.approx(mean)
    last = runs[runs["env_interacts"] == 50000]
    assert measure("last_q_loss") == pytest.approx(last["loss_q"].mean())
    assert measure("last_policy_loss") == pytest.approx(last["loss_pi"].mean())
    assert measure("seconds_per_5000_steps") == pytest.approx(50)
    assert measure("difference", other) == pytest.approx(200)
    sd = 200 / measure("effect_size", other)
    assert 50 < sd < 100
    assert 2 <= measure("seeds_to_settle", other) < 20
    assert 0.9 < measure("probability_of_improvement", other) <= 1
    assert np.isnan(measure("probability_of_improvement", "spinup-2018"))


def measure_pair(a: SeedGroup, b: SeedGroup, quantity: str) -> pd.Series:
    """The row of a claim that some quantity of `a` against `b` is at least 0."""
    claim = Claim("", "", "demo", a.name, quantity, low=0, high=math.inf, against=b.name)
    return judging.judge_claims([claim], [Comparison("demo", "", (a, b))]).loc[0]


@pytest.mark.parametrize("quantity", ["effect_size", "seeds_to_settle"])
@pytest.mark.parametrize(
    ("seeds", "note"),
    [(2, "2 seeds only"), (5, "undefined for fewer than 3 seeds, and for seeds that do not vary")],
)
def test_claim_about_seeds_that_do_not_vary_is_undecided(quantity, seeds, note):
    a, b = (
        SeedGroup(name, "", "", make_seeds(seeds, test_return_mean=value), ours=True)
        for name, value in (("a", 100.0), ("b", 200.0))
    )
    row = measure_pair(a, b, quantity)
    assert math.isnan(row["measured"]) and row["verdict"] == judging.UNDECIDED
    assert row["note"] == note


@pytest.mark.parametrize("other", [None, "spinup-pytorch"])
def test_claims_about_an_incomplete_experiment_are_undecided(other):
    runs = make_our_runs(experiment=OURS)
    quantity = "difference" if other else "final_return"
    base = Claim("", "", "exercise-2-2", OURS, quantity, -math.inf, math.inf, against=other)
    seeds = tuple(sorted(runs["seed"].unique()))
    for configured, verdict, note in (
        (seeds, judging.AGREES, ""),
        ((*seeds, 1001, 1003), judging.UNDECIDED, "incomplete, 20 of 22 seeds"),
        (
            (*seeds[1:], 1003),
            judging.UNDECIDED,
            "incomplete, 20 seeds, without 1003",
        ),
    ):
        name = "exercise-2-2"
        spec = SETTINGS["comparisons"][name]
        comparison = load_comparison(name, spec, runs, ROOT, {OURS: configured})
        row = judging.judge_claims([base], [comparison]).loc[0]
        assert math.isfinite(row["measured"])
        assert (row["verdict"], row["note"]) == (verdict, note)


@pytest.mark.parametrize("few", [1, 3])
def test_note_names_few_seeds_of_the_group_compared_with(few):
    a, b = (
        SeedGroup(name, f"label of {name}", "", make_seeds(seeds, test_return_mean=0.0), ours=True)
        for name, seeds in (("a", 10), ("b", few))
    )
    for group in (a, b):
        group.runs["test_return_mean"] += group.runs["seed"]
    only = "1 seed" if few == 1 else "3 seeds"
    assert measure_pair(a, b, "difference")["note"] == f"{only} of label of b only"
    assert measure_pair(b, a, "difference")["note"] == f"{only} only"


def test_last_loss_is_that_of_the_last_epoch_with_one():
    runs = make_seeds(6, test_return_mean=1.0, loss_q=2.0)
    runs["loss_q"] += runs["seed"]
    last = runs["env_interacts"] == 30000
    runs.loc[last & (runs["seed"] == 0), "loss_q"] = math.nan  # no update fell in its last epoch
    runs.loc[runs["seed"] == 1, "loss_q"] = math.nan
    comparison = Comparison("demo", "", (SeedGroup("a", "", "", runs, ours=True),))
    claim = Claim("", "", "demo", "a", "last_q_loss", low=0, high=5)
    row = judging.judge_claims([claim], [comparison]).loc[0]
    assert row["measured"] == pytest.approx(2 + np.mean([0, 2, 3, 4, 5]))
    assert row["verdict"] == judging.AGREES


@pytest.mark.parametrize("edge", ["minus", "plus"])
@pytest.mark.parametrize(("seeds", "note"), [(1, "1 seed only"), (2, "2 seeds only")])
def test_few_seeds_have_no_standard_deviation_to_claim(edge, seeds, note):
    few = SeedGroup("seeds", "", "", make_seeds(seeds, test_return_mean=3400.0), ours=True)
    curve = pd.DataFrame({"env_interacts": [1e3, 2e3], "mean": [3400.0, 3400.0], "sd": [0.0, 0.0]})
    published = PublishedGroup("published", "", "", seeds, curve)
    comparison = Comparison("demo", "", (few, published))
    for group in comparison.groups:
        claim = Claim("", "", "demo", group.name, f"final_return_{edge}_sd", low=3000, high=4000)
        row = judging.judge_claims([claim], [comparison]).loc[0]
        assert math.isnan(row["measured"]) and row["verdict"] == judging.UNDECIDED
        assert row["note"] == note


def test_resampling_a_final_return_takes_the_memory_of_its_window_only():
    rng = np.random.default_rng(0)
    steps = 1000.0 * np.arange(1, 3001)
    runs = pd.concat(
        pd.DataFrame({"seed": s, "env_interacts": steps, "test_return_mean": rng.normal(size=3000)})
        for s in range(5)
    )
    group = SeedGroup("a", "", "", runs, ours=True)
    comparison = Comparison("demo", "", (group,), FinalSteps(10000))
    tracemalloc.start()
    found = judging.MEASURES_OF_ONE["final_return"](comparison, group)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.low < found.value < found.high
    assert peak < 100e6  # 9,999 resamples of 11 evaluations of 5 seeds; of 3,000 it were 1.2 GB


CLAIM = {
    "statement": "s",
    "source": "a paper, table 1",
    "comparison": "exercise-2-2",
    "group": OURS,
    "quantity": "final_return",
    "expected": {"at_least": 100, "at_most": 200, "slack": 0.1},
}


def write(path: Path, *entries: dict) -> dict:
    """Write a claims file and return settings that name it."""
    path.write_text(yaml.safe_dump({"claims": list(entries)}))
    return {**SETTINGS, "claims": str(path)}


def test_read_claims_applies_slack_and_defaults(tmp_path):
    (claim,) = claims.read_claims(write(tmp_path / "mine.yaml", CLAIM))
    assert (claim.low, claim.high) == pytest.approx((90, 220))
    assert (claim.test, claim.against) == ("value", None)
    assert claims.read_claims({"comparisons": {}}) == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"comparison": "exercise-22"}, "0.comparison: the configuration has no comparison 'exerc"),
        ({"comparison": "exercise-22"}, "swimmer, exercise-2-2; rename it or remove the claim"),
        ({"group": "spinup-exercise"}, "0.group: the comparison exercise-2-2 has no group 'spinup"),
        ({"quantity": "median"}, "claims.0.quantity: 'median' is not one of ['final_return', "),
        ({"quantity": "difference"}, "claims.0: difference needs `against`, the other group"),
        ({"against": "spinup-2018"}, "final_return is about one group; remove `against`"),
        (
            {"against": "spinup", "quantity": "difference"},
            "0.against: the comparison exercise-2-2 has no group 'spinup'",
        ),
        ({"expected": {"slack": 0.1}}, "0.expected: give `at_least`, `at_most` or both"),
        ({"expected": {"at_least": 2, "at_most": 1}}, "at_least 2 is above at_most 1"),
        ({"expected": {"at_least": "1"}}, "claims.0.expected.at_least: '1' is text in YAML"),
        ({"expected": {"at_leest": 1}}, "unknown key 'at_leest'; did you mean 'at_least'"),
        ({"statement": "a\nb"}, "claims.0.statement: 'a\\nb' is not allowed (Text on one line)"),
    ],
)
def test_invalid_claim_raises_user_error_with_its_position(tmp_path, changes, message):
    path = tmp_path / "mine.yaml"
    with pytest.raises(UserError) as error:
        claims.read_claims(write(path, CLAIM | changes))
    assert str(error.value).startswith(f"{path}: claims.0")
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "none.yaml: no such file"),
        ("- 1\n", "not a file of claims; it needs `claims:`"),
        ("claims: [\n", "line 2"),
        ("claims: []\nclaim: []\n", "unknown key 'claim'; did you mean 'claims'"),
        ("{}\n", "'claims' is missing"),
    ],
)
def test_invalid_claims_file_raises_user_error(tmp_path, text, message):
    path = tmp_path / "none.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError) as error:
        claims.read_claims({**SETTINGS, "claims": str(path)})
    assert message in str(error.value) and "--config" not in str(error.value)


def test_compare_exits_2_when_a_claim_names_an_unknown_comparison(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    write(tmp_path / "claims.yaml", CLAIM | {"comparison": "renamed"})
    (tmp_path / "mine.yaml").write_text(f"claims: {tmp_path / 'claims.yaml'}\n")
    options = ["--config", "config.yaml", str(tmp_path / "mine.yaml"), "--curves"]
    assert main(["compare", *options, "--output", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no comparison 'renamed'" in said
    assert not (tmp_path / "out").exists()
