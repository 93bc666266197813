# The curves of a comparison's runs in one table. What the command prints is a warning, so it is shown.


rule aggregate:
    input:
        runs=lambda w: list_comparison_runs(w.collection, w.comparison),
        manifest=lambda w: list_manifest(w.collection),
    output:
        "results/tables/{collection}/{comparison}/curves.csv",
    log:
        "results/logs/aggregate/{collection}/{comparison}.log",
    localrule: True
    params:
        code=CODE,
        # If a value changes and the training fails, the tables are not up to date.
        values=lambda w: describe_values(w.collection, get_comparison(w.comparison)["experiments"]),
        manifest=lambda w, input: ["--manifest", *input.manifest] if input.manifest else [],
        runs=lambda w, input: get_directories(input.runs),
    shell:
        "python -m ddpg aggregate --runs {params.runs:q} {params.manifest:q} --output {output:q}"
        " 2>&1 | tee {log:q}"
