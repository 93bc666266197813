"""An invalid configuration stops the workflow before it starts, with one line."""

import json
import re
import shutil

import pytest
import yaml

from ddpg import config
from ddpg.runs.record import RunRecord


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("experiments: {pendulum-demo: {pi_lr: -1}}", "pendulum-demo.pi_lr: -1 is less than"),
        ("experiment: {}", "unknown key 'experiment'; did you mean 'experiments'?"),
        ("smoke: {epochs: 1}\nsmoke: {epochs: 2}", "the key 'smoke' appears twice"),
    ],
)
def test_an_invalid_configuration_is_refused(checkout, text, message):
    (checkout.directory / "wrong.yaml").write_text(text + "\n")
    (checkout.directory / "right.yaml").write_text("defaults: {}\n")
    files = ("--configfile", "wrong.yaml", "right.yaml")
    output = checkout.snakemake("-n", "demo", *files, expect=1)
    (line,) = [line for line in output.splitlines() if message in line]
    assert line.startswith("wrong.yaml")
    assert not (checkout.directory / "results/runs").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"experiments: {a: [1, 2}\n", "config.yaml, line 1: "),
        (b"# \xe9\n", "config.yaml: not in UTF-8"),
        (None, "config.yaml: no such file"),
    ],
)
def test_an_unreadable_project_configuration_is_refused(checkout, content, message):
    path = checkout.directory / "config.yaml"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    output = checkout.snakemake("-n", "demo", expect=1)
    assert sum(line.startswith(message) for line in output.splitlines()) == 1
    assert "Traceback" not in output


def test_a_missing_reference_is_refused_before_anything_is_trained(checkout):
    reference = {"label": "mine", "env": "Pendulum-v1", "runs": ["data/mine"]}
    settings = {"comparisons": {"pendulum": {"references": {"mine": reference}}}}
    (checkout.directory / "mine.yaml").write_text(yaml.safe_dump(settings))
    command = ("-n", "demo", "--configfile", "mine.yaml")
    assert "data/mine" in checkout.snakemake(*command, expect=1)
    (checkout.directory / "data/mine").mkdir(parents=True)
    (checkout.directory / "data/mine/progress.txt").write_text("")
    assert "data/mine/progress.txt" in checkout.snakemake(*command)


def test_the_working_directory_may_be_named_as_a_directory_of_runs(checkout):
    reference = {"label": "mine", "env": "Pendulum-v1", "runs": ["."]}
    settings = {"comparisons": {"pendulum": {"references": {"mine": reference}}}}
    (checkout.directory / "mine.yaml").write_text(yaml.safe_dump(settings))
    target = "results/figures/published/pendulum"
    output = checkout.snakemake("-n", "--configfile", "mine.yaml", "--", target)
    assert "results/published/pendulum-demo/seed_0/progress.txt" in output


def test_an_option_without_which_nothing_works_is_refused(checkout):
    output = checkout.snakemake("--no-hooks", "results/figures/published/pendulum", expect=1)
    assert "--no-hooks: without its hooks this workflow would lose earlier runs" in output
    assert "Traceback" not in output


def test_a_damaged_record_is_left_to_the_command_that_refuses_it(checkout):
    runs = checkout.directory / "results/runs/pendulum-demo"
    shutil.copytree(checkout.directory / "results/published/pendulum-demo", runs)
    record = json.loads((runs / "seed_0/run.json").read_text()) | {"identity": None}
    (runs / "seed_0/run.json").write_text(json.dumps(record))
    output = checkout.snakemake("results/tables/runs/pendulum/curves.csv", expect=1)
    assert "seed_0/run.json: " in output and "Traceback" not in output


def test_runs_of_other_values_are_refused(checkout):
    """Those of which Snakemake has no record, for example because they were copied."""
    runs = checkout.directory / "results/runs/pendulum-demo"
    shutil.copytree(checkout.directory / "results/published/pendulum-demo", runs)
    table = "results/tables/runs/pendulum/curves.csv"
    checkout.snakemake(table)
    assert not (runs / "seed_0/.results").exists(), "copied runs have no copy of their own"
    before = {path.name: path.read_bytes() for path in (runs / "seed_0").iterdir()}
    (checkout.directory / "mine.yaml").write_text("experiments: {pendulum-demo: {q_lr: 0.5}}\n")
    for target in (table, "results/runs/pendulum-demo/seed_0/run.json"):
        output = checkout.snakemake(target, "--configfile", "mine.yaml", expect=1)
        assert "seed_0/run.json: this run has other values than the configuration" in output
        assert "Traceback" not in output

    # As the message says; a smaller experiment, so that it takes seconds.
    (checkout.directory / "mine.yaml").write_text(
        "experiments: {pendulum-demo: {epochs: 3, steps_per_epoch: 300}}\n"
    )
    checkout.snakemake(table, "--configfile", "mine.yaml", "--forcerun=train")
    aside = runs / "seed_0/set_aside_1"
    assert {name: (aside / name).read_bytes() for name in before} == before
    assert RunRecord.read(runs / "seed_0/run.json").steps == 900


def test_runs_of_other_values_are_refused_where_only_file_times_count(checkout):
    run = "results/smoke/pendulum-demo/seed_0/run.json"
    checkout.snakemake(run)
    (checkout.directory / "mine.yaml").write_text("smoke: {q_lr: 0.5}\n")
    command = ("-n", "--configfile", "mine.yaml", "--", run)
    assert "rule train:" in checkout.snakemake(*command), "Snakemake knows the values of its runs"
    output = checkout.snakemake("--rerun-triggers", "mtime", *command, expect=1)
    assert "seed_0/run.json: this run has other values than the configuration" in output


def test_a_seed_that_is_not_configured_is_refused(checkout):
    for collection, key in (
        ("runs", "experiments.pendulum-demo.seeds"),
        ("smoke", "smoke.seeds"),
    ):
        target = f"results/{collection}/pendulum-demo/seed_5/run.json"
        output = checkout.snakemake("-n", target, expect=1)
        assert re.search(
            r"^config.yaml: seed 5 is not among the seeds of pendulum-demo \(0, 10.*\); add it to "
            + re.escape(key),
            output,
            re.MULTILINE,
        )
        assert "Traceback" not in output


def test_a_directory_without_a_configuration_is_refused(checkout, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    output = checkout.snakemake("-n", "--directory", str(elsewhere), "--", "demo", expect=1)
    assert f"{elsewhere} has no config.yaml: start Snakemake in {checkout.directory}, or" in output
    assert not any(elsewhere.glob("*")), "nothing was written"


@pytest.mark.parametrize(
    ("experiment", "seed", "settings"),
    [
        ("renamed", 0, "  renamed: {env: Pendulum-v1, seeds: [0], epochs: 50}\n"),
        ("pendulum-demo", 7, "  pendulum-demo: {seeds: [7]}\n"),
    ],
)
def test_runs_in_a_renamed_directory_are_refused(checkout, experiment, seed, settings):
    """Their curves would be left out of the figures, as those of another experiment or seed."""
    run = checkout.directory / f"results/runs/{experiment}/seed_{seed}"
    shutil.copytree(checkout.directory / "results/published/pendulum-demo/seed_0", run)
    (checkout.directory / "mine.yaml").write_text(f"experiments:\n{settings}")
    target = f"results/runs/{experiment}/seed_{seed}/run.json"
    output = checkout.snakemake(target, "--configfile", "mine.yaml", expect=1)
    assert f"seed_{seed}/run.json: this is a run of pendulum-demo seed 0; move " in output
    assert "Traceback" not in output


def test_copied_runs_of_the_same_values_are_kept(checkout):
    """Also if the user asks to train again, for which Snakemake deletes their files."""
    runs = checkout.directory / "results/runs/pendulum-demo"
    shutil.copytree(checkout.directory / "results/published/pendulum-demo", runs)
    before = {path: path.read_bytes() for path in runs.glob("seed_*/*")}
    output = checkout.snakemake("results/runs/pendulum-demo/seed_0/run.json", "--forcerun=train")
    assert "already finished" in output
    assert {path: path.read_bytes() for path in before} == before


def test_claim_about_an_unknown_comparison_is_refused(checkout):
    claim = {
        "statement": "s", "source": "a paper", "comparison": "renamed", "group": "pendulum-demo",
        "quantity": "final_return", "expected": {"at_least": -200},
    }  # fmt: skip
    (checkout.directory / "mine.yaml").write_text(yaml.safe_dump({"claims": [claim]}))
    (checkout.directory / "wrong.yaml").write_text("claims: mine.yaml\n")
    output = checkout.snakemake("-n", "demo", "--configfile", "wrong.yaml", expect=1)
    (line,) = [line for line in output.splitlines() if "no comparison 'renamed'" in line]
    assert line.startswith("mine.yaml: claims.0.comparison")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "results/runs/hoppr/seed_1/run.json",
            "config.yaml, mine.yaml: no experiment 'hoppr'; did you mean 'hopper'?",
        ),
        (
            "results/figures/published/pendulums",
            "config.yaml, mine.yaml: no comparison 'pendulums'; did you mean 'pendulum'?",
        ),
    ],
)
def test_mistyped_target_is_one_line(checkout, target, message):
    (checkout.directory / "mine.yaml").write_text(
        "experiments: {hopper: {env: Hopper-v5, seeds: [0], epochs: 1}}\n"
    )
    output = checkout.snakemake("-n", "--configfile", "mine.yaml", "--", target, expect=1)
    assert [line for line in output.splitlines() if line.startswith(message)]
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--config smoke=1", "--config smoke=...: reaches Snakemake but not the training"),
        ("--config container=a --config container=b", "--config is given 2 times"),
        ("--config container=1", "--config container=1: not the name of an image"),
        ("-C container=a -Ccontainer=b", "--config is given 2 times"),
        ("--configfile a.yaml --configfiles=b.yaml", "--configfile is given 2 times"),
        (
            "--config container=a --configfile b.yaml",
            "b.yaml: container is b, and a on the command line or in the profile; give it once",
        ),
        (
            "--profile workflow/profiles/gpu --configfile b.yaml",
            "b.yaml: container is b, and containers/ddpg-gpu.sif on the command line",
        ),
    ],
)
def test_ignored_options_are_refused(checkout, options, message):
    for name in "ab":
        (checkout.directory / f"{name}.yaml").write_text(f"container: {name}\n")
    output = checkout.snakemake("-n", *options.split(), "--", "demo", expect=1)
    assert sum(message in line for line in output.splitlines()) == 1


def test_container_can_be_set_on_the_command_line(checkout):
    checkout.snakemake("-n", "demo", "--config", "container=other.sif")


def test_comparisons_and_smoke_are_optional(checkout):
    path = checkout.directory / "config.yaml"
    settings = dict(config.read(path))
    del settings["comparisons"], settings["smoke"]
    path.write_text(yaml.safe_dump(settings))
    output = checkout.snakemake(
        "-np", "figures", "plan", "results/runs/pendulum-demo/seed_0/run.json"
    )
    assert "rule compare" in output and "rule train" in output
    assert "--curves --title" in output and "--curves --page" in output
    output = checkout.snakemake("-n", "demo", expect=1)
    assert "no comparison 'pendulum'" in output
    output = checkout.snakemake("-n", "results/smoke/pendulum-demo/seed_0/run.json", expect=1)
    assert "the configuration has no `smoke:`" in output


def test_runs_of_changed_environment_code_are_refused(checkout):
    (checkout.directory / "mine.py").write_text(
        "import gymnasium as gym\n"
        "from gymnasium.envs.classic_control import PendulumEnv\n"
        "class Mine(PendulumEnv): pass\n"
        'gym.register("Mine-v0", entry_point=Mine, max_episode_steps=15)\n'
    )
    (checkout.directory / "mine.yaml").write_text(
        'experiments:\n  mine: {env: "mine:Mine-v0", seeds: [0], epochs: 1, steps_per_epoch: 20}\n'
    )
    run = "results/runs/mine/seed_0/run.json"
    command = ("--configfile", "mine.yaml", "--", run)
    checkout.snakemake(*command)
    assert "Nothing to be done" in checkout.snakemake("-n", *command)
    with (checkout.directory / "mine.py").open("a") as module:
        module.write("# changed\n")
    output = checkout.snakemake("-n", *command, expect=1)
    assert f"{run}: the code of mine:Mine-v0 has changed since this run" in output
    assert "Traceback" not in output
    # As the message says.
    checkout.snakemake("--forcerun=train", *command)
    assert (checkout.directory / run).with_name("set_aside_1").is_dir()
    assert "Nothing to be done" in checkout.snakemake("-n", *command)


def test_a_whole_configuration_needs_no_other(checkout, tmp_path_factory):
    """Also the copy that Snakemake has read."""
    whole = config.read(checkout.directory / "config.yaml")
    settings = {name: whole[name] for name in ("defaults", "experiments", "smoke")}
    run = "results/smoke/pendulum-demo/seed_0/run.json"
    for directory in (checkout.directory, tmp_path_factory.mktemp("elsewhere")):
        copy = directory / "results/config/copy.yaml"
        copy.parent.mkdir(parents=True)
        copy.write_text(yaml.safe_dump(settings))
        where = ("--directory", str(directory), "--replace-workflow-config")
        output = checkout.snakemake("-n", *where, "--configfile", str(copy), "--", run)
        assert "rule train:" in output


def test_a_path_with_braces_is_refused(checkout):
    (checkout.directory / "mine.yaml").write_text("container: image{v2}.sif\n")
    output = checkout.snakemake("-n", "demo", "--configfile", "mine.yaml", expect=1)
    assert "image{v2}.sif: has braces; rename the file without them" in output


def test_results_that_cannot_be_written_stop_snakemake_with_one_line(checkout):
    (checkout.directory / "results/config").write_text("a file\n")
    output = checkout.snakemake("demo", expect=1)
    assert "results/config: File exists; check its permissions and the disk" in output
    assert "pathlib" not in output and "Traceback" not in output
