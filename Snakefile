# DDPG, trained, compared with Spinning Up, and drawn.
#
#   snakemake demo      the Pendulum demo: three seeds, trained and drawn in minutes
#   snakemake figures   every figure and table from the published runs; trains nothing
#   snakemake all       everything from scratch, and a verdict: does it reproduce what is published
#   snakemake smoke     the whole workflow on experiments shrunk to seconds


configfile: "config.yaml"


container: config.get("container", "containers/ddpg.sif")


include: "workflow/rules/common.smk"
include: "workflow/rules/train.smk"


localrules:
    all,
    demo,
    smoke,


rule all:
    default_target: True
    input:
        [run_files("runs", name) for name in config["experiments"]],


rule demo:
    input:
        run_files("runs", "pendulum-demo"),


rule smoke:
    input:
        [run_files("smoke", name) for name in config["experiments"]],
