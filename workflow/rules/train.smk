# One job per (experiment, seed).
#
# A job that is stopped leaves its checkpoint beside the declared outputs, in a directory that
# Snakemake does not know and so does not delete; the next try resumes from it.


rule train:
    output:
        progress="results/{tier}/{experiment}/seed_{seed}/progress.txt",
        config="results/{tier}/{experiment}/seed_{seed}/config.json",
        test_episodes="results/{tier}/{experiment}/seed_{seed}/test_episodes.csv",
        policy="results/{tier}/{experiment}/seed_{seed}/policy.npz",
        run="results/{tier}/{experiment}/seed_{seed}/run.json",
    log:
        "results/logs/train/{tier}/{experiment}/seed_{seed}.log",
    benchmark:
        "results/logs/train/{tier}/{experiment}/seed_{seed}.benchmark.tsv"
    retries: 1
    threads: 1
    resources:
        mem_mb=training_memory,
    params:
        # Its only trigger: a change of this experiment's own values trains it again.
        digest=lambda w: experiment(w.tier, w.experiment).digest(),
        directory=lambda w, output: str(Path(output.run).parent),
        overrides=lambda w: overrides(w.tier),
    shell:
        "python -m ddpg train {wildcards.experiment} --seed {wildcards.seed}"
        " --output {params.directory} --config {CONFIG_FILES} {params.overrides}"
        " > {log} 2>&1"
