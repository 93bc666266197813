"""Figures: their content, deterministic bytes, and experiments with few or no seeds."""

import dataclasses
import itertools

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from helpers.checkout import ROOT

from ddpg.analysis import curves, figures
from ddpg.analysis.comparison import Comparison, tabulate_groups
from ddpg.analysis.groups import DEFAULT_FINAL, FinalSteps, PublishedGroup, SeedGroup, measure_final


def group(name: str = "ours", seeds: int = 4, epochs: int = 12, ours: bool = True) -> SeedGroup:
    rng = np.random.default_rng(seeds)
    steps = np.arange(1, epochs + 1) * 1000.0
    runs = [
        pd.DataFrame(
            {
                "seed": seed,
                "env_interacts": steps,
                "test_return_mean": steps / 50 + rng.normal(0, 20, epochs),
                "test_return_std": 10.0,
                "loss_q": rng.uniform(1, 2, epochs),
            }
        ).reindex(columns=["seed", *curves.COLUMNS.values()])
        for seed in range(seeds)
    ]
    table = pd.concat(runs) if runs else pd.DataFrame(columns=["seed", *curves.COLUMNS.values()])
    return SeedGroup(name, name, "Pendulum-v1" if seeds else "", table, ours)


def published() -> PublishedGroup:
    path = ROOT / "results/reference/spinup_exercise_2_2.csv"
    curve = curves.read_published(path, "HalfCheetah-v2", "spinup-2018-tf1")
    return PublishedGroup("published", "published", "HalfCheetah-v2", 3, curve)


def make_comparison(**changes) -> Comparison:
    groups = (group(), group("not-run", 0), published(), group("one", 1, ours=False))
    return Comparison(**{"name": "demo", "title": "Demo", "groups": groups} | changes)


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_save_figure_is_deterministic_in_all_formats(tmp_path):
    first = figures.save_figure(
        figures.draw_comparison(make_comparison()), tmp_path / "a" / "figure"
    )
    again = figures.save_figure(
        figures.draw_comparison(make_comparison()), tmp_path / "b" / "figure"
    )
    assert [path.name for path in first] == ["figure.svg", "figure.pdf", "figure.png"]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes()
    starts = [path.read_bytes()[:5] for path in first]
    assert starts == [b"<?xml", b"%PDF-", b"\x89PNG\r"]
    assert len(list((tmp_path / "a").iterdir())) == 3


def test_drawing_leaves_rcparams_unchanged():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    figures.draw_comparison(make_comparison())
    assert dict(mpl.rcParams) == before


def test_legend_lists_every_group_with_its_number_of_seeds():
    assert legend(figures.draw_comparison(make_comparison())) == [
        "ours, Pendulum-v1 (4 seeds)",
        "not-run, not trained yet",
        "published, HalfCheetah-v2 (3 seeds)",
        "one, Pendulum-v1 (1 seed)",
    ]


def test_groups_differ_in_colour_line_and_marker():
    lines = [
        line
        for line in figures.draw_comparison(make_comparison()).axes[0].lines
        if not line.get_label().startswith("_")
    ]
    for properties in (
        [line.get_color() for line in lines],
        [line.get_linestyle() for line in lines],
        [line.get_marker() for line in lines],
    ):
        assert len(set(properties)) == 4


def named(*labels: str) -> Comparison:
    """A comparison of groups with these labels."""
    seeds = itertools.cycle((1, 2, 5))
    groups = [group(f"g{i}", next(seeds)) for i in range(len(labels))]
    labelled = zip(groups, labels, strict=True)
    return make_comparison(
        groups=tuple(dataclasses.replace(g, label=label) for g, label in labelled)
    )


def test_legend_shows_labels_with_special_characters():
    labels = [
        "_mine",
        "__x",
        "$x$",
        r"$\frac$",
        "100 $",
        "a\\b",
        "W" * 200,
        "long words " * 18,
        "%s",
    ]
    for draw in (figures.draw_comparison, figures.draw_training_values):
        figure = draw(named(*labels))
        shown = ["".join(text.split(", Pendulum")[0].split()) for text in legend(figure)]
        assert shown == ["".join(label.split()) for label in labels]


def test_many_groups_have_distinct_styles_and_leave_room_for_the_axes():
    figure = figures.draw_comparison(named(*map(str, range(60))))
    assert len(legend(figure)) == 60
    assert len({str(figures._choose_style(position)) for position in range(343)}) == 343
    figure.draw_without_rendering()
    assert figure.axes[0].get_window_extent().height > 100


@pytest.mark.parametrize("draw", figures.COMPARISON_FIGURES.values())
def test_long_labels_stay_within_the_figure(draw):
    long = "W" * 200
    figure = draw(make_comparison(title=long, groups=named(long, "_b").groups))
    figure.draw_without_rendering()
    texts = [
        *figure.legends[0].get_texts(),
        *figure.axes[0].get_yticklabels(),
        figure.axes[0].title,
    ]
    for text in filter(lambda text: text.get_text(), [*texts, *figure.texts]):
        extent = text.get_window_extent()
        assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1, text.get_text()


@pytest.mark.filterwarnings("error")  # matplotlib warns of each box that it draws
def test_characters_without_a_glyph_are_drawn_as_code_points_and_logged(tmp_path, caplog):
    caplog.set_level("WARNING")
    title = "größe \u2013 \u03b1: \u6f22, \U0001f9ea"
    comparison_of_two = make_comparison(title=title, groups=named("\u5b57", "\u6f22").groups)
    figures.draw_figures([comparison_of_two], tmp_path)
    figure = figures.draw_comparison(comparison_of_two)
    assert figure.axes[0].get_title() == "größe \u2013 \u03b1: <U+6F22>, <U+1F9EA>"
    assert [text.split(",")[0] for text in legend(figure)] == ["<U+5B57>", "<U+6F22>"]
    assert sorted(record.getMessage() for record in caplog.records) == [
        f"the figures' font has no {c}: it is drawn as <U+{ord(c):04X}>"
        for c in ("\u5b57", "\u6f22", "\U0001f9ea")
    ]


def test_comparison_figure_draws_mean_and_standard_deviation():
    axes = figures.draw_comparison(make_comparison()).axes[0]
    mean, sd = group().compute_band()
    np.testing.assert_allclose(axes.lines[0].get_ydata(), mean)
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx((mean + sd).max())
    assert band.min() == pytest.approx((mean - sd).min())
    # One band for each of the two groups with more than one seed.
    assert len(axes.collections) == 2


def test_smoothing_applies_to_seeds_but_not_to_published_curves():
    figure = figures.draw_comparison(make_comparison(smooth=5000))
    mean, _ = group().compute_band(smooth=5000)
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), mean)
    assert "seeds smoothed over 5,000 steps" in figure.legends[0].get_title().get_text()
    assert legend(figure)[2] == "published, HalfCheetah-v2 (3 seeds), not smoothed"
    reference = [line for line in figure.axes[0].lines if line.get_label().startswith("published")]
    np.testing.assert_array_equal(reference[0].get_ydata(), published().curve["mean"])


@pytest.mark.parametrize(
    ("smoothed", "smooth", "said"), [(5000, 5000, ""), (5000, 0, ", smoothed over 5,000 steps")]
)
def test_legend_says_where_a_published_curve_is_smoothed_otherwise(smoothed, smooth, said):
    curve = dataclasses.replace(published(), smoothed=smoothed)
    figure = figures.draw_comparison(make_comparison(smooth=smooth, groups=(group(), curve)))
    assert legend(figure)[1] == f"published, HalfCheetah-v2 (3 seeds){said}"
    assert ("seeds smoothed" in figure.legends[0].get_title().get_text()) == (smooth > 0)


def test_step_axis_is_in_thousands_or_millions():
    assert (
        figures.draw_comparison(make_comparison()).axes[0].get_xlabel()
        == "environment steps (thousands)"
    )
    long = group(epochs=3000)
    figure = figures.draw_comparison(make_comparison(groups=(long,)))
    assert figure.axes[0].get_xlabel() == "environment steps (millions)"
    assert figure.axes[0].lines[0].get_xdata()[-1] == 3.0


def test_training_values_figure_leaves_out_groups_without_them():
    figure = figures.draw_training_values(make_comparison())
    assert "published, HalfCheetah-v2 (3 seeds)" not in legend(figure)
    q_value, q_loss, _ = figure.axes
    np.testing.assert_allclose(q_loss.lines[0].get_ydata(), group().compute_band("loss_q")[0])
    assert all(len(line.get_xdata()) == 0 for line in q_value.lines)


def test_epoch_without_a_loss_of_one_or_all_seeds_leaves_the_line_whole():
    """No update falls in an epoch that is shorter than an episode."""
    runs = group().runs.copy()
    runs.loc[(runs["seed"] == 0) & (runs["env_interacts"] == 3000), "loss_q"] = np.nan
    runs.loc[runs["env_interacts"] == 5000, "loss_q"] = np.nan
    gaps = SeedGroup("gaps", "gaps", "Pendulum-v1", runs, ours=True)
    line = figures.draw_training_values(make_comparison(groups=(gaps,))).axes[1].lines[0]
    steps, expected = np.delete(gaps.steps, 4), group().compute_band("loss_q")[0]
    expected[2] = group().get_values("loss_q")[2, 1:].mean()
    np.testing.assert_array_equal(line.get_xdata(), steps / 1000)
    np.testing.assert_allclose(line.get_ydata(), np.delete(expected, 4))


def test_learning_curve_has_bootstrap_band_from_five_seeds_on():
    interval = "95 % bootstrap interval of the mean over seeds"
    several = figures.draw_learning_curve(group(seeds=5), "Demo")
    assert legend(several) == ["each seed", interval, "mean: ours, Pendulum-v1 (5 seeds)"]
    few = figures.draw_learning_curve(group(seeds=4), "Demo")
    assert legend(few) == ["each seed", "mean: ours, Pendulum-v1 (4 seeds)"]
    alone = figures.draw_learning_curve(group(seeds=1), "Demo")
    assert legend(alone) == ["each seed", "mean: ours, Pendulum-v1 (1 seed)"]


@pytest.mark.parametrize("draw", figures.EXPERIMENT_FIGURES.values())
def test_figure_of_an_experiment_without_runs_says_not_trained(draw):
    figure = draw(group("not-run", 0), "Demo")
    assert [text.get_text() for text in figure.axes[0].texts] == ["not-run, not trained yet"]


@pytest.mark.parametrize("draw", figures.EXPERIMENT_FIGURES.values())
def test_figure_of_an_experiment_ends_with_its_comparison(draw):
    for line in draw(group(seeds=5), "Demo", 7000.0).axes[0].lines:
        assert len(line.get_xdata()) == 0 or line.get_xdata()[-1] == 7
    figure = draw(group(), "Demo", 500)
    assert [t.get_text() for t in figure.axes[0].texts] == ["ours, no evaluation up to step 500"]


def test_draw_figures_ends_each_figure_with_its_comparison(tmp_path, monkeypatch):
    ends = []
    monkeypatch.setattr(figures, "COMPARISON_FIGURES", {})
    monkeypatch.setattr(figures, "EXPERIMENT_FIGURES", {"x": lambda *args: ends.append(args[2])})
    monkeypatch.setattr(figures, "save_figure", lambda figure, stem: [])
    figures.draw_figures([make_comparison(final=FinalSteps(end=7000))], tmp_path)
    assert ends == [7000, 7000]


def test_seeds_figure_has_one_panel_per_seed():
    figure = figures.draw_seeds(group(seeds=7), "Demo")
    drawn = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in drawn] == [f"seed {seed}" for seed in range(7)]
    values = group(seeds=7).get_values()
    for position, axes in enumerate(drawn):
        np.testing.assert_allclose(axes.lines[0].get_ydata(), values[:, position])


def test_final_returns_figure_shows_the_value_of_each_seed():
    axes = figures.draw_final_returns(make_comparison()).axes[0]
    points = next(line for line in axes.lines if line.get_label() == "one seed")
    expected = measure_final(group(), DEFAULT_FINAL).values
    np.testing.assert_allclose(points.get_xdata(), expected)
    assert [text.get_text() for text in axes.texts] == ["not trained yet"]
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels[1:3] == [
        "not-run\nnot trained yet",
        "published\nHalfCheetah-v2 (3 seeds)\nsteps 30,000 to 45,000",
    ]


def test_final_returns_of_equal_seeds_are_drawn():
    """The bootstrap interval of their mean misses it by rounding noise."""
    table = group(seeds=20).runs.assign(test_return_mean=-255.9)
    same = SeedGroup("same", "same", "Pendulum-v1", table, ours=True)
    axes = figures.draw_final_returns(make_comparison(groups=(same,))).axes[0]
    assert len(axes.containers) == 2


def test_group_evaluated_after_the_end_is_not_called_not_trained():
    late = make_comparison(groups=(group(), group("none", 0)), final=FinalSteps(end=500))
    axes = figures.draw_final_returns(late).axes[0]
    said = [text.get_text() for text in axes.texts]
    assert said == ["no evaluation up to step 500", "not trained yet"]
    notes = tabulate_groups([late])["note"].tolist()
    assert notes == ["ours: no evaluation up to step 500", "none: not trained yet"]


def test_final_returns_figure_states_a_common_window_once():
    axes = figures.draw_final_returns(make_comparison(groups=(group(), group("b", 5)))).axes[0]
    assert [text.get_text().count("\n") for text in axes.get_yticklabels()] == [1, 1]
    assert "mean over the last 4,000 steps" in axes.get_xlabel()


def test_label_of_final_returns_up_to_a_step_stays_within_the_figure():
    long = dataclasses.replace(group(epochs=1200), label="W" * 60)
    figure = figures.draw_final_returns(make_comparison(groups=(long,), final=FinalSteps(end=1e6)))
    figure.draw_without_rendering()
    label = figure.axes[0].xaxis.label
    assert "100,000 steps up to step 1,000,000" in label.get_text().replace("\n", " ")
    extent = label.get_window_extent()
    assert figure.bbox.x0 <= extent.x0 and extent.x1 <= figure.bbox.x1


def test_draw_figures_writes_every_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FORMATS", ("svg",))
    paths = figures.draw_figures([make_comparison()], tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in paths} == {
        "demo/comparison.svg",
        "demo/values_and_losses.svg",
        "demo/final_returns.svg",
        "demo/ours_learning_curve.svg",
        "demo/ours_seeds.svg",
        "demo/not-run_learning_curve.svg",
        "demo/not-run_seeds.svg",
    }
    assert all(path.stat().st_size > 1000 for path in paths)
    without = figures.draw_figures(
        [make_comparison(experiment_figures=False)], tmp_path / "without"
    )
    assert {path.stem for path in without} == {"comparison", "values_and_losses", "final_returns"}


def test_the_users_settings_of_matplotlib_change_no_figure(tmp_path):
    def draw(name):
        return figures.save_figure(figures.draw_comparison(make_comparison()), tmp_path / name)

    ours = draw("ours")
    with mpl.rc_context({"figure.facecolor": "pink", "font.family": "serif", "lines.marker": "x"}):
        theirs = draw("theirs")
    assert [path.read_bytes() for path in theirs] == [path.read_bytes() for path in ours]


def test_a_curve_of_a_single_evaluation_is_visible():
    lonely = group(epochs=1)
    for figure in (
        figures.draw_learning_curve(lonely, "title"),
        figures.draw_seeds(lonely, "title"),
        figures.draw_comparison(
            make_comparison(groups=tuple(group(n, epochs=1) for n in "abcdef"))
        ),
    ):
        for axes in figure.axes:
            marked = [line for line in axes.lines if line.get_marker() not in ("None", "")]
            places = [line.get_markevery() or (0, 1) for line in marked]
            assert marked and {first for first, _ in places} == {0}
