"""Do fresh runs reproduce the published ones?

They do if their bytes are equal. If configuration, packages, platform and version of the arithmetic
are the same, the bytes must be equal, and one differing seed fails. Runs with different
configurations fail. Otherwise the final returns decide, by Welch's two one-sided tests
(`statistics.test_equivalence`) within a margin:

    the larger of one standard deviation between the published seeds,
    and a tenth of what they gained from their first evaluation to their final return.

Final returns are means over the last 100,000 steps, or over the last third of a shorter run. A
difference smaller than the standard deviation between seeds, or than a tenth of what training
achieves, is small compared with what anyone concludes from a few seeds. Equivalence within half a
standard deviation could not be shown with ten seeds per group, nor with twenty: the interval of the
difference is wider. The tenth is for experiments whose seeds differ so little that their standard
deviation does not measure relevance. If equal seeds make the two groups dependent, their difference
varies less than the test assumes.

Groups without any difference, whose seeds do not vary, are equal: they pass with any margin.

A fail is a difference that Welch's test finds at the 1 % level and that is not shown to be within
the margin; at the 5 % level, one in twenty true reproductions would fail.
"""

import dataclasses
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from ddpg.analysis import curves, statistics, tables
from ddpg.analysis.groups import DEFAULT_FINAL, Final, SeedGroup, measure_final
from ddpg.errors import UserError
from ddpg.runs.directory import PROGRESS, RunDirectory
from ddpg.runs.record import RunRecord, have_other_code
from ddpg.runs.typed_json import read_dataclass

PASS, FAIL, TOO_FEW, NO_RUNS = "pass", "fail", "too few seeds to tell", "no runs"
RESULTS = (PASS, FAIL, TOO_FEW, NO_RUNS)
DIFFERENT_AT = 0.01
SHARE_OF_GAIN = 0.1


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of one experiment, the test that decided, its numbers, and the reason."""

    result: str
    test: str
    fresh_seeds: int
    published_seeds: int
    reason: str
    margin: float | None = None
    difference: float | None = None
    interval_90: tuple[float | None, ...] = ()
    p_equivalent: float | None = None
    p_different: float | None = None
    seeds_for_equivalence: float | None = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The worst result of all experiments (PASS, FAIL, TOO_FEW or NO_RUNS), and each outcome."""

    result: str
    experiments: dict[str, Outcome]

    @classmethod
    def read(cls, path: Path) -> "Verdict":
        """The verdict in a verdict.json; UserError with one line where it is not one."""
        verdict = read_dataclass(cls, path, "verdict.json")
        for result in (verdict.result, *(each.result for each in verdict.experiments.values())):
            if result not in RESULTS:
                raise UserError(f"{path}: not a verdict.json of this package: {result!r}")
        return verdict

    def describe(self) -> str:
        """What the verdict means, in one sentence."""
        compared = [o for o in self.experiments.values() if o.result != NO_RUNS]
        of = f"of {tables.format_count(len(compared), 'experiment')}"
        if left := len(self.experiments) - len(compared):
            of += f" ({left} more cannot be compared: no runs)"
        return {
            PASS: f"The fresh runs {of} reproduce the published ones.",
            FAIL: f"The fresh runs {of} do NOT all reproduce the published ones.",
            TOO_FEW: f"The fresh runs {of}: too few seeds to tell whether all reproduce the "
            "published ones. That is not a failure.",
            NO_RUNS: "Nothing to compare: no experiment has both fresh and published runs. "
            "That is not a failure.",
        }[self.result]


@dataclasses.dataclass(frozen=True)
class _Run:
    directory: Path
    curve: pd.DataFrame
    config: dict
    record: RunRecord


def judge_runs(fresh: Iterable[Path | str], published: Iterable[Path | str]) -> Verdict:
    """Compare fresh with published run directories, experiment by experiment.

    The bytes of policies and tables are compared by the checksums in run.json, so check first that
    the files match them (`RunDirectory.find_mismatches`). Raises UserError for runs that
    `curves.aggregate_runs` refuses, or without run.json.
    """
    sources = [_group_by_experiment(fresh), _group_by_experiment(published)]
    names = sorted(sources[0].keys() | sources[1].keys())
    experiments = {name: _judge(*(source.get(name, {}) for source in sources)) for name in names}
    results = [outcome.result for outcome in experiments.values()]
    worst = next((r for r in (FAIL, TOO_FEW, PASS) if r in results), NO_RUNS)
    return Verdict(worst, experiments)


def format_verdict(verdict: Verdict) -> str:
    """The verdict as a readable table."""
    rows = [
        {
            "experiment": name,
            "result": outcome.result,
            "test": outcome.test,
            "fresh seeds": outcome.fresh_seeds,
            "published seeds": outcome.published_seeds,
            "why": outcome.reason,
        }
        for name, outcome in verdict.experiments.items()
    ]
    return f"# Verdict: {verdict.result}\n\n{verdict.describe()}\n\n" + (
        tables.format_markdown(pd.DataFrame(rows)) if rows else ""
    )


def _group_by_experiment(paths: Iterable[Path | str]) -> dict[str, dict[int, _Run]]:
    directories = [Path(path) for path in paths]
    all_curves = curves.aggregate_runs(directories)
    runs: dict[str, dict[int, _Run]] = {}
    for directory in directories:
        config = curves.read_config(directory)
        own = all_curves["experiment"].eq(config["exp_name"]) & all_curves["seed"].eq(
            config["seed"]
        )
        record = RunDirectory(directory).read_record()
        run = _Run(directory, all_curves[own].reset_index(drop=True), config, record)
        runs.setdefault(config["exp_name"], {})[config["seed"]] = run
    return runs


def _judge(fresh: dict[int, _Run], published: dict[int, _Run]) -> Outcome:
    if not fresh or not published:
        missing = "fresh" if not fresh else "published"
        return Outcome(NO_RUNS, "none", len(fresh), len(published), f"no {missing} runs")
    differing = curves.find_differing_keys(_pick_one(fresh).config, _pick_one(published).config)
    if differing:
        reason = f"different configuration: {', '.join(differing)}"
        return Outcome(FAIL, "none", len(fresh), len(published), reason)
    if have_other_code(run.record for run in (*fresh.values(), *published.values())):
        reason = "different code of the environment (environment_code in run.json)"
        return Outcome(FAIL, "none", len(fresh), len(published), reason)
    return _judge_by_bytes(fresh, published) or _judge_by_equivalence(fresh, published)


def _judge_by_bytes(fresh: dict[int, _Run], published: dict[int, _Run]) -> Outcome | None:
    """The outcome of comparing bytes.

    None if bytes do not decide: a seed has no counterpart, or its bytes differ and need not be
    equal.
    """
    differing = {
        seed: _find_differing_results(fresh[seed], published[seed])
        for seed in sorted(fresh.keys() & published.keys())
    }
    wrong = {
        seed: names
        for seed, names in differing.items()
        if names and _must_be_equal(fresh[seed].record, published[seed].record)
    }
    if wrong:
        seed, names = next(iter(wrong.items()))
        reason = (
            f"{len(wrong)} of {len(fresh)} seeds differ in bytes though configuration, packages, "
            f"platform and arithmetic version are equal: seed {seed} in {', '.join(names)}"
        )
        return Outcome(FAIL, "bytes", len(fresh), len(published), reason)
    if len([seed for seed, names in differing.items() if not names]) < len(fresh):
        return None
    seeds = tables.format_count(len(fresh), "seed")
    reason = f"weights and results of {seeds} are equal to the byte"
    return Outcome(PASS, "bytes", len(fresh), len(published), reason)


def _must_be_equal(a: RunRecord, b: RunRecord) -> bool:
    """Whether the bytes of two runs must be equal.

    Those of version 1 of the arithmetic depended on the type of processor and on the code of that
    revision.
    """
    return a.arithmetic_version >= 2 and a.identity == b.identity


def _find_differing_results(a: _Run, b: _Run) -> list[str]:
    """The results that differ; the column Time of progress.txt does not count."""
    names = [] if a.record.weights_sha256 == b.record.weights_sha256 else ["weights"]
    files, others = a.record.files, b.record.files
    named = sorted((files.keys() | others.keys()) - {PROGRESS})
    names += [name for name in named if files.get(name) != others.get(name)]
    timeless = [run.curve.drop(columns="time") for run in (a, b)]
    return names if timeless[0].equals(timeless[1]) else [*names, PROGRESS]


def _judge_by_equivalence(fresh: dict[int, _Run], published: dict[int, _Run]) -> Outcome:
    reference = _make_group(published)
    of_a, of_b = _measure_group(_make_group(fresh)), _measure_group(reference)
    margin = _choose_margin(reference, of_b)
    test = statistics.test_equivalence(of_a.moments, of_b.moments, margin)
    difference = statistics.test_difference(of_a.moments, of_b.moments)
    equal = difference.estimate == of_a.moments.sd == of_b.moments.sd == 0
    if equal or (-margin < test.low and test.high < margin):
        result = PASS
    elif difference.p < DIFFERENT_AT:
        result = FAIL
    else:
        result = TOO_FEW
    needed = statistics.count_seeds_for_equivalence(margin, of_a.moments, of_b.moments)
    return Outcome(
        result,
        "equivalence",
        len(fresh),
        len(published),
        _explain(result, test, difference.estimate, needed),
        margin=_drop_nonfinite(margin),
        difference=difference.estimate,
        interval_90=(_drop_nonfinite(test.low), _drop_nonfinite(test.high)),
        p_equivalent=_drop_nonfinite(test.p),
        p_different=_drop_nonfinite(difference.p),
        seeds_for_equivalence=_drop_nonfinite(needed),
    )


def _choose_margin(published: SeedGroup, result: Final) -> float:
    gain = abs(result.moments.mean - published.get_returns()[0].mean())
    return float(np.fmax(result.moments.sd, SHARE_OF_GAIN * gain))


def _explain(result: str, test: statistics.Equivalence, difference: float, needed: float) -> str:
    number = tables.format_number
    found = f"means differ by {number(difference)}"
    if math.isnan(test.low):
        too_few = f"a test needs {statistics.FEWEST_TESTED} seeds per group"
        return f"{found}; {'no seed varies; equivalent' if result == PASS else too_few}"
    found += f" (90 % interval {number(test.low)} to {number(test.high)}"
    found += f", margin {number(test.margin)})"
    if result == TOO_FEW:
        return (
            f"{found}; with equal means, {number(needed)} seeds per group would pass with "
            f"{100 * statistics.POWER:.0f} % power"
        )
    return f"{found}; " + ("equivalent" if result == PASS else "different")


def _make_group(runs: dict[int, _Run]) -> SeedGroup:
    table = pd.concat([run.curve for run in runs.values()])
    return SeedGroup("", "", "", table, ours=True)


def _measure_group(group: SeedGroup) -> Final:
    final = measure_final(group, DEFAULT_FINAL)
    assert final is not None  # of seeds that are evaluated at the same steps there always is one
    return final


def _pick_one(runs: dict[int, _Run]) -> _Run:
    return next(iter(runs.values()))


def _drop_nonfinite(value: float) -> float | None:
    """None for what JSON has no number for: NaN (not known) and infinity (no number suffices)."""
    return float(value) if math.isfinite(value) else None
