"""Comparisons from their declaration to their tables, and the statements of the notes."""

import copy
import html
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from ddpg.analysis import claims, comparison, curves, statistics, tables
from ddpg.analysis.comparison import Group
from ddpg.analysis.statistics import Estimate
from ddpg.analysis.statistics_report import power_statement, statistics_markdown
from ddpg.errors import UserError

ROOT = Path(__file__).parents[2]
RUN_OF_2019 = "results/reference/drl_tf2_pendulum_seed0.txt"
RERUN = "results/reference/spinup_pytorch_exercise_2_2_rerun.csv"
SPEC = {
    "title": "Exercise",
    "experiments": {"ours": "this package", "not-run": "another"},
    "references": {
        "published": {
            "label": "Spinning Up 2018",
            "env": "HalfCheetah-v2",
            "curve": {
                "file": "results/reference/spinup_exercise_2_2.csv",
                "implementation": "spinup-2018-tf1",
                "seeds": 3,
            },
        },
        "rerun": {"label": "run again", "env": "HalfCheetah-v5", "table": RERUN},
        "one": {
            "label": "2019",
            "env": "Pendulum-v0",
            "runs": [RUN_OF_2019],
        },
    },
    "reach": {"return": 300},
}


def our_runs(offset: float = 0.0, experiment: str = "ours") -> pd.DataFrame:
    """The 20 runs of the reference as if they were ours, `offset` better."""
    runs = curves.read_per_seed(ROOT / RERUN)
    runs["test_return_mean"] += offset
    return runs.assign(experiment=experiment, env="HalfCheetah-v5")


def load(runs: pd.DataFrame | None = None, **changes) -> comparison.Comparison:
    runs = our_runs() if runs is None else runs
    return comparison.load("exercise", SPEC | changes, runs, ROOT)


def test_groups_in_their_order_with_their_seeds():
    groups = load().groups
    assert [group.name for group in groups] == ["ours", "not-run", "published", "rerun", "one"]
    assert [group.seeds for group in groups] == [20, 0, 3, 20, 1]
    assert groups[0].legend == "this package, HalfCheetah-v5 (20 seeds)"
    assert groups[1].legend == "another, 0 seeds"
    assert groups[4].legend == "2019, Pendulum-v0 (1 seed)"


def test_a_reference_that_is_not_there_is_one_clear_line():
    with pytest.raises(UserError, match="exercise.references.x: .*none: no such file"):
        load(references={"x": {"label": "", "env": "", "runs": ["none"]}})


def test_every_group_is_told_apart_and_named():
    """Labels on one line; where two are equal, or one is empty, with the group's name."""
    label = {"experiments": {"ours": " _mine\n too\u200b", "not-run": "2019"}}
    references = {
        "one": {"label": "2019", "env": "Pendulum-v0", "runs": [RUN_OF_2019]},
        "two": {"label": "2019 (one)", "env": "Pendulum-v0", "runs": [RUN_OF_2019]},
        "none": {"label": "\u200b", "env": "Pendulum-v0", "runs": [RUN_OF_2019]},
    }
    groups = load(**label, references=references, title="a\nb").groups
    labels = [group.label for group in groups]
    assert labels == ["_mine too", "2019 (not-run)", "2019 (one) (one)", "2019 (one) (two)", "none"]
    table = comparison.group_table([load(**label, references=references)])
    assert table["label"].tolist() == labels


def test_labels_are_shown_in_tables_as_they_are_written():
    for label in (
        "_mine_",
        "__x__",
        "*b*",
        "a|b",
        "<b>x</b>",
        "[l](u)",
        "`c`",
        "R&amp;D",
        "a_b",
        "1 [0, 2]",
    ):
        page = (
            MarkdownIt("commonmark")
            .enable("table")
            .render(tables.markdown(pd.DataFrame({"group": [label]})))
        )
        (shown,) = re.findall("<td>(.*)</td>", page)
        assert html.unescape(shown) == label


def test_no_comparisons_have_tables_without_rows():
    groups, pairs = comparison.group_table([]), comparison.pair_table([])
    text = statistics_markdown(groups, pairs, claims.claim_table([]))
    assert (len(groups), len(pairs)) == (0, 0)
    assert "| comparison | group | seeds | mean |" in text
    assert curves.read_curves([]).empty


def test_our_experiments_must_have_the_same_length():
    longer = our_runs()
    shorter = our_runs(experiment="not-run")
    runs = pd.concat([longer, shorter[shorter["env_interacts"] < 50000]])
    with pytest.raises(UserError, match="ours has 10 epochs .* not-run has 9"):
        load(runs)
    # Another number of seeds is no other length.
    assert load(pd.concat([longer, shorter[shorter["seed"] < 50]])).groups[1].seeds == 5


def test_mean_and_sd_are_drawn_as_spinning_up_draws_them():
    group = load().groups[0]
    mean, sd = group.mean_and_sd()
    last = our_runs().query("env_interacts == 50000")["test_return_mean"]
    assert mean[-1] == pytest.approx(last.mean())
    assert sd[-1] == pytest.approx(last.std(ddof=0))
    assert group.mean_and_sd("q_mean") is None


def test_every_seed_is_smoothed_before_the_statistics():
    group = load().groups[0]
    values = group.matrix()
    smoothed = group.matrix(smooth=3)
    np.testing.assert_allclose(smoothed[4], values[3:6].mean(axis=0))
    np.testing.assert_allclose(group.mean_and_sd(smooth=3)[1], smoothed.std(axis=1))


@pytest.mark.parametrize(("smoothed", "width"), [(1, 3), (3, 1)])
def test_a_published_curve_that_was_smoothed_is_not_smoothed_again(smoothed, width):
    references = copy.deepcopy(SPEC["references"])
    references["published"]["curve"]["smoothed"] = smoothed
    given = load(references=references, reach={"return": 300, "smooth": 3}, smooth=5)
    curve = given.group("published").published
    mean = curves.smooth(curve["mean"].to_numpy(), width)
    expected = statistics.steps_to_return(curve["env_interacts"].to_numpy(), mean, 300)
    row = comparison.group_table([given]).set_index("group").loc["published"]
    assert row["steps_of_mean"] == expected
    assert ("smoothed over 3 epochs" in row["note"]) == (smoothed == 3)
    assert "5 epochs" not in row["note"]


def test_final_performance_of_seeds_and_of_a_published_curve():
    ours, _, published, _, _ = load().groups
    found = comparison.final(ours)
    expected = our_runs().query("env_interacts >= 40000").groupby("seed")["test_return_mean"].mean()
    np.testing.assert_allclose(found.values, expected)
    assert (found.evaluations, found.first_step, found.last_step) == (3, 40000, 50000)

    found = comparison.final(published)
    assert found.moments.mean == pytest.approx((336.07 + 391.05 + 425.94) / 3)
    drawn = (46.19 + 63.03 + 69.05) / 3
    assert found.moments.sd == pytest.approx(drawn * math.sqrt(3 / 2))


def test_two_groups_are_taken_up_to_the_earlier_end():
    ours, _, published, _, _ = load().groups
    assert comparison.final(ours, published).last_step == 45000
    assert comparison.final(published, ours).last_step == 45000
    counts_from_zero = our_runs()
    counts_from_zero["env_interacts"] -= 1
    shifted = Group("", "", "", True, 20, runs=counts_from_zero)
    assert comparison.final(ours, shifted).last_step == 50000


def test_group_table():
    table = comparison.group_table([load()]).set_index("group")
    ours = table.loc["ours"]
    finals = comparison.final(load().groups[0]).values
    assert ours["mean"] == pytest.approx(finals.mean())
    assert ours["sd"] == pytest.approx(finals.std(ddof=1))
    assert ours["mean_low"] < ours["mean"] < ours["mean_high"]
    assert ours["iqm"] == pytest.approx(np.sort(finals)[5:15].mean())
    assert ours["seeds_reaching"] == np.sum(load().groups[0].matrix().max(axis=0) >= 300)
    assert table.loc["published", "steps_of_mean"] == 25000
    assert table.loc["published", ["mean_low", "iqm", "steps_to_return"]].isna().all()
    assert table.loc["one", ["mean_low", "sd", "iqm_low"]].isna().all()
    assert table.loc["one", "note"] == "one: one seed, so no interval and no test"
    assert table.loc["not-run", "note"] == "not-run: 0 seeds"
    assert math.isnan(table.loc["not-run", "mean"])


def test_pair_table():
    table = comparison.pair_table([load(our_runs(offset=200))])
    assert table["a"].tolist() == ["ours"] * 4 + ["not-run"] * 3
    rows = table[table["a"] == "ours"].set_index("b")
    rerun = rows.loc["rerun"]
    assert rerun["difference"] == pytest.approx(200)
    assert rerun["difference_low"] < 200 < rerun["difference_high"]
    assert rerun["welch_p"] < 1e-6
    finals = comparison.final(load().groups[0]).values
    assert rerun["probability_of_improvement"] == statistics.improvement(finals + 200, finals)
    assert rows.loc["published", "to_step"] == 45000
    assert math.isnan(rows.loc["published", "probability_of_improvement"])
    assert rows.loc["published", "note"] == "published: only mean and sd published"
    assert math.isnan(rows.loc["one", "welch_p"]) and "one seed" in rows.loc["one", "note"]
    assert rows.loc["not-run", "note"] == "not-run: 0 seeds"


def test_groups_without_common_steps_are_not_compared():
    early = our_runs()
    early["env_interacts"] /= 100
    row = comparison.pair_table([load(early)]).set_index(["a", "b"]).loc[("ours", "one")]
    assert row["note"] == comparison.NO_COMMON_STEPS and math.isnan(row["difference"])


def test_the_power_statement_names_both_numbers():
    row = comparison.pair_table([load(our_runs(offset=200))]).iloc[2].to_dict()
    sentence = power_statement(row)
    assert f"detect a true difference of {row['detectable_difference']:,.0f}" in sentence
    assert f"{row['seeds_to_settle']:.0f} seeds a side" in sentence
    alone = comparison.pair_table([load()]).iloc[3].to_dict()
    assert power_statement(alone).endswith("one seed, so no interval and no test.")


def test_an_undecidable_difference_is_said_to_be_one():
    row = comparison.pair_table([load()]).iloc[2].to_dict()
    assert "more than a million seeds" in power_statement(row)


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (Estimate(250, 190, 320), claims.AGREES),
        (Estimate(310, 290, 330), claims.CANNOT_TELL),
        (Estimate(330, 310, 350), claims.DISAGREES),
        (Estimate(250), claims.AGREES),
        (Estimate(301), claims.CANNOT_TELL),
        (Estimate(math.nan), claims.CANNOT_TELL),
        (None, claims.CANNOT_TELL),
    ],
)
def test_a_statement_is_judged_by_value_and_interval(estimate, verdict):
    assert claims.judge(estimate, 200, 300) == verdict


def notes_comparison(runs: pd.DataFrame) -> comparison.Comparison:
    """The exercise under the names by which the statements find it."""
    references = SPEC["references"]
    spec = SPEC | {
        "experiments": {claims.OURS_EX: "ours"},
        "references": {
            claims.SPINUP_EX: references["published"],
            claims.SPINUP_RERUN: references["rerun"],
        },
    }
    return comparison.load(claims.EX, spec, runs, ROOT)


def test_statements_of_the_notes_are_measured():
    runs = our_runs(offset=-100, experiment=claims.OURS_EX)
    table = claims.claim_table([notes_comparison(runs)])
    rows = table[table["comparison"] == claims.EX].set_index(["group", "statement"])
    ours = rows.loc[(claims.OURS_EX, "return in the last three epochs: 200 to 300")]
    finals = runs.query("env_interacts >= 40000")["test_return_mean"]
    assert ours["measured"] == pytest.approx(finals.mean())
    assert ours["verdict"] == claims.AGREES
    rerun = rows.loc[(claims.SPINUP_RERUN, "final Q loss about 20")]
    assert rerun["measured"] == pytest.approx(12.948265)
    assert rerun["measured_low"] < rerun["measured"] < rerun["measured_high"]
    assert rerun["verdict"] == claims.DISAGREES
    others = table[table["comparison"] != claims.EX]
    assert set(others["verdict"]) == {claims.CANNOT_TELL} and set(others["note"]) == {"no data"}


def test_two_seeds_refute_no_statement():
    runs = our_runs(offset=-10000, experiment=claims.OURS_EX)
    table = claims.claim_table([notes_comparison(runs[runs["seed"] < 20])])
    ours = table[table["group"] == claims.OURS_EX]
    assert set(ours["note"]) == {"2 seeds only"} and ours["measured_low"].isna().all()
    assert set(ours["verdict"]) == {claims.CANNOT_TELL}


def test_the_band_of_a_published_curve_is_measured_without_interval():
    spec = {
        "title": "",
        "experiments": {claims.OURS: ""},
        "references": {
            claims.SPINUP: {
                "label": "",
                "env": "HalfCheetah-v2",
                "curve": {
                    "file": "results/reference/spinup_ddpg_benchmark.csv",
                    "implementation": "spinup-2018-tf1",
                    "seeds": 10,
                },
            }
        },
    }
    given = comparison.load(claims.HC, spec, curves.aggregate([]), ROOT)
    table = claims.claim_table([given])
    rows = table[table["group"] == claims.SPINUP].dropna(subset="measured").set_index("statement")
    band = rows.filter(like="one standard deviation", axis=0)["measured"]
    assert [round(value) for value in band] == [3690, 8000]
    assert rows["measured_low"].isna().all()


def test_the_readable_statistics_have_no_nan():
    given = [load()]
    pairs = comparison.pair_table(given)
    text = statistics_markdown(comparison.group_table(given), pairs, claims.claim_table(given))
    assert "nan" not in text and "inf" not in text.replace("influence", "")
    assert "| exercise | this package, HalfCheetah-v5 | 20 |" in text


def test_tables_are_written_whole_and_the_same(tmp_path):
    for name in ("a.csv", "new/b.csv"):
        tables.write_csv(tmp_path / name, comparison.group_table([load()]))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "new" / "b.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "new"]
    with pytest.raises(ValueError, match="Out of range"):
        tables.write_json(tmp_path / "c.json", {"p": math.nan})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.678, "12,346"),
        (-154.93, "-154.9"),
        (0.00012344, "0.0001234"),
        (20.0, "20"),
        (math.nan, "n/a"),
        (math.inf, "unbounded"),
    ],
)
def test_numbers_are_readable(value, text):
    assert tables.number(value) == text
