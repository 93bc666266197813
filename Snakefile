# DDPG, trained, compared with Spinning Up, and drawn.
#
#   snakemake demo      the Pendulum demo: three seeds, trained and drawn in minutes
#   snakemake figures   every figure and table from the published runs; trains nothing
#   snakemake all       everything from scratch, and a verdict: does it reproduce what is published
#   snakemake plan      what training everything would cost; starts nothing
#   snakemake smoke     the whole workflow on experiments shrunk to seconds


configfile: "config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"


container: config.get("container", "containers/ddpg.sif")


include: "workflow/rules/cluster.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/compare.smk"
include: "workflow/rules/figures.smk"


# On a cluster these run where Snakemake does: none is worth a job of its own.
localrules:
    all,
    demo,
    figures,
    plan,
    smoke,
    aggregate,
    compare,
    figures_of_comparison,
    provenance,
    verdict,


onstart:
    check_cluster()


rule all:
    default_target: True
    input:
        outcome("runs"),
        "results/verdict.json",


rule demo:
    input:
        "results/figures/runs/pendulum",


rule figures:
    input:
        outcome("published"),


rule smoke:
    input:
        outcome("smoke"),


rule plan:
    input:
        runs=all_run_files("published"),
    log:
        "results/logs/plan.txt",
    params:
        config=CONFIG_FILES,
        runs=lambda w, input: directories(input.runs),
    shell:
        "python -m ddpg plan --config {params.config:q} --published {params.runs:q} 2>&1 | tee {log:q}"
