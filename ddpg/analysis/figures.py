"""Figures in one style, drawn from groups of seeds and written as SVG, PDF and PNG.

Each figure has its own draw_* function, which returns a new matplotlib Figure; `draw_figures`
writes them all. The same data gives the same bytes. Labels and titles are drawn as they are
written: `$` is a dollar, and a character that the font lacks is named by its code point instead of
being drawn as a box.
"""

import contextlib
import dataclasses
import functools
import io
import itertools
import logging
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import font_manager
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter
from matplotlib.typing import RcKeyType
from numpy.typing import ArrayLike

from ddpg.analysis import factorial, statistics
from ddpg.analysis.comparison import NO_COMMON_STEPS, Comparison, Factorial
from ddpg.analysis.groups import (
    NOT_TRAINED,
    Final,
    Group,
    PublishedGroup,
    SeedGroup,
    describe_seeds,
    explain_missing,
    format_legend,
    measure_final,
)
from ddpg.files import write_atomically

log = logging.getLogger(__name__)

FORMATS = ("svg", "pdf", "png")

STYLE: dict[RcKeyType, Any] = {
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
    "text.parse_math": False,
    "svg.hashsalt": "ddpg",
}

# Okabe and Ito's colours, without their yellow (too light for a line), in an order in which
# neighbours differ in lightness, too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#000000", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (8, 2)), (0, (3, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

GREY = "#808080"
BAND_COLOUR = "#a9cfe8"

RETURN_LABEL = "average test return\n(undiscounted sum of rewards per episode)"
MEAN_AND_SD = "line: mean over seeds; band: one standard deviation, none for a single seed"
TRAINING_PANELS = {
    "q_mean": "average Q-value\nof the training batches",
    "loss_q": "Q loss\n(mean squared Bellman error)",
    "loss_pi": "policy loss\n(minus the mean Q-value)",
}
PLAIN_NUMBERS = FuncFormatter(lambda value, _: f"{value:,g}".replace("-", "\N{MINUS SIGN}"))

_POINT: dict[str, Any] = {"linestyle": "none", "markersize": 4}
SEED_STYLE = _POINT | {"marker": "o", "color": GREY, "alpha": 0.7, "markeredgewidth": 0}
MEAN = _POINT | {
    "marker": "D",
    "color": COLOURS[0],
    "label": "mean, 95 % bootstrap interval",
    "capsize": 2,
}
QUARTILES = _POINT | {
    "marker": "s",
    "color": COLOURS[1],
    "label": "interquartile mean, 95 % bootstrap interval",
    "capsize": 2,
}
# Without caps: a standard deviation, unlike the intervals beside it.
PUBLISHED = _POINT | {"marker": "x", "color": COLOURS[3], "markersize": 6}

WIDTH = 6.4
# Width of a legend's symbols and margins in inches, and the number of legend lines for which the
# figures' heights have room.
LEGEND_MARGIN, LEGEND_LINES = 0.9, 8
# Maximum widths in inches of a group's label beside its row of points, and of what an effect is of.
ROW_LABEL, EFFECT_TEXT = 2.6, 1.6
MARGIN = 0.2
# Resamples for a drawn band; the tables use more.
BAND_RESAMPLES = 2000


@contextlib.contextmanager
def use_style() -> Iterator[None]:
    """STYLE over matplotlib's defaults: the user's matplotlibrc must not change a figure."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield


def _apply_style(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    @functools.wraps(draw)
    def drawing(*args: Comparison | Group | str | float) -> Figure:
        with use_style():
            return draw(*map(_make_drawable, args))

    return drawing


def _make_drawable(given: Comparison | Group | str | float) -> Comparison | Group | str | float:
    """A comparison, group or text with only characters that the font has; numbers as they are."""
    if isinstance(given, float | int):
        return given
    if isinstance(given, str):
        return _make_text_drawable(given)
    if isinstance(given, SeedGroup | PublishedGroup):
        return _make_group_drawable(given)
    groups = tuple(map(_make_group_drawable, given.groups))
    title, two_by_two = _make_text_drawable(given.title), given.factorial
    if two_by_two:
        two_by_two = two_by_two.change_names(_make_text_drawable)
    return dataclasses.replace(given, title=title, groups=groups, factorial=two_by_two)


def _make_group_drawable(group: Group) -> Group:
    label, env = _make_text_drawable(group.label), _make_text_drawable(group.env)
    return dataclasses.replace(group, label=label, env=env)


def _make_text_drawable(text: str) -> str:
    known = _list_characters(font_manager.findfont(FontProperties()))
    return "".join(c if ord(c) in known else _name_code_point(c) for c in text)


@functools.cache
def _list_characters(font: str) -> frozenset[int]:
    return frozenset(font_manager.get_font(font).get_charmap())


@functools.cache  # so that each character is logged once
def _name_code_point(character: str) -> str:
    name = f"U+{ord(character):04X}"
    log.warning("the figures' font has no %s: it is drawn as <%s>", character, name)
    return f"<{name}>"


def _mark_single(steps: np.ndarray) -> dict[str, Any]:
    """How to draw a curve: a line through a single evaluation needs a marker to be seen."""
    return {"marker": "o", "markersize": 3} if len(steps) == 1 else {}


def save_figure(figure: Figure, stem: Path | str) -> list[Path]:
    """Write `stem`.svg, .pdf and .png, each whole or not at all; returns their paths."""
    paths = []
    with use_style():
        # Laid out once, so that the formats look the same.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    for suffix in FORMATS:
        path = Path(f"{stem}.{suffix}")
        path.parent.mkdir(parents=True, exist_ok=True)
        # A date would make every drawing different.
        metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix)
        buffer = io.BytesIO()
        with use_style():
            figure.savefig(buffer, format=suffix, metadata=metadata)
        write_atomically(path, buffer.getvalue())
        paths.append(path)
    return paths


@_apply_style
def draw_learning_curve(group: SeedGroup, title: str, end: float = math.inf) -> Figure:
    """Test return of one experiment: every seed thin, their mean, and its 95 % bootstrap band.

    Up to the environment step `end`. No band with fewer than FEWEST_RESAMPLED seeds.
    """
    figure, axes = _make_axes(4.2, title)
    whole, group = group, group.cut(end)
    values = group.get_values()
    if values is None:
        return _mark_empty(figure, axes, whole, end)
    scale, unit = _choose_unit([group])
    steps = group.steps / scale
    point = _mark_single(steps)
    axes.plot(steps, values, color=GREY, linewidth=0.5, alpha=0.7, **point)
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
    label = f"mean: {format_legend(group)}"
    axes.plot(steps, values.mean(axis=1), color=COLOURS[0], zorder=2.2, label=label, **point)
    _label_axes(axes, unit, RETURN_LABEL)
    _add_legend(figure, _list_entries(axes))
    return figure


@_apply_style
def draw_comparison(comparison: Comparison) -> Figure:
    """Test return of every group: mean and one standard deviation over seeds.

    As the notes and Spinning Up draw it (divisor n). Every seed is smoothed as the comparison says,
    a published curve is drawn as it is; the legend says where it was smoothed otherwise.
    """
    figure, axes = _make_axes(4.8, comparison.title)
    unit, entries = _draw_groups(axes, comparison, "test_return_mean", comparison.smooth)
    _label_axes(axes, unit, RETURN_LABEL)
    smoothed = f"\nseeds smoothed over {comparison.smooth:,} steps" if comparison.smooth else ""
    _add_legend(figure, entries, MEAN_AND_SD + smoothed)
    return figure


@_apply_style
def draw_training_values(comparison: Comparison) -> Figure:
    """Average Q-value and both losses of every group that has them."""
    figure = Figure(figsize=(WIDTH, 7.6))
    figure.suptitle(_break_lines(comparison.title, 10, WIDTH - MARGIN), fontsize=10)
    panels = figure.subplots(len(TRAINING_PANELS), 1, sharex=True)
    entries: dict[str, Artist] = {}
    for axes, (column, label) in zip(panels, TRAINING_PANELS.items(), strict=True):
        unit, drawn = _draw_groups(axes, comparison, column, smooth=0)
        entries = drawn | entries
        _label_axes(axes, unit if axes is panels[-1] else None, label)
    figure.align_ylabels(panels)
    _add_legend(figure, entries, MEAN_AND_SD)
    return figure


@_apply_style
def draw_seeds(group: SeedGroup, title: str, end: float = math.inf) -> Figure:
    """One panel per seed: its test return, the spread of its test episodes, the mean of all.

    Up to the environment step `end`.
    """
    whole, group = group, group.cut(end)
    values = group.get_values()
    if values is None:
        return _mark_empty(*_make_axes(4.2, title), whole, end)
    columns = min(5, group.seeds)
    rows = math.ceil(group.seeds / columns)
    figure = Figure(figsize=(WIDTH, 1.8 + 1.3 * rows))
    figure.suptitle(_break_lines(title, 10, WIDTH - MARGIN), fontsize=10)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    scale, unit = _choose_unit([group])
    steps = group.steps / scale
    mean, spread = values.mean(axis=1), group.get_values("test_return_std")
    point = _mark_single(steps)
    for position, seed in enumerate(np.unique(group.runs["seed"])):
        axes, curve = panels[position], values[:, position]
        if spread is not None:
            low, high = curve - spread[:, position], curve + spread[:, position]
            label = "one standard deviation between the seed's test episodes"
            axes.fill_between(steps, low, high, facecolor=BAND_COLOUR, linewidth=0, label=label)
        axes.plot(steps, curve, color=COLOURS[0], linewidth=1.0, label="the seed", **point)
        label = f"mean: {format_legend(group)}"
        dashed = {"linestyle": "--", "linewidth": 0.8, **point}
        axes.plot(steps, mean, color=COLOURS[1], label=label, **dashed)
        axes.set_title(f"seed {seed}", fontsize=8)
        _label_axes(axes, None, "test return" if position % columns == 0 else None)
        if position >= group.seeds - columns:
            axes.tick_params(labelbottom=True)
    for axes in panels[group.seeds :]:
        axes.set_axis_off()
    _add_legend(
        figure,
        _list_entries(panels[0]),
        f"{RETURN_LABEL}\nagainst environment steps ({unit})".replace("\n", " "),
    )
    return figure


@_apply_style
def draw_final_returns(comparison: Comparison) -> Figure:
    """Final returns: every seed a point, mean and interquartile mean with 95 % intervals.

    Final returns are means over the last steps of each group; if the windows differ, each row
    states its own. With fewer than FEWEST_RESAMPLED seeds there are points only.
    """
    finals = [measure_final(group, comparison.final) for group in comparison.groups]
    widths = {final.window.end - final.window.start for final in finals if final}
    ends = {final.window.end for final in finals if final}
    apart = len(widths) > 1 or max(ends, default=0) - min(ends, default=0) > max(widths, default=0)
    labels = [
        _name_row(group, final if apart else None)
        for group, final in zip(comparison.groups, finals, strict=True)
    ]
    row_height = max(0.6, *(0.15 * len(label.splitlines()) for label in labels))
    height = 1.7 + row_height * len(comparison.groups)
    width = WIDTH - ROW_LABEL - MARGIN
    figure, axes = _make_axes(height, comparison.title, width)
    for row, (group, final) in enumerate(zip(comparison.groups, finals, strict=True)):
        if final is None:
            text = explain_missing(group, comparison.final.end)
            place = axes.get_yaxis_transform()
            axes.text(0.5, row, text, transform=place, ha="center", va="center")
            continue
        _draw_final(axes, row, group, final)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.45, -0.55)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
    number = f"{max(widths):,.0f} " if widths else ""
    end = comparison.final.end
    limit = f" up to step {end:,.0f}" if math.isfinite(end) else ""
    label = f"final test return: mean over the last {number}steps{limit}"
    axes.set_xlabel(f"{_break_lines(label, 9, width)}\n(undiscounted sum of rewards)")
    _add_legend(figure, _list_entries(axes))
    return figure


@_apply_style
def draw_factorial(comparison: Comparison) -> Figure:
    """A 2x2: the final returns of its cells with every seed, and the effects with intervals.

    While seeds are missing, the title of the legend says which. ValueError for a comparison that is
    not a 2x2.
    """
    two_by_two = comparison.factorial
    if two_by_two is None:
        raise ValueError(f"{comparison.name}: not a 2x2")
    missing = factorial.list_missing(comparison, two_by_two)
    figure = Figure(figsize=(WIDTH, 4.4 + 0.16 * len(missing)))
    figure.suptitle(_break_lines(comparison.title, 10, WIDTH - MARGIN), fontsize=10)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    _draw_cells(left, comparison, two_by_two)
    _draw_effects(right, factorial.tabulate_effects([comparison]))
    note = [_break_lines(line, 8, WIDTH - LEGEND_MARGIN) for line in ["Incomplete.", *missing]]
    _add_legend(figure, _list_entries(left), "\n".join(note) if missing else None)
    return figure


def _draw_cells(axes: Axes, comparison: Comparison, two_by_two: Factorial) -> None:
    """Final return against the schedule, a line for each network size, every seed a point."""
    cells = factorial.measure_cells(comparison, two_by_two)
    intervals = np.array(factorial.compute_cell_intervals(cells))
    for row, networks in enumerate(two_by_two.networks):
        style = _choose_style(row)
        places = np.array([0.0, 1.0]) + (row - 0.5) * 0.12
        mean, low, high = intervals[2 * row : 2 * row + 2].T
        axes.errorbar(
            places,
            mean,
            yerr=_measure_error_bars(mean, low, high),
            label=f"networks {networks}, {_count_cells(cells[2 * row : 2 * row + 2])} seeds: "
            "mean, 95 % t interval",
            capsize=3,
            markersize=5,
            **style,
        )
        for place, cell in zip(places, cells[2 * row : 2 * row + 2], strict=True):
            if cell is not None:
                apart = np.resize([0.03, 0.05], len(cell.values)) * (1 if row else -1)
                label = f"networks {networks}: one seed"
                points = SEED_STYLE | {"color": style["color"], "marker": style["marker"]}
                axes.plot(place + apart, cell.values, label=label, **points)
    axes.set_xticks([0, 1], [_break_lines(name, 9, 1.4) for name in two_by_two.schedule])
    axes.set_xlim(-0.4, 1.4)
    axes.grid(False, axis="x")
    axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.set_xlabel("schedule of updates")
    windows = {cell.window for cell in cells if cell is not None}
    over = "".join(f"\nsteps {each.start:,.0f} to {each.end:,.0f}" for each in windows)
    axes.set_ylabel(f"final test return{over}\n(undiscounted sum of rewards)")
    if not any(cells):
        trained = any(group.seeds for group in comparison.ours)
        text = NO_COMMON_STEPS if trained else NOT_TRAINED
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center")


def _count_cells(cells: Iterable[Final | None]) -> str:
    return " and ".join(str(cell.moments.n if cell else 0) for cell in cells)


def _draw_effects(axes: Axes, effects: pd.DataFrame) -> None:
    """The effects and their 95 % intervals."""
    axes.axvline(0, color=GREY, linewidth=0.8)
    across = axes.get_yaxis_transform()
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 0}
    for row, effect in enumerate(effects.to_dict("records")):
        whole = effect["of"].replace(", ", ",\N{NO-BREAK SPACE}")  # no break within (256, 256)
        of = _break_lines(whole, 7, EFFECT_TEXT).replace("\N{NO-BREAK SPACE}", " ")
        text = axes.text(0.03, row - 0.12, of, transform=across, va="bottom", fontsize=7)
        text.set(color=GREY, bbox=behind)
        value, low, high = (effect[f"estimate{end}"] for end in ("", "_low", "_high"))
        if math.isnan(value):
            axes.text(0.5, row, "unknown", transform=across, ha="center")
            continue
        error_bars = _measure_error_bars([value], [low], [high])
        axes.errorbar(value, row, xerr=error_bars, color=COLOURS[3], marker="D", capsize=3)
    if effects["estimate"].isna().all():
        axes.set_xticks([])
    axes.set_yticks(range(len(effects)), effects["effect"])
    axes.set_ylim(len(effects) - 0.5, -0.5)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.tick_params(axis="x", labelrotation=30)
    axes.set_xlabel("effect on the final return,\n95 % interval (Welch)")


COMPARISON_FIGURES = {
    "comparison": draw_comparison,
    "values_and_losses": draw_training_values,
    "final_returns": draw_final_returns,
}
EXPERIMENT_FIGURES = {"learning_curve": draw_learning_curve, "seeds": draw_seeds}


def draw_figures(comparisons: Iterable[Comparison], directory: Path | str) -> list[Path]:
    """Draw every figure of every comparison; returns the paths written.

    They are `directory`/<comparison>/<figure>.<format> for COMPARISON_FIGURES, and
    `directory`/<comparison>/<experiment>_<figure>.<format> for EXPERIMENT_FIGURES, where the
    comparison has them, and `directory`/<comparison>/factorial.<format> for a 2x2.
    """
    paths = []
    for comparison in comparisons:
        make_path = functools.partial(comparison.make_figure_path, directory)
        for name, draw in COMPARISON_FIGURES.items():
            paths += save_figure(draw(comparison), make_path(name))
        if comparison.factorial:
            paths += save_figure(draw_factorial(comparison), make_path("factorial"))
        alone = comparison.ours if comparison.experiment_figures else ()
        for group, (name, draw) in itertools.product(alone, EXPERIMENT_FIGURES.items()):
            stem = make_path(f"{group.name}_{name}")
            paths += save_figure(draw(group, comparison.title, comparison.final.end), stem)
    return paths


def _name_row(group: Group, final: Final | None) -> str:
    """A group's label, its environment and seeds, and the steps of `final` where it is given."""
    lines = [_break_lines(group.label, 9, ROW_LABEL, most=30)]
    lines += [_break_lines(describe_seeds(group), 9, ROW_LABEL)]
    if final:
        lines += [f"steps {final.window.start:,.0f} to {final.window.end:,.0f}"]
    return "\n".join(lines)


def _draw_final(axes: Axes, row: int, group: Group, result: Final) -> None:
    if result.values is None:
        known = result.moments
        label = "published mean; thin line: one standard deviation between seeds, no interval"
        axes.errorbar(known.mean, row, xerr=known.sd, label=label, elinewidth=0.8, **PUBLISHED)
        return
    # Neighbouring values get different heights, so that fewer points overlap.
    heights = np.empty(group.seeds)
    heights[np.argsort(result.values)] = np.resize([0.0, 0.1, -0.1], group.seeds)
    axes.plot(result.values, row + heights, label="one seed", **SEED_STYLE)
    if group.seeds >= statistics.FEWEST_RESAMPLED:
        for statistic, offset, style in (
            (np.mean, -0.27, MEAN),
            (statistics.compute_interquartile_mean, 0.27, QUARTILES),
        ):
            estimate = statistics.bootstrap(statistic, result.values)
            error_bars = _measure_error_bars([estimate.value], [estimate.low], [estimate.high])
            axes.errorbar(estimate.value, row + offset, xerr=error_bars, **style)


def _draw_groups(
    axes: Axes, comparison: Comparison, column: str, smooth: float
) -> tuple[str, dict[str, Artist]]:
    """Draw mean and standard deviation of every group that has `column`.

    A group has one colour, line and marker in all figures of its comparison. Returns the steps'
    unit and what is drawn by its label: matplotlib's own list leaves out labels that begin with _.
    """
    scale, unit = _choose_unit(comparison.groups, comparison.final.end)
    entries: dict[str, Artist] = {}
    for position, group in enumerate(comparison.groups):
        legend = format_legend(group) + _describe_smoothing(group, smooth)
        style = _choose_style(position) | {
            "markersize": 4,
            "linewidth": 1.4 if group.seeds > 1 else 0.9,
            "label": legend,
        }
        if not group.seeds:
            (entries[legend],) = axes.plot([], [], **style)
            continue
        drawn = group.compute_band(column, smooth)
        if drawn is None:
            continue
        # A line must not end at an epoch in which no update fell.
        kept = (group.steps <= comparison.final.end) & ~np.isnan(drawn[0])
        mean, sd = (part[kept] for part in drawn)
        steps = group.steps[kept] / scale
        apart = max(1, len(steps) // 10)
        every = (position % len(COLOURS) * apart // 4 % max(1, len(steps)), apart)
        (entries[legend],) = axes.plot(steps, mean, markevery=every, **style)
        if group.seeds > 1:
            low, high, colour = mean - sd, mean + sd, style["color"]
            axes.fill_between(steps, low, high, facecolor=colour, alpha=0.15, linewidth=0)
            edges = np.stack([low, high], axis=1)
            axes.plot(steps, edges, color=colour, linestyle=style["linestyle"], linewidth=0.4)
    return unit, entries


def _describe_smoothing(group: Group, smooth: float) -> str:
    """How a published curve was smoothed, where that is not how the seeds are."""
    if not isinstance(group, PublishedGroup) or group.smoothed == smooth:
        return ""
    return f", smoothed over {group.smoothed:,} steps" if group.smoothed else ", not smoothed"


def _measure_error_bars(value: ArrayLike, low: ArrayLike, high: ArrayLike) -> np.ndarray:
    """The lengths (2, n) of error bars below and above each value (n,); 0 where unknown.

    A bootstrap interval of equal seeds can miss their mean by rounding noise, and matplotlib
    refuses negative lengths.
    """
    lengths = np.stack([np.subtract(value, low), np.subtract(high, value)])
    return np.maximum(np.nan_to_num(lengths), 0)


def _choose_style(position: int) -> dict[str, Any]:
    """Colour, line and marker of a comparison's group: distinct for 343 groups.

    The first seven differ in all three.
    """
    cycle, colour = divmod(position, len(COLOURS))
    again = cycle // len(LINES)
    return {
        "color": COLOURS[colour],
        "linestyle": LINES[(colour + cycle) % len(LINES)],
        "marker": MARKERS[(colour + 2 * cycle + again) % len(MARKERS)],
    }


def _make_axes(
    height: float, title: str, width: float = WIDTH - LEGEND_MARGIN
) -> tuple[Figure, Axes]:
    """A figure and its axes, whose title takes at most `width` inches."""
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_subplot()
    axes.set_title(_break_lines(title, 10, width))
    return figure, axes


def _mark_empty(figure: Figure, axes: Axes, group: Group, end: float) -> Figure:
    reason = f"{group.label}, {explain_missing(group, end)}"
    text = _break_lines(reason, 9, WIDTH - LEGEND_MARGIN)
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center")
    axes.set_axis_off()
    return figure


def _choose_unit(groups: Iterable[Group], end: float = math.inf) -> tuple[float, str]:
    most = min(end, max((group.steps[-1] for group in groups if group.seeds), default=0))
    return (1e6, "millions") if most >= 0.95e6 else (1e3, "thousands")


def _label_axes(axes: Axes, unit: str | None, label: str | None) -> None:
    axes.yaxis.set_major_formatter(PLAIN_NUMBERS)
    axes.margins(x=0.01)
    if unit:
        axes.set_xlabel(f"environment steps ({unit})")
    if label:
        axes.set_ylabel(label)


def _list_entries(axes: Axes) -> dict[str, Artist]:
    """The drawn artists by their labels, each label once."""
    entries: dict[str, Artist] = {}
    for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
        entries.setdefault(label, handle)
    return entries


def _add_legend(figure: Figure, entries: dict[str, Artist], title: str | None = None) -> None:
    """One legend below the panels; a figure grows with a legend of many lines."""
    labels = [_break_lines(label, 8, WIDTH - LEGEND_MARGIN) for label in entries]
    lines = sum(len(label.splitlines()) for label in labels)
    figure.set_figheight(figure.get_figheight() + 0.16 * max(0, lines - LEGEND_LINES))
    figure.legend(
        entries.values(),
        labels,
        loc="outside lower center",
        title=title,
        title_fontsize=8,
        handlelength=4,
    )


def _break_lines(text: str, size: float, inches: float, most: int = 1000) -> str:
    """The text broken into lines of at most `inches` in a font of `size` points.

    `most`: characters of a line.
    """
    font = FontProperties(size=size)
    for characters in range(min(len(text), most), 0, -2):
        lines = textwrap.wrap(text, characters)
        widths = [
            text_to_path.get_text_width_height_descent(line, font, False)[0] for line in lines
        ]
        if max(widths) <= 72 * inches:
            break
    return "\n".join(lines)
