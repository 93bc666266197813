"""What the commands on comparisons read: the comparisons that were asked for, and the verdict."""

import logging
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ddpg import config
from ddpg.analysis import curves
from ddpg.analysis.claims import Claim, read_claims
from ddpg.analysis.comparison import Comparison, load_comparison
from ddpg.analysis.verdict import Verdict
from ddpg.config import Settings
from ddpg.errors import UserError

log = logging.getLogger(__name__)


def load_comparisons(options: Namespace) -> list[Comparison]:
    """The comparisons of --only (default: all) of the configuration, with the runs of --curves."""
    settings = config.read(*options.config)
    declared = settings["comparisons"]
    names = list(dict.fromkeys(options.only or declared))
    for name in names:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise UserError(f"{settings.files}: no comparison {name!r}; there are: {known}")
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
    declared, seeds = settings["comparisons"], config.count_seeds(settings)
    return [
        load_comparison(name, declared[name], runs, root, seeds)
        for name in (declared if names is None else names)
    ]


def load_headline_first(options: Namespace) -> list[Comparison]:
    """The comparisons as `load_comparisons`, the configuration's `headline` before the others."""
    headline = config.read(*options.config).get("headline")
    return sorted(load_comparisons(options), key=lambda comparison: comparison.name != headline)


def load_claims(options: Namespace) -> tuple[Claim, ...]:
    """The claims of the configuration; UserError if their file is wrong."""
    return read_claims(config.read(*options.config))


def read_verdict(options: Namespace) -> Verdict | None:
    """The verdict of --verdict, if that is given."""
    return Verdict.read(options.verdict) if options.verdict else None
