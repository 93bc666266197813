"""Fresh runs against published ones: equal bytes, or an equivalence test across platforms."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.checkout import ROOT
from helpers.make_record import make_record

from ddpg import cli
from ddpg.analysis import verdict
from ddpg.errors import UserError
from ddpg.files import hash_file, write_json
from ddpg.runs.record import Processor
from ddpg.runs.typed_json import to_json

SEEDS = range(0, 200, 10)
SD = 75.0
BEGIN = np.linspace(-100, 300, 5)


def make_runs(
    root: Path, finals, weights="w", origin=None, seconds=1.0, begin=BEGIN, **config
) -> list[Path]:
    """One run per final return: nine epochs, first `begin`; `origin` is for `make_record`."""
    directories = []
    for seed, final in zip(SEEDS, finals, strict=False):
        directory = root / f"seed_{seed}"
        directory.mkdir(parents=True)
        rows = ["Epoch\tTotalEnvInteracts\tAverageTestEpRet\tTime"]
        returns = np.concatenate([begin, [final] * 4])
        rows += [
            f"{i + 1}\t{100 * (i + 1)}\t{r!r}\t{i * seconds}"
            for i, r in enumerate(returns.tolist())
        ]
        progress = directory / "progress.txt"
        progress.write_text("\n".join(rows) + "\n")
        settings = {"exp_name": "demo", "seed": seed, "env": "Pendulum-v1"} | config
        (directory / "config.json").write_text(json.dumps(settings))
        run = make_record(
            weights_sha256=f"{weights}{seed}",
            files={"policy.npz": f"{weights}{seed}", "progress.txt": hash_file(progress)},
            **(origin or {}),
        )
        (directory / "run.json").write_text(json.dumps(run.to_json()))
        directories.append(directory)
    return directories


EPYC = Processor("Epyc", "AuthenticAMD-25-1-1 avx2 fma", ("avx2", "fma"))
ELSEWHERE = {"platform": "GPU NVIDIA H100"}


def finals(n: int, shift: float = 0.0) -> np.ndarray:
    """Final returns with mean 350 + shift and standard deviation SD."""
    values = np.linspace(-1, 1, n)
    return 350 + shift + values / values.std(ddof=1) * SD


def judge(fresh, published) -> verdict.Outcome:
    return verdict.judge_runs(fresh, published).experiments["demo"]


def written_and_read(outcome: verdict.Outcome, directory: Path) -> verdict.Outcome:
    path = directory / "verdict.json"
    write_json(path, to_json(verdict.Verdict(outcome.result, {"demo": outcome})))
    return verdict.Verdict.read(path).experiments["demo"]


def test_equal_bytes_pass_with_different_wall_clock_times(tmp_path):
    published = make_runs(tmp_path / "published", finals(3))
    fresh = make_runs(tmp_path / "fresh", finals(3), seconds=2.0)
    found = verdict.judge_runs(fresh, published)
    assert found.result == verdict.PASS
    assert found.experiments["demo"].test == "bytes"


def test_equal_bytes_pass_across_platforms_for_a_subset_of_seeds(tmp_path):
    published = make_runs(tmp_path / "published", finals(3))
    fresh = make_runs(tmp_path / "fresh", finals(3), origin=ELSEWHERE)
    found = judge(fresh[:2], published)
    assert (found.result, found.test, found.fresh_seeds) == (verdict.PASS, "bytes", 2)


@pytest.mark.parametrize("difference", ["weights", "progress"])
def test_one_differing_byte_on_the_same_platform_fails(tmp_path, difference):
    published = make_runs(tmp_path / "published", finals(20))
    returns = finals(20)
    if difference == "progress":
        returns[3] += 1e-9
    weights = "other" if difference == "weights" else "w"
    fresh = make_runs(tmp_path / "fresh", returns, weights=weights)
    found = judge(fresh, published)
    assert (found.result, found.test) == (verdict.FAIL, "bytes")
    expected = "seed 30 in progress.txt" if difference == "progress" else "seed 0 in weights"
    assert expected in found.reason


@pytest.mark.parametrize(
    "change",
    [
        {"platform": "GPU NVIDIA H100"},
        {"variables": {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}},
        {"packages": {"numpy": "2.5.0"}},
        {"arithmetic_version": 3},
    ],
)
def test_bitwise_equality_not_required_across_platforms(tmp_path, change):
    published = make_runs(tmp_path / "published", finals(20))
    fresh = make_runs(tmp_path / "fresh", finals(20, 5), weights="other", origin=change)
    found = judge(fresh, published)
    assert (found.result, found.test) == (verdict.PASS, "equivalence")


def test_bitwise_equality_not_required_of_the_first_arithmetic(tmp_path):
    first = {"arithmetic_version": 1}
    published = make_runs(tmp_path / "published", finals(20), origin=first)
    fresh = make_runs(tmp_path / "fresh", finals(20, 5), weights="other", origin=first)
    assert judge(fresh, published).test == "equivalence"


def test_bitwise_equality_required_on_another_processor(tmp_path):
    published = make_runs(tmp_path / "published", finals(3))
    other = {"processor": EPYC, "sessions": make_record(processor=EPYC).sessions}
    fresh = make_runs(tmp_path / "fresh", finals(3), "other", other)
    found = judge(fresh, published)
    assert (found.result, found.test) == (verdict.FAIL, "bytes")


@pytest.mark.parametrize(
    ("seeds", "shift", "result"),
    [
        (20, 10, verdict.PASS),
        (20, 60, verdict.TOO_FEW),
        (20, 150, verdict.FAIL),
        (3, 10, verdict.TOO_FEW),
        (1, 10, verdict.TOO_FEW),
    ],
)
def test_final_returns_decide_across_platforms(tmp_path, seeds, shift, result):
    published = make_runs(tmp_path / "published", finals(20))
    returns = finals(seeds, shift) if seeds > 1 else [360.0]
    fresh = make_runs(tmp_path / "fresh", returns, "other", ELSEWHERE)
    found = judge(fresh, published)
    assert found.result == result
    assert found.margin == pytest.approx(SD)
    assert found.difference == pytest.approx(shift)
    assert written_and_read(found, tmp_path) == found


def test_margin_is_at_least_a_tenth_of_the_gain(tmp_path):
    published = make_runs(tmp_path / "published", [350.0, 350.5, 351.0])
    fresh = make_runs(tmp_path / "fresh", [360.0, 361.0, 360.5], "other", ELSEWHERE)
    found = judge(fresh, published)
    assert found.margin == pytest.approx(0.1 * (350.5 + 100))
    assert found.result == verdict.PASS


def test_seeds_with_zero_standard_deviation_are_decided(tmp_path):
    published = make_runs(tmp_path / "published", [350.0] * 3)
    near = make_runs(tmp_path / "near", [360.0] * 3, "other", ELSEWHERE)
    far = make_runs(tmp_path / "far", [460.0] * 3, "other", ELSEWHERE)
    assert judge(near, published).result == verdict.PASS
    assert judge(far, published).result == verdict.FAIL


@pytest.mark.parametrize("value", [-50.0, -0.1, 0.0])
@pytest.mark.parametrize(("seeds", "others"), [(2, 5), (3, 10), (5, 20), (10, 10)])
def test_equal_returns_that_never_vary_pass(tmp_path, value, seeds, others):
    begin = [value] * 5
    published = make_runs(tmp_path / "published", [value] * others, begin=begin)
    fresh = make_runs(tmp_path / "fresh", [value] * seeds, "other", ELSEWHERE, begin=begin)
    found = judge(fresh, published)
    assert (found.result, found.difference, found.p_different) == (verdict.PASS, 0, None)
    assert "equivalent" in found.reason
    assert written_and_read(found, tmp_path) == found


def test_different_configuration_fails(tmp_path):
    published = make_runs(tmp_path / "published", finals(3))
    fresh = make_runs(tmp_path / "fresh", finals(3), batch_size=64)
    found = judge(fresh, published)
    assert (found.result, found.test) == (verdict.FAIL, "none")
    assert found.reason == "different configuration: batch_size"


def test_overall_result_is_the_worst_experiment(tmp_path):
    published = make_runs(tmp_path / "published", finals(3))
    published += make_runs(tmp_path / "other", finals(3), exp_name="never-run")
    fresh = make_runs(tmp_path / "fresh", finals(3))
    found = verdict.judge_runs(fresh, published)
    assert found.experiments["never-run"].result == verdict.NO_RUNS
    assert found.result == verdict.PASS
    assert verdict.judge_runs([], published).result == verdict.NO_RUNS
    assert verdict.judge_runs([], []) == verdict.Verdict(verdict.NO_RUNS, {})
    wrong = make_runs(tmp_path / "wrong", finals(3), "other", exp_name="never-run")
    assert verdict.judge_runs([*fresh, *wrong], published).result == verdict.FAIL


def test_format_verdict_gives_the_reason(tmp_path):
    published = make_runs(tmp_path / "published", finals(20))
    fresh = make_runs(tmp_path / "fresh", finals(3, 10), "other", ELSEWHERE)
    text = verdict.format_verdict(verdict.judge_runs(fresh, published))
    assert text.startswith(
        "# Verdict: too few seeds to tell\n\nThe fresh runs of 1 experiment: too few seeds to tell"
    )
    assert (
        "| demo | too few seeds to tell | equivalence | 3 | 20 | means differ by 10 (90 %" in text
    )


def test_run_without_run_json_raises_user_error(tmp_path):
    published = make_runs(tmp_path / "published", finals(3))
    (published[1] / "run.json").unlink()
    with pytest.raises(UserError, match="run.json: no such file"):
        verdict.judge_runs(published, published)


@pytest.mark.parametrize("name", ["policy.npz", "test_episodes.csv", "state_digests.txt"])
@pytest.mark.parametrize("change", [lambda path: path.write_text("x"), Path.unlink])
def test_damaged_file_is_refused(tmp_path, capsys, name, change):
    published = ROOT / "results/published/spinup-exercise-2-2/seed_0"
    fresh = shutil.copytree(published, tmp_path / "seed_0")
    arguments = ["--fresh", str(fresh), "--published", str(published)]
    command = ["verdict", *arguments, "--output", str(tmp_path / "verdict")]
    assert cli.main(command) == 0
    change(fresh / name)
    shutil.rmtree(tmp_path / "verdict")
    assert cli.main(command) == 2
    assert str(fresh / name) in capsys.readouterr().err
    assert not (tmp_path / "verdict").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"result": "good", "experiments": {}}', "'good'"),
        ('{"result": "pass"}', "experiments is missing"),
        ('{"result": "pass", "experiments": {"demo": {"result": "pass"}}}', "demo.test is missing"),
    ],
)
def test_invalid_verdict_json_raises_user_error(tmp_path, content, message):
    (tmp_path / "verdict.json").write_text(content)
    with pytest.raises(UserError, match="verdict.json: not a verdict.json .*: ") as error:
        verdict.Verdict.read(tmp_path / "verdict.json")
    assert message in str(error.value)


def test_the_same_directory_as_fresh_and_as_published_is_refused(tmp_path, capsys):
    run = str(ROOT / "results/published/spinup-exercise-2-2/seed_0")
    command = ["verdict", "--fresh", run, "--published", run, "--output", str(tmp_path / "verdict")]
    assert cli.main(command) == 2
    assert "given as fresh and as published; give two different runs" in capsys.readouterr().err
