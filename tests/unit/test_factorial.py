"""The 2x2 of networks and schedule: effects, their intervals, and missing seeds."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from helpers.checkout import ROOT

from ddpg import config
from ddpg.analysis import factorial, figures, statistics
from ddpg.analysis.comparison import Comparison, load_comparison
from ddpg.analysis.groups import FinalSteps
from ddpg.analysis.statistics import Moments
from ddpg.commands import check
from ddpg.commands.comparisons import build_comparisons
from ddpg.errors import Mismatch

SETTINGS = config.read(ROOT / "config.yaml")
NAME = "networks-or-schedule"
SPEC = SETTINGS["comparisons"][NAME]
CELLS = [name for row in SPEC["factorial"]["cells"] for name in row]
SEEDS = dict(zip(CELLS, (10, 5, 5, 10), strict=True))
LONG = {CELLS[0]: 300, CELLS[3]: 300}


def make_runs(means: dict[str, float], sd: float = 500, seeds: dict | None = None) -> pd.DataFrame:
    """Runs with these mean final returns at 100 epochs; the long runs rise further afterwards."""
    rng = np.random.default_rng(0)
    tables = []
    for name, mean in means.items():
        steps = np.arange(1, LONG.get(name, 100) + 1) * 10_000
        for seed in range((seeds or SEEDS)[name]):
            final = mean + rng.normal(0, sd)
            # Constant in the window, so that the final return is exactly `final`.
            returns = np.where(steps < 900_000, final * steps / 900_000, final)
            returns = returns + np.where(steps > 1_000_000, 9_999, 0)
            table = {"seed": 10 * seed, "env_interacts": steps, "test_return_mean": returns}
            tables.append(pd.DataFrame(table).assign(experiment=name, env="HalfCheetah-v5"))
    return pd.concat(tables) if tables else pd.DataFrame(columns=["experiment", "seed"])


def load(runs: pd.DataFrame) -> Comparison:
    return load_comparison(NAME, SPEC, runs, ROOT, config.list_seeds(SETTINGS))


def tabulate(runs: pd.DataFrame) -> pd.DataFrame:
    return factorial.tabulate_effects([load(runs)]).set_index("effect")


def test_cells_differ_only_in_networks_and_schedule():
    """All other hyperparameters are equal, apart from the number of epochs."""
    cells = [config.resolve_experiment(SETTINGS, name) for name in CELLS]
    assert [len(cell.seeds) for cell in cells] == [10, 5, 5, 10]
    free = {"hidden_sizes", "update_after", "update_every", "epochs"}
    fixed = [{k: v for k, v in cell.hyperparameters().items() if k not in free} for cell in cells]
    assert all(values == fixed[0] for values in fixed)
    networks = [cell.hidden_sizes for cell in cells]
    assert networks == [(400, 300), (400, 300), (256, 256), (256, 256)]
    schedule = [(cell.update_after, cell.update_every) for cell in cells]
    assert schedule == [(0, "episode"), (1000, 50)] * 2
    assert {cell.total_steps for cell in cells} == {1_000_000, 3_000_000}


def test_effects_without_noise_are_exact():
    networks, schedule, interaction = 3000.0, -1000.0, 500.0
    means = {
        CELLS[0]: 5000.0,
        CELLS[1]: 5000 + schedule - interaction / 2,
        CELLS[2]: 5000 + networks - interaction / 2,
        CELLS[3]: 5000 + networks + schedule,
    }
    table = tabulate(make_runs(means, sd=1e-6))
    expected = {"networks": networks, "schedule": schedule, "interaction": interaction}
    for effect, value in expected.items():
        assert table.loc[effect, "estimate"] == pytest.approx(value)
        assert table.loc[effect, "p_adjusted"] < 1e-6
    assert set(zip(table["from_step"], table["to_step"], strict=True)) == {(900_000, 1_000_000)}
    assert set(table["note"]) == {""} and set(table["seeds"]) == {"10, 5, 5, 10"}
    assert set(table["verdict"]) == {"holds"}


def test_a_stated_effect_is_compared_with_the_computed_one():
    comparison = load(make_runs(dict.fromkeys(CELLS, 0.0) | {CELLS[3]: 1000.0}, sd=1e-6))
    number = check.StatedNumber("X", "what", "effects", NAME, "networks", "", "estimate", "500")
    assert check.check_numbers([comparison], [number]).state == check.OK
    with pytest.raises(Mismatch, match=f"X, {NAME}/networks estimate: stated 499, computed 500"):
        check.check_numbers([comparison], [number._replace(value="499")])


def test_verdict_on_an_effect_is_that_of_the_adjusted_p_value():
    table = tabulate(make_runs(dict.fromkeys(CELLS, 5000.0) | {CELLS[3]: 6000.0}))
    assert {*table["verdict"]} == {"holds", "undecided"}
    for row in table.itertuples():
        assert row.verdict == ("holds" if row.p_adjusted < 0.05 else "undecided")


def test_contrast_intervals_have_95_percent_coverage():
    """Over 2000 simulated data sets, 95 % of the intervals contain the true effect."""
    rng = np.random.default_rng(1)
    sds, seeds, truth = (1500, 500, 1000, 2000), (10, 5, 5, 10), (4000, 4500, 6000, 6800)
    covered = dict.fromkeys(factorial.EFFECTS, 0)
    for _ in range(2000):
        groups = [
            statistics.compute_moments(rng.normal(mean, sd, n))
            for mean, sd, n in zip(truth, sds, seeds, strict=True)
        ]
        for effect, weights in factorial.EFFECTS.items():
            found = statistics.test_contrast(weights, groups)
            covered[effect] += found.low <= np.dot(weights, truth) <= found.high
    for effect, times in covered.items():
        assert times / 2000 == pytest.approx(0.95, abs=0.015), effect


def test_preregistration_states_the_minimum_detectable_effects():
    text = (ROOT / "docs/preregistration.md").read_text()
    for seeds, sd in (((10, 5, 5, 10), 1900), ((5, 5, 5, 5), 1900), ((5, 5, 5, 5), 1000)):
        cells = [Moments(0, sd, n) for n in seeds]
        main, interaction = (
            statistics.compute_detectable_contrast(factorial.EFFECTS[effect], cells)
            for effect in ("networks", "interaction")
        )
        assert f"| {sd:,} | {main:,.0f} | {interaction:,.0f} |" in text


@pytest.mark.parametrize(
    ("seeds", "note"),
    [
        (
            (2, 0, 0, 1),
            f"incomplete: {CELLS[0]}: 2 of 10 seeds; {CELLS[1]}: not trained yet; "
            f"{CELLS[2]}: not trained yet; {CELLS[3]}: 1 of 10 seeds",
        ),
        ((10, 5, 0, 10), f"incomplete: {CELLS[2]}: not trained yet"),
        ((0, 0, 0, 0), "incomplete: " + "; ".join(f"{cell}: not trained yet" for cell in CELLS)),
    ],
)
def test_effects_are_nan_and_missing_seeds_listed_while_a_cell_is_empty(seeds, note):
    runs = make_runs(dict.fromkeys(CELLS, 5000.0), seeds=dict(zip(CELLS, seeds, strict=True)))
    table = tabulate(runs)
    assert (
        table[["estimate", "estimate_low", "p", "p_adjusted", "detectable"]].isna().all(axis=None)
    )
    assert set(table["note"]) == {note}


def test_effects_of_partial_cells_are_marked_incomplete():
    seeds = dict(zip(CELLS, (4, 3, 3, 4), strict=True))
    table = tabulate(make_runs(dict.fromkeys(CELLS, 5000.0), seeds=seeds))
    assert table[["estimate", "estimate_low", "p"]].notna().all(axis=None)
    assert all("3 of 5 seeds" in note for note in table["note"])
    assert set(table["verdict"]) == {"incomplete"}
    few = dict(zip(CELLS, (3, 2, 3, 3), strict=True))
    table = tabulate(make_runs(dict.fromkeys(CELLS, 5000.0), seeds=few))
    assert table["estimate"].notna().all() and table[["estimate_low", "p"]].isna().all(axis=None)


def test_short_runs_are_measured_over_their_last_third():
    runs = make_runs(dict.fromkeys(CELLS, 5000.0))
    runs["env_interacts"] //= 1000
    table = tabulate(runs)
    assert set(table["to_step"]) == {1000}


def test_factorial_figure_shows_every_seed_and_effect():
    means = dict(zip(CELLS, (5000.0, 5500.0, 8000.0, 8500.0), strict=True))
    comparison = load(make_runs(means))
    figure = figures.draw_factorial(comparison)
    left, right = figure.axes
    shown = np.concatenate(
        [line.get_ydata() for line in left.lines if len(line.get_ydata()) in SEEDS.values()]
    )
    finals = [cell.values for cell in factorial.measure_cells(comparison, comparison.factorial)]
    np.testing.assert_allclose(np.sort(shown), np.sort(np.concatenate(finals)))
    table = factorial.tabulate_effects([comparison])
    drawn = [float(line.get_xdata()[0]) for line in right.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(drawn, table["estimate"])
    assert figure.legends[0].get_title().get_text() == ""
    assert [text.get_text() for text in right.get_yticklabels()] == list(factorial.EFFECTS)


def test_factorial_figure_of_partial_data_lists_missing_seeds(tmp_path, monkeypatch):
    seeds = dict(zip(CELLS, (2, 0, 0, 1), strict=True))
    figure = figures.draw_factorial(load(make_runs(dict.fromkeys(CELLS, 5e3), seeds=seeds)))
    said = figure.legends[0].get_title().get_text().splitlines()
    assert said == [
        "Incomplete.",
        f"{CELLS[0]}: 2 of 10 seeds",
        f"{CELLS[1]}: not trained yet",
        f"{CELLS[2]}: not trained yet",
        f"{CELLS[3]}: 1 of 10 seeds",
    ]
    assert figure.axes[1].get_xticks().tolist() == []
    subtracted = factorial.tabulate_effects([load(make_runs({}))])["of"]
    said = [text.get_text().replace("\n", " ") for text in figure.axes[1].texts]
    assert said == [word for of in subtracted for word in (of, "unknown")]
    empty = load(make_runs({}))
    assert [t.get_text() for t in figures.draw_factorial(empty).axes[0].texts] == [
        "not trained yet"
    ]
    late = dataclasses.replace(load(make_runs(dict.fromkeys(CELLS, 5e3))), final=FinalSteps(end=5))
    assert [t.get_text() for t in figures.draw_factorial(late).axes[0].texts] == [
        "no overlapping environment steps"
    ]
    monkeypatch.setattr(figures, "FORMATS", ("svg",))
    paths = figures.draw_figures([empty], tmp_path)
    assert "factorial" in {path.stem for path in paths}


def test_the_table_says_if_the_cells_differ_in_anything_else():
    settings = config.read(ROOT / "config.yaml")
    settings["experiments"][CELLS[2]] |= {"discount": 0.5, "batch_size": 7}
    runs = make_runs(dict.fromkeys(CELLS, 5e3))
    comparisons = build_comparisons(settings, runs, [NAME], ROOT)
    notes = set(factorial.tabulate_effects(comparisons)["note"])
    assert notes == {"the cells differ in batch_size, discount, too"}


def test_names_are_drawn_with_characters_of_the_font():
    comparison = load(make_runs(dict.fromkeys(CELLS, 5e3)))
    names = dataclasses.replace(comparison.factorial, schedule=("画", "every"))
    figure = figures.draw_factorial(dataclasses.replace(comparison, factorial=names))
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == ["<U+753B>", "every"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[CELLS[0], CELLS[1]], [CELLS[2], "halfcheetah"]], "no experiment 'halfcheetah' here"),
        (
            [[CELLS[0], CELLS[1]], [CELLS[2], CELLS[0]]],
            f"{CELLS[0]!r} appears twice; give four different",
        ),
        ([[CELLS[0], CELLS[1]]], "is too short"),
        ([[CELLS[0], CELLS[2]], [CELLS[1], CELLS[3]]], "are in one row, but their hidden_sizes"),
        ([[CELLS[0], CELLS[1]], [CELLS[3], CELLS[2]]], "are in one column, but their update_every"),
    ],
)
def test_invalid_factorial_cells_raise_user_error(cells, message):
    settings = config.read(ROOT / "config.yaml")
    settings["comparisons"][NAME]["factorial"]["cells"] = cells
    with pytest.raises(config.UserError, match=f"comparisons.{NAME}.factorial.cells: .*{message}"):
        config.check(settings)
