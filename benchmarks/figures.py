"""Draw the figures of benchmarks/results/*.csv, as SVG and PNG beside them."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import common
from ddpg.analysis.figures import COLOURS, GREY, use_style

TITLES = {
    common.LARGE: "networks (400, 300), batch 100",
    common.SMALL: "network (300,), batch 64",
}


def main() -> None:
    """Draw every figure whose results are there."""
    figures = {
        "side_by_side": draw_side_by_side,
        "notes_history": draw_notes_history,
        "memory": draw_memory,
    }
    for name, draw in figures.items():
        if not (common.RESULTS / f"{name}.csv").exists():
            print(f"  {name}: not measured")
            continue
        with use_style():
            figure = draw(common.read_table(name))
            for suffix, metadata in (("svg", {"Date": None}), ("png", None)):
                path = common.RESULTS / f"{name}.{suffix}"
                figure.savefig(path, metadata=metadata)
                print(f"  {path}")


def draw_side_by_side(rows: list[dict]) -> Figure:
    """Bars of steps per second, one panel for each network; a line from lowest to highest round."""
    figure = Figure(figsize=(6.4, 2.4))
    for axes, experiment in zip(figure.subplots(1, 2), TITLES, strict=True):
        own = [row for row in rows if row["experiment"] == experiment]
        libraries = list(dict.fromkeys(row["library"] for row in own))
        for i, library in enumerate(libraries):
            rates = [float(row["steps_per_second"]) for row in own if row["library"] == library]
            middle = common.median(rates)
            axes.bar(i, middle, 0.6, color=COLOURS[0] if i == 0 else GREY)
            axes.plot([i, i], [min(rates), max(rates)], color="black", linewidth=1)
            axes.annotate(f"{middle:,.0f}", (i + 0.05, middle), (0, 2), textcoords="offset points")
        axes.set_xticks(range(len(libraries)), [name.replace("-", "-\n") for name in libraries])
        axes.set_title(TITLES[experiment])
        axes.grid(axis="x", visible=False)
    figure.axes[0].set_ylabel("environment steps per second,\none update each, on one core")
    return figure


def draw_notes_history(rows: list[dict]) -> Figure:
    """Bars of seconds for 5,000 steps, the notes' beside ours; a line spans our trajectories."""
    figure = Figure(figsize=(6.4, 3.2))
    axes = figure.subplots()
    for i, row in enumerate(rows):
        if row["notes_seconds"]:
            _bar(axes, i - 0.2, float(row["notes_seconds"]), GREY)
        if row["seconds"]:
            low, high = float(row["lowest"]), float(row["highest"])
            axes.plot([low, high], [i + 0.2] * 2, color="black", linewidth=1)
            _bar(axes, i + 0.2, float(row["seconds"]), COLOURS[0], label_at=high)
    names = [row["variant"].replace(", ", ",\n") for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("seconds for 5,000 steps with one update each")
    axes.bar(0, 0, color=GREY, label="the notes, 2019, on their laptop")
    axes.bar(0, 0, color=COLOURS[0], label="here, one core; line: fastest to slowest trajectory")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _bar(axes: Axes, y: float, value: float, colour: str, label_at: float = 0) -> None:
    axes.barh(y, value, 0.38, color=colour)
    place = (max(value, label_at), y)
    axes.annotate(f"{value:.3g}", place, (3, 0), textcoords="offset points", va="center", size=8)


def draw_memory(rows: list[dict]) -> Figure:
    """Resident memory against steps, and the replay buffer's part of it."""
    figure = Figure(figsize=(6.4, 2.6))
    axes = figure.subplots()
    steps = [int(row["env_interacts"]) for row in rows]
    for key, label, colour, style in (
        ("resident_bytes", "resident", COLOURS[0], "-"),
        ("library_bytes", "library files (shared between runs)", COLOURS[1], "--"),
        ("replay_bytes", "replay buffer", GREY, "-"),
    ):
        values = [int(row[key]) / 1e6 for row in rows]
        axes.plot(steps, values, style, color=colour, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("memory in MB")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    figure.legend(loc="outside upper center", ncols=3)
    return figure


if __name__ == "__main__":
    main()
