"""`plan`: what training costs, from the published runs or from speeds measured on a machine."""

import json
import re
import shutil

import pytest
from helpers.checkout import ROOT
from helpers.make_record import make_record

from ddpg.cli import main
from ddpg.commands import plan
from ddpg.config import read, resolve_experiment
from ddpg.errors import EnvironmentFailed, Interrupted
from ddpg.files import encode_json
from ddpg.runs.directory import RESULT_FILES


def test_plan_uses_the_cost_of_published_runs(tmp_path):
    experiment = resolve_experiment(read("config.yaml"), "pendulum-demo")
    runs = []
    files = RESULT_FILES
    for seed, speed in ((0, 1000), (10, 2000), (20, 500)):
        seconds = 10_000 / speed
        times = [seconds, 2 * seconds, 100 * seconds, 101 * seconds]  # one slow epoch
        table = ["Epoch\tTotalEnvInteracts\tAverageTestEpRet\tTime"]
        table += [f"{i}\t{10_000 * i}\t-150.0\t{time}" for i, time in enumerate(times, start=1)]
        directory = tmp_path / "pendulum-demo" / f"seed_{seed}"
        directory.mkdir(parents=True)
        made = make_record(
            experiment="pendulum-demo", seed=seed, peak_memory_bytes=10**9,
            files=dict.fromkeys(files, "x"),
        )  # fmt: skip
        record = encode_json(made.to_json()).ljust(10_000)
        for name in files:
            (directory / name).write_bytes(b"x" * len(record))
        (directory / "run.json").write_bytes(record)
        settings = json.dumps(experiment.to_config(seed)).ljust(len(record))
        (directory / "config.json").write_text(settings)
        padded = "\n".join(table).ljust(len(record) - 1) + "\n"
        (directory / "progress.txt").write_text(padded)
        runs.append(directory)
    costs = {cost.experiment: cost for cost in plan.estimate_costs(read("config.yaml"), runs, {})}
    demo = costs["pendulum-demo"]
    assert demo.core_hours == 3 * 500_000 / 1000 / 3600
    assert (demo.memory, demo.disk) == (10**9, len(record) * (len(files) + 1))
    assert costs["halfcheetah-benchmark"].core_hours is None


def test_rates_csv_takes_precedence_over_published_runs(tmp_path, capsys, caplog):
    shutil.copy(ROOT / "config.yaml", tmp_path)
    settings = plan.digest_cost(resolve_experiment(read("config.yaml"), "pendulum-demo"))
    rates = {"pendulum-demo": plan.Rate(5000.0, "Fast Processor", settings)}
    (tmp_path / "results").mkdir()
    plan.write_rates(tmp_path / plan.RATES, rates)
    assert plan.read_rates(tmp_path / plan.RATES) == rates
    published = ROOT / "results/published/pendulum-demo/seed_0"
    command = ["plan", "--config", str(tmp_path / "config.yaml"), "--published", str(published)]
    assert main(command) == 0
    shown = capsys.readouterr().out
    hours = 3 * 500_000 / 5000 / 3600
    assert re.search(rf"pendulum-demo +3 +{hours:.2f} .* an idle machine", shown)
    assert "at the speed of one core of Fast Processor" in shown
    stale = "experiment,steps_per_second,processor,settings\npendulum-demo,5,Fast,0123\n"
    (tmp_path / "stale.csv").write_text(stale)
    assert main([*command, "--rates", str(tmp_path / "stale.csv")]) == 0
    assert "stale.csv: not used, because no experiment has the settings" in caplog.text
    without_settings = "experiment,steps_per_second,processor\npendulum-demo,5,Fast\n"
    without_cells = "experiment,steps_per_second,processor,settings\npendulum-demo,5\n"
    for damaged in (
        "", "experiment\npendulum-demo\n", "x", "\0", without_settings, without_cells
    ):  # fmt: skip
        (tmp_path / "rates.csv").write_text(damaged)
        assert main([*command, "--rates", str(tmp_path / "rates.csv")]) == 2
        assert "rates.csv: not a table of rates" in capsys.readouterr().err
    assert main([*command, "--rates", str(tmp_path / "none.csv")]) == 2
    assert "none.csv: No such file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "change", "known"),
    [
        ("pendulum-demo", {"hidden_sizes": [301]}, False),
        ("pendulum-demo", {"batch_size": 1000}, False),
        ("pendulum-demo", {"pi_lr": 0.5, "epochs": 60}, True),
        ("a-copy", {"discount": 0.5}, True),
    ],
)
def test_speed_and_memory_are_those_of_the_same_settings(name, change, known):
    settings = read("config.yaml")
    digest = plan.digest_cost(resolve_experiment(settings, "pendulum-demo"))
    settings["experiments"] = {name: settings["experiments"]["pendulum-demo"] | change}
    published = [ROOT / "results/published/pendulum-demo/seed_0"]
    rates = {"pendulum-demo": plan.Rate(5000.0, "Fast Processor", digest)}
    (cost,) = plan.estimate_costs(settings, published, rates)
    assert (cost.rate, cost.measured) == ((rates["pendulum-demo"], 1) if known else (None, 0))
    assert (cost.core_hours is not None) == (cost.memory is not None) == known
    if known:
        epochs = change.get("epochs", 50)
        assert cost.core_hours == 3 * epochs * 10_000 / 5000 / 3600


def test_an_environment_that_does_not_exist_is_named_before_training(tmp_path, capsys):
    shutil.copy(ROOT / "config.yaml", tmp_path)
    own = tmp_path / "mine.yaml"
    own.write_text("experiments:\n  hopper: {env: Hoper-v5, seeds: [0], epochs: 1}\n")
    assert main(["plan", "--config", str(tmp_path / "config.yaml"), str(own)]) == 2
    reason = "Environment `Hoper` doesn't exist"
    said = f"no environment 'Hoper-v5' ({reason}); did you mean 'Hopper-v5'?"
    assert capsys.readouterr().err == f"ddpg: {own}: experiments.hopper.env: {said}\n"


def test_a_rate_is_measured_by_training():
    tiny = {
        "env": "Pendulum-v1", "hidden_sizes": [4], "batch_size": 4, "steps_per_epoch": 5000,
        "start_steps": 100, "update_after": 0, "update_every": 50, "num_test_episodes": 1,
    }  # fmt: skip
    settings = read("config.yaml")
    settings["experiments"] = {"tiny": settings["experiments"]["pendulum-demo"] | tiny}
    rate = plan.measure_rate(settings, "tiny")
    assert 100 < rate.steps_per_second < 100_000
    assert rate.settings == plan.digest_cost(resolve_experiment(settings, "tiny"))


def test_measured_rates_are_written_after_each_experiment(tmp_path, monkeypatch, capfd):
    shutil.copy(ROOT / "config.yaml", tmp_path)
    first, second, *_ = read("config.yaml")["experiments"]
    output = tmp_path / "new/rates.csv"

    def measure(settings, name):
        if name == second:
            raise Interrupted("/tmp/x/run: stopped and saved; the same command continues")
        return plan.Rate(5000.0, "Fast Processor", "x")

    monkeypatch.setattr(plan, "measure_rate", measure)
    command = ["plan", "--config", str(tmp_path / "config.yaml"), "--measure"]
    said = f"stopped while {second} was measured: {output} has new speeds of {first}; the same"
    earlier = {name: plan.Rate(1.0, "Slow Processor", "x") for name in (first, second, "gone")}
    for kept in ({}, earlier):
        if kept:
            plan.write_rates(output, kept)
        assert main([*command, str(output)]) == 75
        assert said in capfd.readouterr().err
        new = {first: plan.Rate(5000.0, "Fast Processor", "x")}
        assert plan.read_rates(output) == kept | new
    monkeypatch.setattr(plan, "measure_rate", None)
    assert main([*command, str(tmp_path)]) == 2
    assert f"{tmp_path}: cannot be written; give another" in capfd.readouterr().err
    assert main([*command, str(tmp_path / "config.yaml/rates.csv")]) == 2
    assert "config.yaml: File exists" in capfd.readouterr().err


def test_the_plan_uses_the_published_runs_beside_the_configuration(tmp_path, capsys):
    run = tmp_path / "results/published/pendulum-demo/seed_0"
    shutil.copytree(ROOT / "results/published/pendulum-demo/seed_0", run)
    shutil.copy(ROOT / "config.yaml", tmp_path)
    command = ["plan", "--config", str(tmp_path / "config.yaml")]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert re.search(r"pendulum-demo +3 +0\.\d+ .* 1 published run", shown)
    assert main([*command, "--published"]) == 0
    assert re.search(r"pendulum-demo +3 +unknown", capsys.readouterr().out)


def test_an_experiment_that_fails_while_it_is_measured_is_named(monkeypatch, capfd, tmp_path):
    def fail(short, seed, run, report):
        raise EnvironmentFailed(f"environment 'x' failed in step; its traceback is in {run}/f.txt")

    monkeypatch.setattr("ddpg.training.train", fail)
    command = ["plan", "--config", str(ROOT / "config.yaml"), "--measure", str(tmp_path / "r.csv")]
    assert main(command) == 2
    name = next(iter(read("config.yaml")["experiments"]))
    said = f"ddpg: {name} could not be measured: environment 'x' failed in step\n"
    assert capfd.readouterr().err == said
