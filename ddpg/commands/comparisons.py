"""What the commands on comparisons read: the comparisons that were asked for, and the verdict."""

import dataclasses
import logging
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ddpg import config
from ddpg.analysis import curves
from ddpg.analysis.comparison import Comparison, load_comparison
from ddpg.analysis.verdict import Verdict
from ddpg.config import Settings

log = logging.getLogger(__name__)


def load_comparisons(settings: Settings, options: Namespace) -> list[Comparison]:
    """The comparisons of --only (default: all) of the configuration, with the runs of --curves."""
    declared = settings["comparisons"]
    names = list(dict.fromkeys(options.only or declared))
    for name in names:
        config.get_comparison(settings, name)  # raises on an unknown one
    if not names:
        log.info("%s declares no comparisons", settings.files)
    runs = curves.read_curves(options.curves)
    for name in sorted({*runs["experiment"]} - {*settings["experiments"]}):
        log.warning("%s: in --curves, but no experiment of %s, so left out", name, settings.files)
    return build_comparisons(settings, runs, names)


def build_comparisons(
    settings: Settings,
    runs: pd.DataFrame,
    names: Iterable[str] | None = None,
    root: Path | str = ".",
) -> list[Comparison]:
    """The comparisons `names` (default: all) of the configuration, with our curves in `runs`.

    Paths of references are relative to `root`.
    """
    declared, seeds = settings["comparisons"], config.list_seeds(settings)
    comparisons = []
    for name in declared if names is None else names:
        comparison = load_comparison(name, declared[name], runs, root, seeds)
        if comparison.factorial:
            also = config.list_other_differences(settings, declared[name]["factorial"])
            factorial = dataclasses.replace(comparison.factorial, also_differ=also)
            comparison = dataclasses.replace(comparison, factorial=factorial)
        comparisons.append(comparison)
    return comparisons


def load_headline_first(settings: Settings, options: Namespace) -> list[Comparison]:
    """The comparisons as `load_comparisons`, the configuration's `headline` before the others."""
    headline = settings.get("headline")
    return sorted(load_comparisons(settings, options), key=lambda found: found.name != headline)


def read_verdict(options: Namespace) -> Verdict | None:
    """The verdict of --verdict, if that is given."""
    return Verdict.read(options.verdict) if options.verdict else None
