"""`check`: one line per check; each kind of damage to published results fails one."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from helpers.checkout import ROOT
from helpers.edit_run import edit_record
from PIL import Image

from ddpg import config
from ddpg.analysis.curves import aggregate_runs
from ddpg.cli import main
from ddpg.commands import check
from ddpg.commands.comparisons import build_comparisons
from ddpg.errors import Mismatch
from ddpg.runs import published

PENDULUM = ROOT / "results/published/pendulum-demo"
FIGURE = "pendulum-demo.png"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A directory with a configuration, published runs and documents of the Pendulum demo alone."""
    (tmp_path / "results").mkdir()
    shutil.copytree(PENDULUM, tmp_path / "results/published/pendulum-demo")
    published.write_manifest(tmp_path / "results/published")
    settings = dict(config.read(ROOT / "config.yaml"))
    settings["experiments"] = {"pendulum-demo": settings["experiments"]["pendulum-demo"]}
    settings["comparisons"] = {"pendulum": settings["comparisons"]["pendulum"]}
    del settings["headline"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
    (tmp_path / "docs/images").mkdir(parents=True)
    shutil.copy(ROOT / "docs/images" / FIGURE, tmp_path / "docs/images")
    stated = (ROOT / "docs/stated_numbers.csv").read_text().splitlines(keepends=True)
    (tmp_path / "docs/stated_numbers.csv").write_text("".join(stated[:4]))
    (tmp_path / "results/reference").symlink_to(ROOT / "results/reference")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(check, "SHOWN_FIGURES", {FIGURE: check.SHOWN_FIGURES[FIGURE]})
    return tmp_path


@pytest.fixture
def comparisons(project):
    table = aggregate_runs(runs_of(project)["pendulum-demo"])
    return build_comparisons(config.read("config.yaml"), table)


def runs_of(project):
    return {"pendulum-demo": sorted(project.glob("results/published/pendulum-demo/seed_*"))}


def test_undamaged_results_pass_every_check(project, capfd):
    assert main(["check", "--replay", "1"]) == 0
    out, err = capfd.readouterr()
    lines = [re.fullmatch(r"(\w+) +ok +(.*) \(\d+ s\)", line) for line in out.splitlines()]
    assert [line[1] for line in lines] == ["manifest", "replay", "curves", "figures", "numbers"]
    assert lines[1][2] == "pendulum-demo seed 0: the first 1 epoch(s) are the same, byte for byte"
    assert "3 stated numbers" in lines[4][2]
    assert err == ""


def test_every_check_runs_and_one_line_says_which_failed(project, capfd):
    number = project / "docs/stated_numbers.csv"
    number.write_text(number.read_text().replace("-148", "-149"))
    run = project / "results/published/pendulum-demo/seed_0"
    episodes = (run / "test_episodes.csv").read_text()
    changed = episodes.replace("-922.044484361043", "-922.044484361044", 1)
    assert changed != episodes
    (run / "test_episodes.csv").write_text(changed)
    assert main(["check", "--replay", "1"]) == 1
    out, err = capfd.readouterr()
    states = dict(re.findall(r"^(\w+) +(ok|FAILED) ", out, re.MULTILINE))
    wrong = {"manifest", "replay", "numbers"}
    assert states == {
        name: "FAILED" if name in wrong else "ok"
        for name in ("manifest", "replay", "curves", "figures", "numbers")
    }
    assert "differ, first after epoch" not in out, "the states are the same"
    assert "stated -149, computed -148" in out
    assert err == "ddpg: 3 of the checks failed: manifest, replay, numbers\n"


@pytest.mark.parametrize("name", ["policy.npz", "run.json"])
def test_a_changed_or_missing_file_is_reported(project, name):
    path = project / "results/published/pendulum-demo/seed_10" / name
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(Mismatch, match=f"seed_10/{name}: not the bytes"):
        check_files(project)
    path.unlink()
    with pytest.raises(Mismatch, match=f"seed_10/{name}: not the bytes"):
        check_files(project)


def check_files(project):
    """Like the command, count a UserError as a failed check."""
    try:
        return check.check_files(Path("results/published"), runs_of(project))
    except check.UserError as error:
        raise Mismatch(str(error)) from None


def test_missing_run_and_unlisted_run_fail(project):
    shutil.move("results/published/pendulum-demo/seed_10", "elsewhere")
    with pytest.raises(Mismatch, match="seed_10/config.json: not the bytes"):
        check_files(project)
    published.write_manifest(Path("results/published"))
    shutil.move("elsewhere", "results/published/pendulum-demo/seed_10")
    with pytest.raises(Mismatch, match="does not list pendulum-demo/seed_10/"):
        check_files(project)


def test_a_run_of_an_older_arithmetic_cannot_be_replayed(project):
    runs = runs_of(project)["pendulum-demo"]
    for run in runs:
        edit_record(run, lambda record: record["identity"].update(arithmetic_version=1))
    state, sentence = check.replay_experiment("pendulum-demo", runs, 1)
    assert (state, "version 1 of the arithmetic" in sentence) == (check.NOT_POSSIBLE, True)


def test_figure_with_one_different_pixel_fails(comparisons):
    path = Path("docs/images", FIGURE)
    assert check.check_figures(comparisons, path.parent).state == check.OK
    image = Image.open(path)
    image.putpixel((5, 5), (1, 2, 3, 255)[: len(image.getbands())])
    image.save(path)
    with pytest.raises(Mismatch, match=f"{FIGURE}: differs from pendulum/"):
        check.check_figures(comparisons, path.parent)
    path.unlink()
    with pytest.raises(Mismatch, match=f"{FIGURE}: missing"):
        check.check_figures(comparisons, path.parent)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_damaged_figure_fails(comparisons, content):
    image = Path("docs/images", FIGURE)
    image.write_bytes(image.read_bytes()[:100] if content is None else content)
    with pytest.raises(Mismatch, match=f"{FIGURE}: not an image"):
        check.check_figures(comparisons, Path("docs/images"))


def test_stated_number_missing_from_the_tables_fails(comparisons):
    number = check.StatedNumber("X", "what", "groups", "pendulum", "chess", "", "mean", "1")
    with pytest.raises(Mismatch, match="X, pendulum/chess mean: not in our tables"):
        check.check_numbers(comparisons, [number])
    text = number._replace(a="pendulum-demo", column="label")
    with pytest.raises(Mismatch, match="X, pendulum/pendulum-demo label: not in our tables"):
        check.check_numbers(comparisons, [text])


@pytest.mark.parametrize(
    ("value", "text", "rounded"),
    [(382.77, "383", "383"), (0.3091, "0.31", "0.31"), (-0.2, "0", "0"), (7.06, "7.1", "7.1"),
     (float("nan"), "3", "nan")],
)  # fmt: skip
def test_rounding(value, text, rounded):
    assert check.round_like(value, text) == rounded


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a CSV file"),
        ("a,b\n", "its columns must be claim, statement, "),
        ("{header}\nX,what\n", "row 2: 2 cells, not 8"),
        ("{header}\nX,what,tables,c,a,,mean,1\n", "'tables'; write one of groups, pairs, effects"),
        ("{header}\nX,what,groups,c,a,b,mean,1\n", "row 2: b must be given for pairs, and for"),
        ("{header}\nX,what,pairs,c,a,,difference,1\n", "row 2: b must be given for pairs, and"),
        ("{header}\nX,what,groups,c,a,,mean,about 3\n", "'about 3' is not a number"),
        (None, "no such file; give its directory with --documents"),
    ],
)
def test_a_wrong_list_of_numbers_is_refused(project, capfd, content, message):
    path = project / "docs/stated_numbers.csv"
    path.unlink()
    if content is not None:
        path.write_text(content.replace("{header}", ",".join(check.NUMBER_COLUMNS)))
    assert main(["check"]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n"), message in err) == ("", 1, True), err


@pytest.mark.parametrize("argument", ["nowhere", "docs"])
def test_directory_without_published_runs_is_refused(project, capfd, argument):
    assert main(["check", "--published", argument]) == 2
    assert capfd.readouterr().err.count("\n") == 1


def test_the_figures_that_the_readme_shows_are_those_that_make_docs_copies():
    copied = re.findall(
        r"cp \$\(PUBLISHED\)/(\S+) docs/images/(\S+)", (ROOT / "Makefile").read_text()
    )
    assert {shown: drawn for drawn, shown in copied} == check.SHOWN_FIGURES
    readme = (ROOT / "README.md").read_text()
    shown = set(re.findall(r"docs/images/(\S+\.png)", readme))
    assert shown <= set(check.SHOWN_FIGURES)
