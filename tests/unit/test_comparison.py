"""Comparisons: groups loaded from the configuration, and the tables of their statistics."""

import copy
import dataclasses
import html
import math
import re

import numpy as np
import pandas as pd
import pytest
from helpers.checkout import ROOT
from helpers.make_curves import RERUN, make_our_runs
from markdown_it import MarkdownIt

from ddpg.analysis import curves, factorial, grids, judging, statistics, tables
from ddpg.analysis.comparison import (
    NO_COMMON_STEPS,
    Comparison,
    Pair,
    Reach,
    load_comparison,
    tabulate_groups,
    tabulate_pairs,
)
from ddpg.analysis.grids import Window
from ddpg.analysis.groups import FinalSteps, SeedGroup, count_seeds, format_legend, measure_final
from ddpg.analysis.statistics_report import format_statistics, state_power
from ddpg.errors import UserError
from ddpg.files import write_json

RUN_OF_2019 = "results/reference/drl_tf2_pendulum_seed0.txt"
LAST = FinalSteps(10000)
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
    "final": {"steps": 10000},
    "reach": {"return": 300},
}


def load(runs: pd.DataFrame | None = None, **changes) -> Comparison:
    runs = make_our_runs() if runs is None else runs
    return load_comparison("exercise", SPEC | changes, runs, ROOT)


def write_statistics(comparison: Comparison) -> str:
    """The text of statistics.md for one comparison without claims."""
    return format_statistics(
        tabulate_groups([comparison]),
        tabulate_pairs([comparison]),
        factorial.tabulate_effects([comparison]),
        judging.judge_claims([], [comparison]),
    )


def test_groups_keep_the_declared_order_and_count_their_seeds():
    groups = load().groups
    assert [group.name for group in groups] == ["ours", "not-run", "published", "rerun", "one"]
    assert [group.seeds for group in groups] == [20, 0, 3, 20, 1]
    assert format_legend(groups[0]) == "this package, HalfCheetah-v5 (20 seeds)"
    assert format_legend(groups[1]) == "another, not trained yet"
    assert format_legend(groups[4]) == "2019, Pendulum-v0 (1 seed)"


def test_missing_reference_raises_user_error():
    with pytest.raises(UserError, match="exercise.references.x: .*none: no such file"):
        load(references={"x": {"label": "", "env": "", "runs": ["none"]}})


def test_labels_are_single_line_and_distinct():
    """Equal labels get the group's name appended, empty labels are replaced by it."""
    label = {"experiments": {"ours": " _mine\n too\u200b", "not-run": "2019"}}
    references = {
        "one": {"label": "2019", "env": "Pendulum-v0", "runs": [RUN_OF_2019]},
        "two": {"label": "2019 (one)", "env": "Pendulum-v0", "runs": [RUN_OF_2019]},
        "none": {"label": "\u200b", "env": "Pendulum-v0", "runs": [RUN_OF_2019]},
    }
    groups = load(**label, references=references, title="a\nb").groups
    labels = [group.label for group in groups]
    assert labels == ["_mine too", "2019 (not-run)", "2019 (one) (one)", "2019 (one) (two)", "none"]
    table = tabulate_groups([load(**label, references=references)])
    assert table["label"].tolist() == labels


def test_markdown_tables_escape_labels():
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
            .render(tables.format_markdown(pd.DataFrame({"group": [label]})))
        )
        (shown,) = re.findall("<td>(.*)</td>", page)
        assert html.unescape(shown) == label


def test_tables_without_comparisons_are_empty():
    groups, pairs = tabulate_groups([]), tabulate_pairs([])
    effects = factorial.tabulate_effects([])
    text = format_statistics(groups, pairs, effects, judging.judge_claims([], []))
    assert (len(groups), len(pairs)) == (0, 0)
    assert "| comparison | group | seeds | steps | mean |" in text
    assert curves.read_curves([]).empty


def test_experiments_of_different_length_are_compared_over_common_steps():
    shorter = make_our_runs(offset=50, experiment="not-run").query("env_interacts <= 30000")
    comparison = load(pd.concat([make_our_runs(), shorter]))
    row = tabulate_pairs([comparison]).set_index(["a", "b"]).loc[("ours", "not-run")]
    assert (row["from_step"], row["to_step"]) == (20000, 30000)
    assert row["difference"] == pytest.approx(-50)
    assert row["note"] == (
        "not-run ends at step 30,000, ours at step 50,000: compared up to step 30,000"
    )
    groups = tabulate_groups([comparison]).set_index("group")
    assert groups["to_step"][["ours", "not-run"]].tolist() == [50000, 30000]


def test_band_is_mean_and_population_standard_deviation():
    group = load().groups[0]
    mean, sd = group.compute_band()
    last = make_our_runs().query("env_interacts == 50000")["test_return_mean"]
    assert mean[-1] == pytest.approx(last.mean())
    assert sd[-1] == pytest.approx(last.std(ddof=0))
    assert group.compute_band("q_mean") is None


def test_seeds_are_smoothed_before_mean_and_standard_deviation():
    group = load().groups[0]
    values = group.get_values()
    smoothed = group.get_values(smooth=15000)
    np.testing.assert_allclose(smoothed[4], values[3:6].mean(axis=0))
    np.testing.assert_allclose(group.compute_band(smooth=15000)[1], smoothed.std(axis=1))


@pytest.mark.parametrize(("smoothed", "width"), [(0, 15000), (15000, 0)])
def test_smoothed_published_curve_is_not_smoothed_twice(smoothed, width):
    references = copy.deepcopy(SPEC["references"])
    if smoothed:
        references["published"]["curve"]["smoothed"] = {"steps": smoothed}
    reach = {"return": 300, "smooth": {"steps": 15000}}
    comparison = load(references=references, reach=reach, smooth={"steps": 25000})
    group = comparison.find_group("published")
    mean = grids.smooth_curve(group.steps, group.compute_band()[0], width)
    row = tabulate_groups([comparison]).set_index("group").loc["published"]
    assert row["steps_of_mean"] == statistics.find_step_reaching(group.steps, mean, 300)
    assert ("smoothed over 15,000 steps" in row["note"]) == (smoothed > 0)
    assert "25,000 steps" not in row["note"]


def test_return_reached_after_the_end_does_not_count():
    """The curves are smoothed before they are cut, as they are drawn."""
    steps, returns = 1000.0 * np.arange(1, 31), np.repeat([0.0, 10.0], [20, 10])
    runs = [
        pd.DataFrame({"seed": s, "env_interacts": steps, "test_return_mean": returns})
        for s in range(5)
    ]
    group = SeedGroup("a", "a", "", pd.concat(runs), ours=True)

    def measure(end: float, smooth: int = 0) -> list[float]:
        final, reach = FinalSteps(3000, end), Reach(5, smooth)
        row = tabulate_groups([Comparison("c", "c", (group,), final, reach=reach)]).iloc[0]
        return row[["seeds_reaching", "steps_to_return", "steps_of_mean"]].tolist()

    assert measure(30000) == [5, 21000, 21000]
    assert measure(20000)[0] == 0 and np.isnan(measure(20000)[1:]).all()
    # The mean of 12,000 steps around step 20,000: seven zeros and six tens; around 21,000: 70 / 13.
    assert measure(21000, smooth=12000) == [5, 21000, 21000]


@pytest.mark.parametrize(("reaching", "median"), [(5, 20000.0), (3, 20000.0), (2, math.nan)])
def test_steps_to_reach_a_return_are_a_median_over_all_seeds(reaching, median):
    """Seeds that never reach it count as later than all that do."""
    steps = 1000.0 * np.arange(1, 31)
    runs = [
        pd.DataFrame(
            {
                "seed": seed,
                "env_interacts": steps,
                "test_return_mean": np.where(steps >= 20000, 10.0, 0.0) if seed < reaching else 0.0,
            }
        )
        for seed in range(5)
    ]
    group = SeedGroup("a", "a", "", pd.concat(runs), ours=True)
    row = tabulate_groups([Comparison("c", "c", (group,), reach=Reach(5))]).iloc[0]
    assert row["seeds_reaching"] == reaching
    np.testing.assert_equal(row["steps_to_return"], median)


def test_missing_seeds_are_named_wherever_the_group_is():
    runs = make_our_runs()
    seeds = tuple(runs["seed"].unique())
    complete = load_comparison("demo", SPEC, runs, ROOT, {"ours": seeds})
    more = tuple(range(1000, 1010))
    comparison = load_comparison("demo", SPEC, runs, ROOT, {"ours": seeds + more})
    note = "ours: incomplete, 20 of 30 seeds"
    assert note not in " ".join(tabulate_groups([complete])["note"])
    table = tabulate_groups([comparison]).set_index("group")
    assert table.loc["ours", "note"] == note
    assert "incomplete" not in table.loc["rerun", "note"]
    pairs = tabulate_pairs([comparison])
    assert pairs.loc[pairs["a"] == "ours", "note"].str.contains(note).sum() == 3
    assert format_legend(comparison.groups[0]).endswith("(20 of 30 seeds)")
    assert [*map(count_seeds, (complete.groups[0], comparison.groups[0]))] == ["20", "20 of 30"]
    others = load_comparison("demo", SPEC, runs, ROOT, {"ours": (*seeds[1:], 1000)})
    assert count_seeds(others.groups[0]) == "20, without 1000"
    assert format_legend(others.groups[0]).endswith("(20 seeds, without 1000)")
    assert format_legend(complete.groups[0]).endswith("(20 seeds)")


def test_final_return_of_seed_group_and_published_group():
    ours, _, published, _, _ = load().groups
    found = measure_final(ours, LAST)
    returns = make_our_runs().pivot(
        index="env_interacts", columns="seed", values="test_return_mean"
    )
    expected = returns.loc[40000] / 4 + returns.loc[45000] / 2 + returns.loc[50000] / 4
    np.testing.assert_allclose(found.values, expected)
    assert (found.evaluations, found.window) == (3, Window(40000, 50000))

    found = measure_final(published, LAST)
    assert found.moments.mean == pytest.approx(336.07 / 4 + 391.05 / 2 + 425.94 / 4)
    drawn = 46.19 / 4 + 63.03 / 2 + 69.05 / 4
    assert found.moments.sd == pytest.approx(drawn * math.sqrt(3 / 2))


def test_final_window_ends_at_the_last_common_step():
    ours, _, published, _, _ = load().groups
    assert measure_final(ours, LAST, published).window == Window(35000, 45000)
    assert measure_final(published, LAST, ours).window == Window(35000, 45000)
    counts_from_zero = make_our_runs()
    counts_from_zero["env_interacts"] -= 1
    shifted = SeedGroup("", "", "", counts_from_zero)
    assert measure_final(ours, LAST, shifted).window == Window(39999, 49999)
    same = measure_final(ours, LAST).values
    np.testing.assert_array_equal(measure_final(shifted, LAST, ours).values, same)


def test_seeds_with_steps_offset_by_one_form_one_group(tmp_path):
    """In Spinning Up's logs some seeds count steps from 0 and others from 1."""
    table = curves.read_per_seed(ROOT / RERUN)
    table.loc[table["seed"] < 50, "env_interacts"] -= 1
    table.to_csv(tmp_path / "apart.csv", index=False)
    spec = {"label": "apart", "env": "HalfCheetah-v5", "table": str(tmp_path / "apart.csv")}
    comparison = load(references={"apart": spec})
    assert (comparison.groups[-1].seeds, comparison.groups[-1].note) == (20, "")
    row = tabulate_pairs([comparison]).set_index(["a", "b"]).loc[("ours", "apart")]
    assert (row["to_step"], row["note"]) == (49999, "")
    assert row["difference"] == pytest.approx(0, abs=0.01)


def test_group_ends_with_its_shortest_seed_and_the_note_says_so(tmp_path):
    table = curves.read_per_seed(ROOT / RERUN)
    table = table[(table["seed"] > 0) | (table["env_interacts"] <= 30000)]
    table.to_csv(tmp_path / "short.csv", index=False)
    spec = {"label": "short", "env": "HalfCheetah-v5", "table": str(tmp_path / "short.csv")}
    groups = tabulate_groups([load(references={"short": spec})]).set_index("group")
    assert groups.loc["short", "to_step"] == 30000
    assert groups.loc["short", "note"] == (
        "short: seeds end between steps 30,000 and 50,000, truncated at the shortest seed"
    )


def test_seeds_without_common_steps_raise_user_error(tmp_path):
    (tmp_path / "x.csv").write_text("seed,env_interacts,test_return_mean\n0,10,1\n1,20,2\n")
    spec = {"label": "x", "env": "y", "table": str(tmp_path / "x.csv")}
    with pytest.raises(UserError, match="references.x: its seeds have no environment steps in"):
        load(references={"x": spec})


def test_group_table_values():
    table = tabulate_groups([load()]).set_index("group")
    ours = table.loc["ours"]
    finals = measure_final(load().groups[0], LAST).values
    assert ours["mean"] == pytest.approx(finals.mean())
    assert ours["sd"] == pytest.approx(finals.std(ddof=1))
    assert ours["mean_low"] < ours["mean"] < ours["mean_high"]
    assert ours["iqm"] == pytest.approx(np.sort(finals)[5:15].mean())
    assert ours["seeds_reaching"] == np.sum(load().groups[0].get_values().max(axis=0) >= 300)
    assert table.loc["published", "steps_of_mean"] == 25000
    assert table.loc["published", ["mean_low", "iqm", "steps_to_return"]].isna().all()
    assert table.loc["one", ["mean_low", "sd", "iqm_low"]].isna().all()
    assert table.loc["one", "note"] == "one: one seed, so no interval and no test"
    assert table.loc["not-run", "note"] == "not-run: not trained yet"
    assert math.isnan(table.loc["not-run", "mean"])


def test_pair_table_values():
    table = tabulate_pairs([load(make_our_runs(offset=200))])
    assert table["a"].tolist() == ["ours"] * 4 + ["not-run"] * 3
    rows = table[table["a"] == "ours"].set_index("b")
    rerun = rows.loc["rerun"]
    assert rerun["difference"] == pytest.approx(200)
    assert rerun["difference_low"] < 200 < rerun["difference_high"]
    assert rerun["welch_p"] < 1e-6
    finals = measure_final(load().groups[0], LAST).values
    assert rerun["probability_of_improvement"] == statistics.compute_improvement_probability(
        finals + 200, finals
    )
    assert rows.loc["published", "to_step"] == 45000
    assert math.isnan(rows.loc["published", "probability_of_improvement"])
    assert rows.loc["published", "note"] == "published: only mean and sd published"
    assert math.isnan(rows.loc["one", "welch_p"]) and "one seed" in rows.loc["one", "note"]
    assert rows.loc["not-run", "note"] == "not-run: not trained yet"


def test_two_seeds_are_not_tested():
    """Two seeds that end close together by chance would differ from anything."""
    runs = make_our_runs(offset=200).query("seed in (0, 10)")
    published = SPEC["references"]["published"]
    two = published | {"curve": published["curve"] | {"seeds": 2}}
    comparison = load(runs, references=SPEC["references"] | {"two": two})
    table = tabulate_groups([comparison]).set_index("group")
    assert table.loc["ours", "note"] == "ours: two seeds, so no bootstrap interval and no test"
    assert table.loc["two", "note"] == "two: only mean and sd published, too few seeds for a test"
    assert table.loc["ours", "sd"] > 0
    rows = tabulate_pairs([comparison]).query("a == 'ours' and evaluations_a > 0")
    assert rows["b"].tolist() == ["published", "rerun", "one", "two"]
    assert rows["difference"].notna().all()
    tested = ["difference_low", "welch_p", "detectable_difference", "seeds_to_settle"]
    assert rows[tested].isna().all(axis=None)


def test_equal_constants_on_different_grids_do_not_differ():
    """Means over other evaluations differ by rounding noise."""
    apart = [
        pd.DataFrame({"seed": seed, "env_interacts": steps, "test_return_mean": -93.7})
        for steps, seeds in ((1000.0 * np.arange(1, 31), 5), (1750.0 * np.arange(1, 18), 10))
        for seed in range(seeds)
    ]
    groups = (
        SeedGroup("a", "a", "", pd.concat(apart[:5]), ours=True),
        SeedGroup("b", "b", "", pd.concat(apart[5:])),
    )
    row = tabulate_pairs([Comparison("c", "c", groups, FinalSteps(10000))]).iloc[0]
    assert row["difference"] == 0
    assert math.isnan(row["welch_p"]) and math.isnan(row["welch_p_adjusted"])


def test_planned_and_exploratory_p_values_are_adjusted_together():
    pairs = {"planned": [["rerun", "ours"]], "exploratory": [["rerun", "published"]]}
    others = make_our_runs(offset=60, experiment="not-run")
    comparison = load(pd.concat([make_our_runs(offset=200), others]), pairs=pairs)
    table = tabulate_pairs([comparison])
    named = list(zip(table["a"], table["b"], table["planned"], strict=True))
    assert named[:3] == [
        ("rerun", "ours", "planned"),
        ("rerun", "published", "exploratory"),
        ("ours", "not-run", "exploratory"),
    ]
    assert len(named) == 8, "a planned test is listed once"
    raw = table["welch_p"].dropna()
    # Benjamini and Hochberg: the smallest of p m / rank among this and larger p-values.
    ranked = raw.sort_values() * len(raw) / np.arange(1, len(raw) + 1)
    expected = ranked[::-1].cummin().sort_index()
    found = table["welch_p_adjusted"]
    np.testing.assert_allclose(found[raw.index], expected)
    assert found.isna().tolist() == table["welch_p"].isna().tolist()
    assert (found[raw.index] > raw).any()
    text = write_statistics(comparison)
    assert "| rerun - ours | planned | 20 and 20 | 40,000 to 50,000 |" in text


def test_duplicate_tests_count_once_in_the_adjustment():
    comparison = load(
        pd.concat([make_our_runs(offset=200), make_our_runs(offset=60, experiment="not-run")])
    )
    once = tabulate_pairs([comparison])
    again = dataclasses.replace(comparison, name="again")
    twice = tabulate_pairs([comparison, again])["welch_p_adjusted"].to_numpy()
    expected = once["welch_p_adjusted"].to_numpy()
    assert np.isfinite(expected).any()
    np.testing.assert_array_equal(twice, np.concatenate([expected, expected]))


def test_reversed_test_of_another_comparison_is_the_same_test():
    others = make_our_runs(offset=60, experiment="not-run")
    comparison = load(pd.concat([make_our_runs(offset=200), others]))
    first, second, *rest = comparison.groups
    reversed_ = Comparison(
        "reversed", "", (second, first), comparison.final, pairs=(Pair("not-run", "ours", True),)
    )
    once, both = tabulate_pairs([comparison]), tabulate_pairs([comparison, reversed_])
    last = both.iloc[-1]
    assert (last["a"], last["b"]) == ("not-run", "ours") and rest
    np.testing.assert_array_equal(both["welch_p_adjusted"][:-1], once["welch_p_adjusted"])
    same = both[(both["a"] == "ours") & (both["b"] == "not-run")].iloc[0]
    assert same["welch_p_adjusted"] == last["welch_p_adjusted"]
    assert (same["planned"], last["planned"]) == ("planned", "planned")
    assert (both["planned"] == "planned").sum() == 2


def test_groups_without_common_steps_have_no_difference():
    early = make_our_runs()
    early["env_interacts"] /= 100  # they end before the other begins
    row = tabulate_pairs([load(early)]).set_index(["a", "b"]).loc[("ours", "one")]
    assert row["note"] == NO_COMMON_STEPS and math.isnan(row["difference"])


def test_power_statement_has_detectable_difference_and_seeds_to_settle():
    row = tabulate_pairs([load(make_our_runs(offset=200))]).iloc[2].to_dict()
    sentence = state_power(row)
    detectable = tables.format_number(row["detectable_difference"])
    assert f"(80 % power) is {detectable}; the observed difference is 200 (p = " in sentence
    assert f"{row['seeds_to_settle']:.0f} seeds per group" in sentence


def test_power_statements_cover_exactly_the_tested_pairs():
    pairs = tabulate_pairs([load()])
    text = write_statistics(load())
    said = re.findall("^- exercise, (.*?) against (.*?): ", text, re.MULTILINE)
    tested = pairs.dropna(subset="welch_p")
    assert said == list(zip(tested["a"], tested["b"], strict=True))


def test_power_statement_of_zero_difference_says_more_than_a_million_seeds():
    row = tabulate_pairs([load()]).iloc[2].to_dict()
    assert "more than a million seeds" in state_power(row)


def test_power_statement_keeps_small_numbers():
    row = tabulate_pairs([load(make_our_runs(offset=200))]).iloc[2].to_dict()
    small = state_power(row | {"detectable_difference": 0.0625, "difference": -0.25})
    assert "is 0.0625; the observed difference is -0.25 (p = " in small


def test_pairs_without_spread_have_no_power_statement():
    constant = make_our_runs().assign(test_return_mean=100.0)
    runs = pd.concat([constant, make_our_runs(experiment="not-run").assign(test_return_mean=0.0)])
    comparison = load(runs, references={})
    assert tabulate_pairs([comparison])["detectable_difference"].tolist() == [0]
    assert "minimum detectable effect (" not in write_statistics(comparison)


def test_statistics_report_has_no_nan_or_inf():
    text = write_statistics(load())
    assert "nan" not in text and "inf" not in text
    assert "| exercise | this package, HalfCheetah-v5 | 20 |" in text


def test_written_tables_are_deterministic_and_leave_no_temporary_file(tmp_path):
    for name in ("a.csv", "new/b.csv"):
        tables.write_csv(tmp_path / name, tabulate_groups([load()]))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "new" / "b.csv").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "new"]
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "c.json", {"p": math.nan})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.678, "12,346"),
        (-154.93, "-154.9"),
        (0.00012344, "0.0001234"),
        (20.0, "20"),
        (math.nan, "n/a"),
        (math.inf, "unbounded"),
        (-math.inf, "-unbounded"),
    ],
)
def test_format_number(value, text):
    assert tables.format_number(value) == text
