"""The configuration: the resolved values, and one line for every error."""

import json
import math
import re

import pytest
import yaml
from helpers.checkout import ROOT

from ddpg import config
from ddpg.analysis import claims
from ddpg.analysis.comparison import load_comparison
from ddpg.analysis.curves import aggregate_runs
from ddpg.errors import UserError


@pytest.fixture
def settings():
    return config.read("config.yaml")


def test_the_presets_have_spinning_ups_values(settings):
    classic = config.resolve_experiment(settings, "halfcheetah-benchmark")
    assert (classic.hidden_sizes, classic.update_every) == ((400, 300), "episode")
    assert classic.total_steps == 3_000_000
    assert classic.seeds == tuple(range(0, 100, 10))
    modern = config.resolve_experiment(settings, "halfcheetah-benchmark-2020")
    assert (modern.hidden_sizes, modern.update_after, modern.update_every) == ((256, 256), 1000, 50)
    demo = config.resolve_experiment(settings, "pendulum-demo")
    assert (demo.total_steps, demo.seeds, demo.hidden_sizes) == (500_000, (0, 10, 20), (300,))
    exercise = config.resolve_experiment(settings, "spinup-exercise-2-2")
    assert (exercise.batch_size, exercise.polyak, exercise.max_ep_len) == (64, 0.95, 150)


def test_digest_depends_on_values_only(settings):
    demo = config.resolve_experiment(settings, "pendulum-demo")
    settings["experiments"]["pendulum-demo"]["seeds"] = [5]
    settings["experiments"]["halfcheetah-benchmark"]["pi_lr"] = 0.5
    assert config.resolve_experiment(settings, "pendulum-demo").digest() == demo.digest()
    settings["experiments"]["pendulum-demo"]["pi_lr"] = 0.5
    assert config.resolve_experiment(settings, "pendulum-demo").digest() != demo.digest()


PUBLISHED = ROOT / "results/published"


def test_config_yaml_gives_the_digests_of_the_published_runs(settings):
    runs = sorted(PUBLISHED.glob("*/seed_*"))
    assert runs
    for run in runs:
        recorded = json.loads((run / "run.json").read_text(encoding="utf-8"))["config_digest"]
        assert config.resolve_experiment(settings, run.parent.name).digest() == recorded, run


@pytest.mark.parametrize("run", sorted(PUBLISHED.glob("*/seed_*")), ids=str)
def test_digests_of_published_runs_are_unchanged(run):
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    settings = json.loads((run / "config.json").read_text(encoding="utf-8"))
    experiment, seed = config.restore_experiment(settings, str(run))
    assert (experiment.digest(), seed) == (record["config_digest"], record["seed"])


@pytest.mark.parametrize(
    "equal",
    [
        {"epochs": 50.0},
        {"hidden_sizes": [300.0]},
        {"replay_size": 1.0e6},
        {"seeds": [0.0, 10.0, 20.0]},
        {"pi_lr": 1.0e-3},
        {"update_every": "episode", "update_after": -0.0},
    ],
)
def test_equal_values_have_equal_digests(settings, equal):
    demo = config.resolve_experiment(settings, "pendulum-demo")
    same = config.resolve_experiment(settings, "pendulum-demo", equal)
    assert (same.digest(), str(same)) == (demo.digest(), str(demo))


def test_whole_numbers_are_valid_for_float_keys(settings):
    one, whole = (
        config.resolve_experiment(
            settings, "pendulum-demo", {"discount": value, "act_noise": noise}
        )
        for value, noise in ((1, 0), (1.0, -0.0))
    )
    assert (one.digest(), repr(one.act_noise)) == (whole.digest(), "0.0")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("pi_lr=-0.1", "pi_lr: -0.1 is less than or equal to the minimum of 0"),
        ("pi_lr=1e-3", "'1e-3' is text in YAML; write it as a decimal, 0.001 ("),
        ("pi_lr=1e-10", "'1e-10' is text in YAML; write it as a decimal, 1.0e-10 ("),
        ("epochs=5e1", "'5e1' is text in YAML; write it as a decimal, 50 ("),
        ("epochs=", "epochs: has no value; write one or remove the key"),
        ("epochs=010", "--set epochs=010: 010 is octal in YAML"),
        ('env="\\ud800"', "an escape from \\ud800 to \\udfff is not a character"),
        ("epochs=True", "epochs: True is not a whole number"),
        ("seeds=[0, True]", "seeds.1: True is not a whole number"),
        ("seeds=[0, 0.0]", "seeds: [0, 0] has an item twice; write each once"),
        ("env=no", "env: False is not text in YAML; put it in quotes"),
        ("epochs={a: 1, a: 2}", "--set epochs={a: 1, a: 2}: the key 'a' appears twice"),
        ("polyack=0.9", "unknown key 'polyack'; did you mean 'polyak'?"),
        ("update_every=often", "'often' is neither a whole number from 1 to 1,000,000,000 nor 'ep"),
        ("hidden_sizes=[]", "hidden_sizes: the list is empty; write one item or more"),
        ("epochs=1.5", "epochs: 1.5 is not a whole number"),
        ("seeds=[0,0]", "seeds: [0, 0] has an item twice; write each once"),
        ("epochs", "--set epochs: write KEY=VALUE"),
    ],
)
def test_invalid_values_are_refused_in_one_line(settings, assignment, message):
    with pytest.raises(UserError) as error:
        config.resolve_experiment(settings, "pendulum-demo", config.parse_overrides([assignment]))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


REAL = ("discount", "polyak", "pi_lr", "q_lr", "act_noise")


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", "1.0e+400", "1.0e+39"])
@pytest.mark.parametrize("key", [*REAL, "epochs", "update_every", "replay_size"])
def test_numbers_are_finite_and_in_range(settings, key, value):
    with pytest.raises(UserError, match=f"--set: {key}: "):
        config.resolve_experiment(
            settings, "pendulum-demo", config.parse_overrides([f"{key}={value}"])
        )
    settings["smoke"][key] = float(value.replace(".i", "i").replace(".n", "n"))
    with pytest.raises(UserError, match=rf"config.yaml: smoke.{key}: "):
        config.check(settings)


@pytest.mark.parametrize("value", [1.0e-39, 10**400])
def test_learning_rates_fit_single_precision(settings, value):
    with pytest.raises(UserError, match="pi_lr: "):
        config.resolve_experiment(settings, "pendulum-demo", {"pi_lr": value})


def test_sources_of_a_reference_in_two_files_are_named(tmp_path):
    mine = tmp_path / "mine.yaml"
    reference = {"drl-tf2": {"table": "a.csv"}}
    mine.write_text(yaml.safe_dump({"comparisons": {"pendulum": {"references": reference}}}))
    with pytest.raises(UserError) as error:
        config.read("config.yaml", mine)
    assert str(error.value) == (
        "comparisons.pendulum.references.drl-tf2: 'runs' in config.yaml and 'table' in "
        f"{mine}; give only one of them, or rename one"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"smooth": 11},
            "smooth: write a width in environment steps, {steps: NUMBER}, in place of 11",
        ),
        ({"smooth": {"steps": math.inf}}, "smooth.steps: inf is not a finite number"),
        ({"final": {"steps": 0}}, "final.steps: 0 is less than the minimum of 1"),
        ({"final": {"steps": 5, "evaluations": 10}}, "final: unknown key 'evaluations'"),
        ({"pairs": {"planned": [["pendulum-demo"]]}}, "pairs.planned.0: ['pendulum-demo'] is too"),
        ({"pairs": {"planned": [["pendulum-demo", "drl-tf"]]}}, "did you mean 'drl-tf2'"),
        ({"pairs": {"exploratory": [["drl-tf2"] * 2]}}, "'drl-tf2' cannot be compared with itself"),
        ({"reach": {"return": math.nan}}, "reach.return: nan is not a finite number"),
        ({"reach": {"return": 1, "smooth": 2}}, "reach.smooth: write a width in environment"),
        ({"title": 2018}, "title: 2018 is not text in YAML; put it in quotes"),
        ({"title": " "}, "title: ' ' is not allowed"),
        ({"experiments": {"pendulum-demo": "x" * 201}}, "is too long"),
        ({"experiments": {"pendulum": "x"}}, "did you mean 'pendulum-demo'"),
        ({"references": {"x": {"label": "x", "env": "y"}}}, "references.x: give one of 'curve'"),
        (
            {"references": {"pendulum-demo": {"label": "x", "env": "y", "table": "z"}}},
            "references.pendulum-demo: an experiment here has the same name",
        ),
    ],
)
def test_an_invalid_comparison_is_refused_in_one_line(settings, changes, message):
    settings["comparisons"]["pendulum"].update(changes)
    with pytest.raises(UserError) as error:
        config.check(settings)
    assert str(error.value).startswith("config.yaml: comparisons.pendulum.")
    assert message in str(error.value)


def test_every_experiment_is_checked(settings):
    settings["experiments"]["pendulum-demo"]["discount"] = 1.5
    with pytest.raises(UserError, match=r"experiments.pendulum-demo.discount: 1.5 is greater"):
        config.check(settings)


def test_a_missing_key_is_named(settings):
    del settings["experiments"]["pendulum-demo"]["env"]
    with pytest.raises(UserError, match=r"pendulum-demo: 'env' is missing"):
        config.check(settings)


def test_unknown_experiment_lists_the_known_ones(settings):
    with pytest.raises(UserError, match="did you mean 'pendulum-demo'"):
        config.resolve_experiment(settings, "pendulum")


@pytest.mark.parametrize("name", ["2018", "no", "on", "2018-01-01", "1.5"])
def test_names_are_text_as_written(tmp_path, name):
    (tmp_path / "mine.yaml").write_text(
        f"experiments: {{{name}: {{env: Pendulum-v1, seeds: [0], epochs: 1}}}}\n"
        f"comparisons: {{2018: {{title: x, experiments: {{{name}: y}}}}}}\n"
    )
    settings = config.read("config.yaml", tmp_path / "mine.yaml")
    assert config.resolve_experiment(settings, name).epochs == 1
    assert settings["comparisons"]["2018"]["experiments"] == {name: "y"}


@pytest.mark.parametrize("name", ["~", "a b", "../a", '"a\\n"', '""', "é", "set_aside_3"])
def test_name_that_is_not_a_valid_directory_is_refused(tmp_path, name):
    path = tmp_path / "mine.yaml"
    path.write_text(f"experiments: {{{name}: {{seeds: [0]}}}}\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"mine.yaml: experiments: .* is not allowed \(A name"):
        config.read("config.yaml", path)


def test_overrides_survive_the_command_line():
    overrides = {
        "pi_lr": 1e-05, "q_lr": 1e22, "update_every": "episode", "seeds": list(range(200)),
        "env": "a b; $x: 'q' [ é漢",
    }  # fmt: skip
    assert config.parse_overrides(config.format_overrides(overrides)) == overrides


def test_last_of_two_overrides_wins_with_a_warning(caplog):
    overrides = config.parse_overrides(["epochs=2", "pi_lr=1", "epochs=3", "pi_lr=1"])
    assert overrides == {"epochs": 3, "pi_lr": 1}
    assert caplog.messages == ["--set epochs=3 replaces epochs=2, given before it"]


def test_comparisons_and_smoke_may_be_absent(tmp_path):
    settings = config.read("config.yaml")
    del settings["comparisons"], settings["smoke"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(dict(settings)))
    read = config.read(tmp_path / "config.yaml")
    assert (read["comparisons"], read["smoke"]) == ({}, {})
    assert read["experiments"] == settings["experiments"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        # An invalid value is in the file that set it last, also if it came through the defaults.
        (["defaults: {pi_lrr: 1}", "defaults: {q_lr: 1}"], "0.yaml: defaults: unknown key"),
        (["defaults: {pi_lr: -1}", "experiments: {x: {}}"], "0.yaml: defaults.pi_lr: -1"),
        (["defaults: {pi_lr: 0.1}", "defaults: {pi_lr: -1}"], "1.yaml: defaults.pi_lr: -1"),
        (
            ["experiments: {x: {seeds: [0, -1]}}", "experiments: {x: {epochs: 3}}"],
            "0.yaml: experiments.x.seeds.1: -1",
        ),
        (["smoke: {epochs: 0}", "smoke: {seeds: [1]}"], "0.yaml: smoke.epochs: 0"),
        (["experiments: {x y: {}}", "smoke: {}"], "0.yaml: experiments: 'x y' is not allowed"),
        # A missing key is reported in the first file with the mapping.
        (
            ["experiments: {x: {seeds: [0], epochs: 1}}", "experiments: {x: {epochs: 3}}"],
            "0.yaml: experiments.x: 'env' is missing",
        ),
        (
            ["smoke: {}", "smoke: 5"],
            "1.yaml: smoke: 5 is not a mapping; write `key: value` lines below it",
        ),
        (["smoke: {}", "smok: {}"], "1.yaml: unknown key 'smok'; did you mean 'smoke'"),
        (["a: 1\n\na: 2", "smoke: {}"], "0.yaml, line 3: the key 'a' appears twice"),
    ],
)
def test_error_names_the_file_that_has_it(tmp_path, files, message):
    paths = [tmp_path / f"{i}.yaml" for i in range(len(files))]
    for path, text in zip(paths, files, strict=True):
        path.write_text(text)
    with pytest.raises(UserError) as error:
        config.read("config.yaml", *paths)
    assert str(error.value).startswith(f"{tmp_path}/{message}")


def test_experiment_file_alone_gets_a_hint(tmp_path):
    (tmp_path / "mine.yaml").write_text("experiments: {x: {env: y}}")
    with pytest.raises(UserError, match="mine.yaml: 'defaults' is missing; give it after config"):
        config.read(tmp_path / "mine.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [("defaults: [", "line 2"), ("- 1", "not a configuration"), ("", "not a configuration")],
)
def test_file_that_is_not_a_configuration_is_refused(tmp_path, text, message):
    path = tmp_path / "broken.yaml"
    path.write_text(text + "\n")
    with pytest.raises(UserError, match=message):
        config.read(path)
    path.write_bytes("title: größer".encode("latin-1"))
    with pytest.raises(UserError, match="broken.yaml: not in UTF-8"):
        config.read(path)
    with pytest.raises(UserError, match="no such file"):
        config.read(tmp_path / "missing.yaml")


def test_later_files_override_earlier_ones_key_by_key(tmp_path):
    later = tmp_path / "later.yaml"
    later.write_text(yaml.safe_dump({"experiments": {"pendulum-demo": {"epochs": 7}}}))
    demo = config.resolve_experiment(config.read("config.yaml", later), "pendulum-demo")
    assert (demo.epochs, demo.env) == (7, "Pendulum-v1")


def test_defaults_in_the_schemas_are_those_of_the_code():
    schema = yaml.safe_load(config.SCHEMA.read_text())
    keys = schema["$defs"]["comparison"]["properties"]
    spec = {"title": "bare", "experiments": {}}
    bare = load_comparison("bare", spec, aggregate_runs([]))
    assert keys["final"]["properties"]["steps"]["default"] == bare.final.width
    assert keys["experiment_figures"]["default"] == bare.experiment_figures
    (image,) = re.findall(r'config.get\("container", "(.*)"\)', (ROOT / "Snakefile").read_text())
    assert schema["properties"]["container"]["default"] == image
    seed = schema["$defs"]["hyperparameters"]["properties"]["seeds"]["items"]
    assert seed["maximum"] == config.LARGEST_SEED
    claim = yaml.safe_load(claims.SCHEMA.read_text())["$defs"]["claim"]["properties"]
    assert claim["test"]["default"] == claims.Claim.test
