# One job per (experiment, seed).
#
# Snakemake deletes the declared outputs of a job that fails or is started again. A run leaves two
# things beside them that Snakemake does not know: its checkpoint, from which the next try resumes,
# and a copy of a finished run's results, which the next try puts back. A run whose values were
# edited meanwhile is set aside.


rule train:
    output:
        progress="results/{tier}/{experiment}/seed_{seed}/progress.txt",
        config="results/{tier}/{experiment}/seed_{seed}/config.json",
        test_episodes="results/{tier}/{experiment}/seed_{seed}/test_episodes.csv",
        state_digests="results/{tier}/{experiment}/seed_{seed}/state_digests.txt",
        policy="results/{tier}/{experiment}/seed_{seed}/policy.npz",
        run="results/{tier}/{experiment}/seed_{seed}/run.json",
    log:
        "results/logs/train/{tier}/{experiment}/seed_{seed}.log",
    benchmark:
        "results/logs/train/{tier}/{experiment}/seed_{seed}.benchmark.tsv"
    # Not by the Snakemakes in a cluster's job, which has no time or memory left for it.
    retries: int(workflow.is_main_process)
    threads: 1
    resources:
        mem_mb=training_memory,
    params:
        # The only trigger: a change of this experiment's own values trains it again. Parameters
        # that are functions of `output`, like the others, trigger nothing.
        digest=lambda w: digest(w.tier, w.experiment),
        directory=lambda w, output: str(Path(output.run).parent),
        config=lambda w, output: CONFIG_FILES,
        overrides=lambda w, output: overrides(w.tier),
        time_limit=lambda w, resources: time_limit(resources),
    shell:
        # What warns a training warns every process of its job, and this shell has to outlive it.
        "trap : HUP INT TERM USR1 USR2 XCPU;"
        # Snakemake deletes the log of the try before. So each try has its own, which that points to.
        " ln -sf seed_{wildcards.seed:q}.$(date +%Y%m%dT%H%M%S.%N).log {log:q};"
        " {params.time_limit} python -m ddpg train {wildcards.experiment:q}"
        " --seed {wildcards.seed:q} --output {params.directory:q} --config {params.config:q}"
        " {params.overrides} --restart-edited >> {log:q} 2>&1"
        # What jobs.smk decides by whether to repeat it.
        " || (code=$?; echo exit code $code >> {log:q}; exit $code)"
