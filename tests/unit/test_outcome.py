"""The commands `summary` and `page`, from curves, figures and a verdict."""

import base64
import re
import shutil

import pandas as pd
import pytest
import yaml
from helpers.checkout import ROOT

from ddpg import config
from ddpg.analysis import curves, summary, tables, verdict
from ddpg.analysis.comparison import Comparison
from ddpg.analysis.groups import FinalSteps, SeedGroup
from ddpg.analysis.verdict import FAIL, NO_RUNS, PASS, TOO_FEW, Outcome, Verdict
from ddpg.cli import main
from ddpg.errors import UserError
from ddpg.files import write_json, write_text
from ddpg.runs.typed_json import to_json

PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="9pt" height="9pt"/>'


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A directory with the curves of the published Pendulum runs, and placeholder figures."""
    monkeypatch.chdir(tmp_path)
    for name in ("config.yaml", "results/reference"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, tmp_path / name)
    runs = sorted(ROOT.glob("results/published/pendulum-demo/seed_*"))
    tables.write_csv("curves.csv", curves.aggregate_runs(runs))
    for name in ("pendulum", "exercise-2-2"):
        (tmp_path / "figures" / name).mkdir(parents=True)
        for suffix in ("svg", "png"):
            (tmp_path / "figures" / name / f"comparison.{suffix}").write_bytes(PICTURE)
    return tmp_path


OPTIONS = ["--curves", "curves.csv", "--figures", "figures", "--only", "pendulum", "exercise-2-2"]


def write_verdict(**results: str) -> None:
    outcomes = {name: Outcome(r, "none", 3, 3, f"why {r}") for name, r in results.items()}
    worst = next((r for r in (FAIL, TOO_FEW, PASS) if r in results.values()), NO_RUNS)
    write_json("verdict.json", to_json(Verdict(worst, outcomes)))


def test_summary_refuses_a_page_that_does_not_exist(made, capsys):
    assert main(["summary", *OPTIONS, "--page", "nothing.html"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err == (
        "ddpg: nothing.html: no such file; write it with the command page\n"
    )


def test_summary_prints_final_returns_and_result_paths(made, capsys):
    write_text("summary/runs.html", "")
    assert main(["summary", *OPTIONS, "--page", "summary/runs.html"]) == 0
    said = capsys.readouterr().out
    lines = [line.split() for line in said.splitlines()]
    (returns,) = [line for line in lines if line[:1] == ["pendulum-demo"]]
    assert returns[1] == "3" and len(returns) == 5
    lowest, mean, highest = (float(returns[i]) for i in (3, 2, 4))
    assert -200 < lowest < mean < highest < 0
    assert ["spinup-exercise-2-2", "0", "not", "trained", "yet"] in lines
    assert said.splitlines()[-3:] == [
        "main figure  figures/pendulum/comparison.png",
        "all figures  figures",
        "page         summary/runs.html",
    ]


@pytest.mark.parametrize(
    ("results", "code", "sentence"),
    [
        ({"a": PASS, "b": PASS}, 0, "of 2 experiments reproduce the published ones."),
        ({"a": PASS, "b": NO_RUNS}, 0, "of 1 experiment (1 more cannot be compared: no runs) repr"),
        (
            {"a": PASS, "b": TOO_FEW},
            0,
            "of 2 experiments: too few seeds to tell whether all reproduce the published ones. "
            "That is not a failure.",
        ),
        (
            {"a": NO_RUNS},
            0,
            "no experiment has both fresh and published runs. That is not a failure.",
        ),
        (
            {"a": TOO_FEW, "b": FAIL, "c": PASS, "d": NO_RUNS},
            1,
            "of 3 experiments (1 more cannot be compared: no runs) do NOT all reproduce the "
            "published ones.",
        ),
    ],
)
def test_summary_prints_the_verdict_and_exits_1_on_failure(made, capsys, results, code, sentence):
    write_verdict(**results)
    assert main(["summary", *OPTIONS, "--verdict", "verdict.json"]) == code
    said, error = capsys.readouterr()
    assert sentence in " ".join(said.split())
    for name, result in results.items():
        assert re.search(rf"^ {name} +{result} +why {result} *$", said, re.MULTILINE)
    assert error == ("ddpg: verdict.json: not reproduced: b\n" if code else "")


def test_summary_does_not_truncate_reasons_and_paths(made, capsys):
    reason = " ".join(f"reason{i}" for i in range(30))
    outcome = Outcome(TOO_FEW, "equivalence", 3, 3, reason)
    write_json("verdict.json", to_json(Verdict(TOO_FEW, {"a": outcome})))
    page = "x" * 200 + ".html"
    write_text(page, "")
    main(["summary", *OPTIONS, "--verdict", "verdict.json", "--page", page])
    said = capsys.readouterr().out
    assert " ".join(re.findall(r"reason\d+", said)) == reason
    *others, last = said.splitlines()
    assert max(map(len, others)) <= 100
    assert last == f"page         {page}"


def make_comparison(name: str, end: float) -> Comparison:
    """A comparison of one experiment with five seeds, which are evaluated from step 1,000 on."""
    curve = pd.DataFrame({"env_interacts": [1e3, 2e3, 3e3], "test_return_mean": -123456.0})
    runs = pd.concat([curve.assign(seed=seed) for seed in range(5)])
    group = SeedGroup(name, name, "", runs, ours=True)
    return Comparison("c", "c", (group,), FinalSteps(end=end))


def test_summary_folds_long_names_and_keeps_numbers_whole(capsys):
    name = "a-long-name-" * 9
    summary.print_summary([make_comparison(name, 3000)], None, {"page": "x"})
    said = capsys.readouterr().out
    assert said.count("-123,456") == 3
    columns = [line[1:].split("  ")[0].strip() for line in said.splitlines()[4:-1]]
    assert "".join(columns) == name


def test_summary_of_an_experiment_evaluated_after_the_end_says_so(capsys):
    summary.print_summary([make_comparison("late", 500)], None, {"page": "x"})
    said = capsys.readouterr().out
    assert "no evaluation up to step 500" in said and "not trained" not in said


def test_summary_exits_2_for_an_invalid_verdict(made, capsys):
    (made / "verdict.json").write_text("{}")
    assert main(["summary", *OPTIONS, "--verdict", "verdict.json"]) == 2
    assert capsys.readouterr().err == (
        "ddpg: verdict.json: not a verdict.json of this package: result is missing\n"
    )


def page(*options: str) -> str:
    """Run the command `page` and return the HTML that it wrote."""
    assert main(["page", *OPTIONS, *options, "--output", "page.html"]) == 0
    with open("page.html", encoding="utf-8") as file:
        return file.read()


def test_page_is_self_contained(made):
    text = page("--title", "Ours <& others>")
    assert "<h1>Ours &lt;&amp; others&gt;</h1>" in text
    sources = re.findall(r'<img alt="[^"]+" src="data:image/svg\+xml;base64,([^"]+)">', text)
    assert [base64.b64decode(source) for source in sources] == [PICTURE] * 2
    assert text.count("<img") == 2
    assert not re.search(r"<(script|link|iframe)|\bhref=|@import|url\(", text)


def test_page_shows_results_and_claims(made):
    text = page()
    cells = ("this package", "Pendulum-v1", "3", "400,000 to 500,000")
    row = r"\s*".join(f"<td>{cell}</td>" for cell in cells)
    assert re.search(row + r"\s*<td>-1", text)
    claims = re.search(r"<h2>Claims: (.*)</h2>", text)[1]
    counts = [int(number) for number in re.findall(r"\d+", claims)]
    styles = ["good", "bad", "open"]
    assert [text.count(f'<td class="{style}">') for style in styles] == counts
    assert sum(counts) == 7, "the claims about exercise 2.2, and no others"
    assert "Verdict" not in text


def test_page_shows_factorial_effects_and_missing_seeds(made):
    name = "networks-or-schedule"
    (made / "figures" / name).mkdir()
    (made / "figures" / name / "comparison.svg").write_bytes(PICTURE)
    options = ["--curves", "curves.csv", "--figures", "figures", "--only", name]
    assert main(["page", *options, "--output", "page.html"]) == 0
    text = (made / "page.html").read_text(encoding="utf-8")
    assert "<td>(256, 256) minus (400, 300)</td>" in text
    assert "incomplete: halfcheetah-benchmark: not trained yet; halfcheetah-2018-" in text


def test_page_shows_the_verdict(made):
    write_verdict(first=PASS, second=FAIL)
    text = page("--verdict", "verdict.json")
    assert "<h2>Verdict: fail</h2>" in text
    assert '<td>second</td>\n      <td class="bad">fail</td>\n      <td>why fail</td>' in text
    assert '<td>first</td>\n      <td class="good">pass</td>' in text


def test_page_shows_the_headline_comparison_first(made):
    (made / "mine.yaml").write_text("headline: exercise-2-2\n")
    overlay = ["--config", "config.yaml", "mine.yaml"]
    titles = re.findall(r'<img alt="([^"]+)"', page(*overlay))
    assert titles == ["Spinning Up&#x27;s exercise 2.2, HalfCheetah", "Pendulum demo"]
    assert re.findall(r'<img alt="([^"]+)"', page()) == titles[::-1], (
        "config.yaml's headline is not in --only"
    )


def test_page_exits_2_for_a_missing_figure(made, capsys):
    (made / "figures/pendulum/comparison.svg").unlink()
    assert main(["page", *OPTIONS, "--output", "page.html"]) == 2
    assert (
        "figures/pendulum/comparison.svg: missing; draw it with `plot`" in capsys.readouterr().err
    )
    assert not (made / "page.html").exists()


def test_unknown_headline_raises_user_error():
    values = yaml.safe_load((ROOT / "config.yaml").read_text()) | {"headline": "halfchetah"}
    with pytest.raises(UserError, match="headline: no comparison 'halfchetah'; did you mean 'half"):
        config.combine([("config.yaml", values)])


def test_summary_reads_the_output_of_verdict(made, capsys):
    runs = sorted(ROOT.glob("results/published/pendulum-demo/seed_*"))
    fresh = [str(shutil.copytree(run, made / "fresh" / run.name)) for run in runs]
    published = list(map(str, runs))
    assert main(["verdict", "--fresh", *fresh, "--published", *published, "--output", "."]) == 0
    found = Verdict.read(made / "verdict.json")
    assert found.experiments["pendulum-demo"].reason.startswith("weights and results of 3 seeds")
    assert found.result == verdict.PASS
    assert main(["summary", *OPTIONS, "--verdict", "verdict.json"]) == 0
    assert "pendulum-demo   pass" in capsys.readouterr().out
