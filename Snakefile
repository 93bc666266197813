# Train DDPG, compare it with Spinning Up and draw the figures.
#
#   snakemake demo      the Pendulum demo: three seeds, trained and drawn in minutes
#   snakemake figures   every figure and table from the published runs; trains nothing
#   snakemake all       everything from scratch, and a verdict: are the published results reproduced
#   snakemake plan      what training everything would cost; starts nothing
#   snakemake smoke     the whole workflow on experiments shrunk to seconds

from snakemake.utils import min_version

# The version in the lock file: jobs.smk and cluster.smk use what other releases may not have.
min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/container.smk"


IMAGE = find_image(config.get("container", "containers/ddpg.sif"))


container: IMAGE


include: "workflow/rules/jobs.smk"
include: "workflow/rules/cluster.smk"
include: "workflow/rules/outcome.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/page.smk"


# All rules but `train` are local rules: on a cluster they run on Snakemake's own machine, because they
# are too short for jobs.


onstart:
    end_on_signals()  # again: Snakemake has set its own handler of SIGTERM meanwhile
    retry_recoverable_failures()
    check_image()
    check_cluster()
    with stop_on_disk_errors():
        keep_config()
        keep_earlier_runs()
        forget_summaries()


onsuccess:
    print_notices()
    print_summaries_at_exit()


onerror:
    print_notices()
    print_summaries_at_exit()


# The runs are inputs of the targets, so that a run is trained again if it is missing. Snakemake does not
# look for what only tables that are already there were made from.


rule all:
    default_target: True
    input:
        lambda w: list_all_run_files("runs"),
        list_outputs("runs"),
        "results/verdict.json",
        "results/summary/all.html",
    log:
        "results/logs/summary/all.log",
    localrule: True
    shell:
        make_summary_command("all")


rule demo:
    input:
        lambda w: list_comparison_runs("runs", DEMO),
        list_figures("demo"),
        "results/summary/demo.html",
    log:
        "results/logs/summary/demo.log",
    localrule: True
    shell:
        make_summary_command("demo")


rule figures:
    input:
        list_outputs("published"),
        "results/summary/figures.html",
    log:
        "results/logs/summary/figures.log",
    localrule: True
    shell:
        make_summary_command("figures")


rule smoke:
    input:
        lambda w: list_all_run_files("smoke"),
        list_outputs("smoke"),
        "results/summary/smoke.html",
    log:
        "results/logs/summary/smoke.log",
    localrule: True
    shell:
        make_summary_command("smoke")


rule plan:
    input:
        runs=list_all_run_files("published"),
        rates=DATA / "results/rates.csv",
    log:
        "results/logs/plan.txt",
    localrule: True
    params:
        config=CONFIG,
        runs=lambda w, input: get_directories(input.runs),
    shell:
        "python -m ddpg plan --config {params.config:q} --published {params.runs:q}"
        " --rates {input.rates:q} 2>&1 | tee {log:q}"
