"""Another workflow imports this one: its experiments, our data, and no files written here."""

import json
import re

import pytest
import yaml
from helpers.checkout import ROOT, Checkout
from helpers.snakemake_log import parse_rules

STUDY = {
    "ddpg": {
        "experiments": {"mine": {"env": "Pendulum-v1", "seeds": [3], "epochs": 9}},
        "smoke": {"seeds": [3], "epochs": 3, "max_ep_len": 80},
    }
}
RUN = "results/smoke/mine/seed_3"
FIGURES = "results/figures/published/pendulum"


@pytest.fixture
def study(tmp_path):
    """A directory with the workflow of docs/module.md, which imports a clone beside it."""
    project = tmp_path / "clone of ddpg"
    project.mkdir()
    Checkout(project)
    directory = tmp_path / "study"
    directory.mkdir()
    page = (ROOT / "docs/module.md").read_text()
    (snakefile,) = re.findall(r"```python\n# Snakefile\n(.*?)```", page, re.DOTALL)
    snakefile = snakefile.replace('"ddpg/Snakefile"', f'"{project}/Snakefile"')
    snakefile = re.sub(r'"results/runs.*?",', f'"{RUN}/run.json",', snakefile)
    snakefile = re.sub(r'"results/figures.*?",', f'"{FIGURES}",', snakefile)
    (directory / "Snakefile").write_text(snakefile)
    (directory / "study.yaml").write_text(yaml.safe_dump(STUDY))
    return directory


def files(directory):
    return {
        path.relative_to(directory): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_importing_workflow_trains_its_experiment_and_draws_published_runs(study):
    project = study.parent / "clone of ddpg"
    before = files(project)
    output = Checkout.at(study).snakemake()
    assert "localrules" not in output, "Snakemake warns of names without the module's prefix"
    assert set(parse_rules(output)) == {
        "everything", "ddpg_train", "ddpg_aggregate", "ddpg_figures_of_comparison",
    }  # fmt: skip
    settings = json.loads((study / RUN / "config.json").read_text())
    assert (settings["exp_name"], settings["seed"], settings["epochs"]) == ("mine", 3, 3)
    assert settings["max_ep_len"] == 80, "the study's own value"
    assert settings["steps_per_epoch"] == 300, "the project's value of smoke"
    assert (study / FIGURES / "comparison.svg").read_text().count("2019 implementation") > 0
    assert files(project) == before
    assert "Nothing to be done" in Checkout.at(study).snakemake()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"experimnts": {}}, "the module's config: unknown key 'experimnts'; did you mean"),
        ({"experiments": {"mine": {"env": "Pendulum-v1", "seeds": [3], "epochs": -1}}},
         "the module's config: experiments.mine.epochs: -1 is less than the minimum"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_one_line(study, config, message):
    (study / "study.yaml").write_text(yaml.safe_dump({"ddpg": config}))
    output = Checkout.at(study).snakemake("--dry-run", expect=1)
    assert message in output
    assert "Traceback" not in output


def test_a_configuration_that_is_no_mapping_is_refused_in_one_line(study):
    (study / "study.yaml").write_text("ddpg: mine.yaml\n")
    output = Checkout.at(study).snakemake("-n", expect=1)
    assert "the module's config: 'mine.yaml' is not a mapping; write config: config[" in output
    assert "AttributeError" not in output
