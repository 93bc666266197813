"""Figures in one style, drawn from groups of seeds and written as SVG, PDF and PNG.

Every function returns a matplotlib Figure of its own; nothing is shown and no state is shared. The
same data gives the same bytes.
"""

import functools
import io
import itertools
import math
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ddpg.analysis import statistics
from ddpg.analysis.comparison import Comparison, Group, final
from ddpg.files import write_atomically

FORMATS = ("svg", "pdf", "png")

STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.grid": True,
    "grid.color": "#e0e0e0",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "lines.linewidth": 1.4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "ddpg",
}

# Okabe and Ito's colours, without their yellow (too light for a line), in an order in which
# neighbours differ in lightness, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

GREY = "#808080"
BAND_COLOUR = "#a9cfe8"

RETURN = "average test return\n(undiscounted sum of rewards per episode)"
MEAN_AND_SD = "line: mean over seeds; band: one standard deviation, none for a single seed"
TRAINING_PANELS = {
    "q_mean": "average Q-value\nof the training batches",
    "loss_q": "Q loss\n(mean squared Bellman error)",
    "loss_pi": "policy loss\n(minus the mean Q-value)",
}
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:,g}".replace("-", "\N{MINUS SIGN}"))

_POINT = {"linestyle": "none", "markersize": 4}
ONE_SEED = _POINT | {"marker": "o", "color": GREY, "alpha": 0.7, "markeredgewidth": 0}
MEAN = _POINT | {"marker": "D", "color": COLOURS[0], "label": "mean, 95 % interval", "capsize": 2}
QUARTILES = _POINT | {
    "marker": "s",
    "color": COLOURS[1],
    "label": "interquartile mean, 95 % interval",
    "capsize": 2,
}
PUBLISHED = _POINT | {"marker": "x", "color": COLOURS[3], "markersize": 6, "capsize": 2}

WIDTH = 6.4
# Enough for a band; the tables use more.
BAND_RESAMPLES = 2000


def _styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    @functools.wraps(draw)
    def drawing(*args, **kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawing


def save(figure: Figure, stem: Path | str) -> list[Path]:
    """Write `stem`.svg, .pdf and .png, each whole or not at all; returns their paths."""
    paths = []
    with mpl.rc_context(STYLE):
        # Laid out once, so that the formats look the same.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    for suffix in FORMATS:
        path = Path(f"{stem}.{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # A date would make every drawing different.
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
        buffer = io.BytesIO()
        with mpl.rc_context(STYLE):
            figure.savefig(buffer, format=suffix, metadata=metadata)
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths


@_styled
def learning_curve(group: Group, title: str) -> Figure:
    """Test return of one experiment: every seed thin, their mean, and its 95 % bootstrap band.

    Too few seeds for an interval (`statistics.bootstrap`) have no band.
    """
    figure, axes = _new(4.2, title)
    values = group.matrix()
    if values is None:
        return _empty(figure, axes, group)
    scale, unit = _scale([group])
    steps = group.steps / scale
    axes.plot(steps, values, color=GREY, linewidth=0.5, alpha=0.7)
    axes.plot([], [], color=GREY, linewidth=0.5, alpha=0.7, label="each seed")
    if group.seeds >= statistics.FEWEST_RESAMPLED:
        band = statistics.bootstrap(np.mean, values, resamples=BAND_RESAMPLES)
        axes.fill_between(
            steps,
            band.low,
            band.high,
            facecolor=BAND_COLOUR,
            alpha=0.45,
            linewidth=0,
            zorder=2.1,
            label="95 % bootstrap interval of the mean over seeds",
        )
    label = f"mean: {group.legend}"
    axes.plot(steps, values.mean(axis=1), color=COLOURS[0], zorder=2.2, label=label)
    _label(axes, unit, RETURN)
    _legend(figure, [axes])
    return figure


@_styled
def comparison(given: Comparison) -> Figure:
    """Test return of every group: mean and one standard deviation over seeds.

    So the notes and Spinning Up draw it (divisor n). Every seed is smoothed as the comparison says,
    a published curve is drawn as it is.
    """
    figure, axes = _new(4.8, given.title)
    unit = _draw_groups(axes, given, "test_return_mean", given.smooth)
    _label(axes, unit, RETURN)
    smoothed = f"; smoothed over {given.smooth} epochs" if given.smooth > 1 else ""
    _legend(figure, [axes], MEAN_AND_SD + smoothed)
    return figure


@_styled
def values_and_losses(given: Comparison) -> Figure:
    """Average Q-value and both losses of every group of which they are known."""
    figure = Figure(figsize=(WIDTH, 7.6))
    figure.suptitle(given.title, fontsize=10)
    panels = figure.subplots(len(TRAINING_PANELS), 1, sharex=True)
    for axes, (column, label) in zip(panels, TRAINING_PANELS.items(), strict=True):
        unit = _draw_groups(axes, given, column, smooth=1)
        _label(axes, unit if axes is panels[-1] else None, label)
    figure.align_ylabels(panels)
    _legend(figure, panels, MEAN_AND_SD)
    return figure


@_styled
def seed_panels(group: Group, title: str) -> Figure:
    """One panel per seed: its test return, the spread of its test episodes, the mean of all."""
    values = group.matrix()
    if values is None:
        return _empty(*_new(4.2, title), group)
    columns = min(5, group.seeds)
    rows = math.ceil(group.seeds / columns)
    figure = Figure(figsize=(WIDTH, 1.8 + 1.3 * rows))
    figure.suptitle(title, fontsize=10)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    scale, unit = _scale([group])
    steps = group.steps / scale
    mean, spread = values.mean(axis=1), group.matrix("test_return_std")
    for position, seed in enumerate(np.unique(group.runs["seed"])):
        axes, curve = panels[position], values[:, position]
        if spread is not None:
            low, high = curve - spread[:, position], curve + spread[:, position]
            label = "one standard deviation between the seed's test episodes"
            axes.fill_between(steps, low, high, facecolor=BAND_COLOUR, linewidth=0, label=label)
        axes.plot(steps, curve, color=COLOURS[0], linewidth=1.0, label="the seed")
        label = f"mean: {group.legend}"
        axes.plot(steps, mean, color=COLOURS[1], linestyle="--", linewidth=0.8, label=label)
        axes.set_title(f"seed {seed}", fontsize=8)
        _label(axes, None, "test return" if position % columns == 0 else None)
        if position >= group.seeds - columns:
            axes.tick_params(labelbottom=True)
    for axes in panels[group.seeds :]:
        axes.set_axis_off()
    _legend(figure, [panels[0]], f"{RETURN}\nagainst environment steps ({unit})".replace("\n", " "))
    return figure


@_styled
def final_returns(given: Comparison) -> Figure:
    """Final performance: every seed a point, mean and interquartile mean with 95 % intervals.

    Too few seeds for an interval (`statistics.bootstrap`) are points only.
    """
    figure, axes = _new(1.7 + 0.6 * len(given.groups), given.title)
    for row, group in enumerate(given.groups):
        _draw_final(axes, row, group)
    labels = [f"{textwrap.fill(group.label, 30)}\n{group.detail}" for group in given.groups]
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.set_xlabel(
        "final test return: mean of the last evaluations\n(undiscounted sum of rewards)"
    )
    _legend(figure, [axes])
    return figure


COMPARISON_FIGURES = {
    "comparison": comparison,
    "values_and_losses": values_and_losses,
    "final_returns": final_returns,
}
EXPERIMENT_FIGURES = {"learning_curve": learning_curve, "seeds": seed_panels}


def draw_all(comparisons: Iterable[Comparison], directory: Path | str) -> list[Path]:
    """Draw every figure of every comparison; returns the paths written.

    They are `directory`/<comparison>/<figure>.<format> for COMPARISON_FIGURES, and
    `directory`/<comparison>/<experiment>_<figure>.<format> for EXPERIMENT_FIGURES, where the
    comparison has them.
    """
    paths = []
    for given in comparisons:
        folder = Path(directory) / given.name
        for name, draw in COMPARISON_FIGURES.items():
            paths += save(draw(given), folder / name)
        alone = given.ours if given.experiment_figures else ()
        for group, (name, draw) in itertools.product(alone, EXPERIMENT_FIGURES.items()):
            paths += save(draw(group, given.title), folder / f"{group.name}_{name}")
    return paths


def _draw_final(axes: Axes, row: int, group: Group) -> None:
    result = final(group)
    if result is None:
        axes.text(0.5, row, "0 seeds", transform=axes.get_yaxis_transform(), va="center")
        return
    if result.values is None:
        known = result.moments
        label = "published mean, one standard deviation between seeds"
        axes.errorbar(known.mean, row, xerr=known.sd, label=label, **PUBLISHED)
        return
    # Neighbours in value get different heights, so that few points hide one another.
    heights = np.empty(group.seeds)
    heights[np.argsort(result.values)] = np.resize([0.0, 0.1, -0.1], group.seeds)
    axes.plot(result.values, row + heights, label="one seed", **ONE_SEED)
    if group.seeds >= statistics.FEWEST_RESAMPLED:
        for statistic, offset, style in (
            (np.mean, -0.27, MEAN),
            (statistics.interquartile_mean, 0.27, QUARTILES),
        ):
            estimate = statistics.bootstrap(statistic, result.values)
            reach = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
            axes.errorbar(estimate.value, row + offset, xerr=reach, **style)


def _draw_groups(axes: Axes, given: Comparison, column: str, smooth: int) -> str:
    """Draw mean and standard deviation of every group that has `column`; returns the steps' unit.

    A group has one colour, line and marker in all figures of its comparison.
    """
    scale, unit = _scale(given.groups)
    for position, group in enumerate(given.groups):
        style = {
            "color": COLOURS[position % len(COLOURS)],
            "linestyle": LINES[position % len(LINES)],
            "marker": MARKERS[position % len(MARKERS)],
            "markersize": 4,
            "linewidth": 1.4 if group.seeds > 1 else 0.9,
            "label": group.legend,
        }
        if not group.seeds:
            axes.plot([], [], **style)
            continue
        drawn = group.mean_and_sd(column, smooth)
        if drawn is None:
            continue
        mean, sd = drawn
        steps = group.steps / scale
        apart = max(1, len(steps) // 10)
        axes.plot(steps, mean, markevery=(position * apart // 4, apart), **style)
        if group.seeds > 1:
            low, high, colour = mean - sd, mean + sd, style["color"]
            axes.fill_between(steps, low, high, facecolor=colour, alpha=0.15, linewidth=0)
            edges = np.stack([low, high], axis=1)
            axes.plot(steps, edges, color=colour, linestyle=style["linestyle"], linewidth=0.4)
    return unit


def _new(height: float, title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def _empty(figure: Figure, axes: Axes, group: Group) -> Figure:
    axes.text(0.5, 0.5, f"no runs yet: {group.legend}", transform=axes.transAxes, ha="center")
    axes.set_axis_off()
    return figure


def _scale(groups: Iterable[Group]) -> tuple[float, str]:
    most = max((group.steps[-1] for group in groups if group.seeds), default=0)
    return (1e6, "millions") if most >= 0.95e6 else (1e3, "thousands")


def _label(axes: Axes, unit: str | None, label: str | None) -> None:
    axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.margins(x=0.01)
    if unit:
        axes.set_xlabel(f"environment steps ({unit})")
    if label:
        axes.set_ylabel(label)


def _legend(figure: Figure, panels: Iterable[Axes], title: str | None = None) -> None:
    """One legend below the panels, with each label once, in the order of first appearance."""
    entries = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        entries.values(),
        entries.keys(),
        loc="outside lower center",
        title=title,
        title_fontsize=8,
        handlelength=4,
    )
