# The curves of a comparison's runs in one table.


rule aggregate:
    input:
        runs=lambda w: comparison_runs(w.source, w.comparison),
        manifest=lambda w: manifest(w.source),
    output:
        "results/tables/{source}/{comparison}/curves.csv",
    log:
        "results/logs/aggregate/{source}/{comparison}.log",
    params:
        manifest=lambda w, input: f"--manifest {input.manifest}" if input.manifest else "",
        runs=lambda w, input: directories(input.runs),
    shell:
        "python -m ddpg aggregate --runs {params.runs} {params.manifest} --output {output}"
        " > {log} 2>&1"
