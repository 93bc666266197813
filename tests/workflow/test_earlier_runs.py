"""What happens to runs that are already there, when Snakemake trains again or deletes files."""

import shutil

import pytest

RUN = "results/runs/tiny/seed_0"
TABLE = "results/tables/runs/tiny/curves.csv"
SETTINGS = """\
experiments:
  tiny:
    env: Pendulum-v1
    seeds: [0]
    hidden_sizes: [4]
    epochs: 2
    steps_per_epoch: 30
    start_steps: 10
    max_ep_len: 15
    replay_size: 100
    num_test_episodes: 1
    q_lr: Q_LR
comparisons:
  tiny: {title: Tiny, experiments: {tiny: tiny}}
"""


@pytest.fixture
def tiny(checkout):
    """A checkout with a configuration of a run of a second."""

    def configure(q_lr="0.001", **changes):
        text = SETTINGS.replace("Q_LR", q_lr)
        for old, new in changes.items():
            text = text.replace(old, new)
        (checkout.directory / "tiny.yaml").write_text(text)

    def snakemake(*targets, options=(), expect=0):
        return checkout.snakemake(
            *options, "--configfile", "tiny.yaml", "--", *targets, expect=expect
        )

    configure()
    checkout.configure, checkout.make = configure, snakemake
    return checkout


def read_files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}


def test_a_failed_training_leaves_no_table_that_counts_as_up_to_date(tiny):
    tiny.make(TABLE)
    tiny.configure("1.0e+20")
    tiny.make(TABLE, expect=1)
    assert not (tiny.directory / RUN / "run.json").exists()
    output = tiny.make(TABLE, expect=1)
    assert "rule train:" in output, "it is not taken for finished"
    tiny.configure()
    tiny.make(TABLE)
    assert (tiny.directory / RUN / "run.json").exists(), "the earlier run is back"


def test_a_target_trains_runs_that_were_moved_away(checkout):
    for target, collection in (("demo", "runs"), ("smoke", "smoke")):
        output = checkout.snakemake("-n", target)
        assert f"results/{collection}/pendulum-demo/seed_0/run.json" in output
    # The tables are there, as after a training, and the runs are not.
    checkout.snakemake("--touch", "demo")
    trained = checkout.plan_training("demo")
    assert [job[1:] for job in trained] == [("pendulum-demo", str(s)) for s in (0, 10, 20)]


@pytest.mark.parametrize("damage", ["changed", "no run.json"])
def test_results_that_cannot_be_restored_are_set_aside(tiny, damage):
    tiny.make(f"{RUN}/run.json")
    run = tiny.directory / RUN
    shutil.rmtree(run / ".results")
    if damage == "changed":
        with (run / "progress.txt").open("a") as file:
            file.write("\n")
    else:
        (run / "run.json").unlink()
    before = read_files(run)
    del before[".lock"]
    options = ("--forcerun", "train")
    output = tiny.make(f"{RUN}/run.json", options=options)
    assert (
        f"{RUN}: holds results that are not a finished run's; moved it to {RUN}/set_aside_1"
        in output
    )
    assert read_files(run / "set_aside_1") == before


@pytest.mark.parametrize(
    ("option", "dry"), [("--delete-all-output", "--dry-run"), ("--delete-all", "-np")]
)
def test_deleting_all_output_keeps_the_copy_of_a_run(tiny, option, dry):
    tiny.make(f"{RUN}/run.json")
    run = tiny.directory / RUN
    before = read_files(run)
    shutil.rmtree(run / ".results")
    tiny.make(f"{RUN}/run.json", options=(option, dry))
    assert not (run / ".results").exists()
    tiny.make(f"{RUN}/run.json", options=(option,))
    assert not (run / "run.json").exists()
    tiny.make(f"{RUN}/run.json")
    assert read_files(run) == before


def test_a_link_to_a_published_run_is_refused(checkout):
    published = checkout.directory / "results/published/pendulum-demo"
    runs = checkout.directory / "results/runs"
    runs.mkdir(parents=True)
    (runs / "pendulum-demo").symlink_to(published)
    before = {seed: read_files(published / seed) for seed in ("seed_0", "seed_10")}
    target = "results/runs/pendulum-demo/seed_0/run.json"
    output = checkout.snakemake("--forcerun", "train", "--", target, expect=1)
    assert "pendulum-demo/seed_0: links to a published run, which training would replace" in output
    assert "Traceback" not in output
    assert {seed: read_files(published / seed) for seed in before} == before


def test_a_finished_run_of_a_seed_that_is_no_longer_configured_is_kept(tiny):
    tiny.make(f"{RUN}/run.json")
    before = read_files(tiny.directory / RUN)
    tiny.configure(**{"[0]": "[1]"})
    output = tiny.make(f"{RUN}/run.json", options=("--forcerun", "train"), expect=1)
    assert "tiny.yaml: seed 0 is not among the seeds of tiny (1); add it to" in output
    assert read_files(tiny.directory / RUN) == before


def test_a_deleted_figure_is_named(checkout):
    checkout.snakemake("figures")
    (checkout.directory / "results/figures/published/pendulum/comparison.png").unlink()
    (checkout.directory / "results/figures/published/halfcheetah/comparison.png").unlink()
    checkout.snakemake("figures", expect=1)
    said = (checkout.directory / "results/logs/summary/figures.log").read_text()
    assert (
        "comparison.png: missing; draw it with `plot` or, in Snakemake, add --forcerun=figures"
        in said
    )
