# One job per (experiment, seed).
#
# Snakemake deletes the declared outputs of a job that fails or is started again. So a run keeps two
# undeclared directories beside them: its checkpoint, from which the next try resumes, and a copy of
# a finished run's results, which the next try restores. If its configuration was edited meanwhile,
# the run is set aside.


rule train:
    input:
        prepare_training,
    output:
        [f"results/{{collection}}/{{experiment}}/seed_{{seed}}/{name}" for name in RESULT_FILES],
        run="results/{collection}/{experiment}/seed_{seed}/run.json",
    log:
        "results/logs/train/{collection}/{experiment}/seed_{seed}.log",
    benchmark:
        "results/logs/train/{collection}/{experiment}/seed_{seed}.benchmark.tsv"
    wildcard_constraints:
        collection="runs|smoke",  # no rule makes published runs
    # Only the main Snakemake retries: inside a cluster job there is no time or memory left.
    retries: int(workflow.is_main_process)
    threads: 1
    resources:
        **GPU_RESOURCES,
        mem_mb=compute_training_memory,
    params:
        # The only trigger: a change of this experiment's own values trains it again. Parameters
        # that are functions of `output`, like the others, trigger nothing.
        digest=lambda w: compute_digest(w.collection, w.experiment),
        directory=lambda w, output: str(Path(output.run).parent),
        config=lambda w, output: CONFIG,
        overrides=lambda w, output: quote_overrides(w.collection),
        time_limit=lambda w, resources: make_timeout_prefix(resources),
    shell:
        # A scheduler sends its signals to every process of a job. This shell must survive them until
        # the training has saved, and so must `timeout`, which handles only the first three.
        "trap : HUP INT TERM; trap '' USR1 USR2 XCPU;"
        # Snakemake deletes the log of the previous try. So each try has its own log file, and the
        # declared log is a link to the newest.
        " ln -sf seed_{wildcards.seed:q}.$(date +%Y%m%dT%H%M%S.%N).log {log:q};"
        " {params.time_limit} python -m ddpg train {wildcards.experiment:q}"
        " --seed {wildcards.seed:q} --output {params.directory:q} --config {params.config:q}"
        " {params.overrides} --restart-edited >> {log:q} 2>&1"
        # jobs.smk reads this line to decide whether to retry.
        " || (code=$?; echo exit code $code >> {log:q}; exit $code)"
