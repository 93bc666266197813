# Statistics of all comparisons, and whether fresh runs reproduce the published ones.


rule compare:
    input:
        [f"results/tables/{{source}}/{name}/curves.csv" for name in config["comparisons"]],
        REFERENCES,
        CLAIMS,
    output:
        groups="results/tables/{source}/groups.csv",
        pairs="results/tables/{source}/pairs.csv",
        effects="results/tables/{source}/effects.csv",
        claims="results/tables/{source}/claims.csv",
        markdown="results/tables/{source}/statistics.md",
        html=report(
            "results/tables/{source}/statistics.html",
            caption="../report/statistics.rst",
            category="Tables",
            labels={"table": "statistics"},
        ),
    log:
        "results/logs/compare/{source}.log",
    params:
        config=lambda w, output: CONFIG_FILES,
        declared=config["comparisons"],
        curves=[f"results/tables/{{source}}/{name}/curves.csv" for name in config["comparisons"]],
        directory=lambda w, output: str(Path(output.groups).parent),
    shell:
        "python -m ddpg compare --config {params.config:q} --curves {params.curves:q}"
        " --output {params.directory:q} > {log:q} 2>&1"


rule provenance:
    input:
        lambda w: all_run_files(w.source),
    output:
        csv="results/tables/{source}/provenance.csv",
        html=report(
            "results/tables/{source}/provenance.html",
            caption="../report/provenance.rst",
            category="Tables",
            labels={"table": "what produced the runs"},
        ),
    log:
        "results/logs/provenance/{source}.log",
    params:
        runs=lambda w, input: directories(input),
        directory=lambda w, output: str(Path(output.csv).parent),
    shell:
        "python -m ddpg provenance --runs {params.runs:q} --output {params.directory:q}"
        " > {log:q} 2>&1"


rule verdict:
    input:
        fresh=all_run_files("runs"),
        published=all_run_files("published"),
    output:
        json="results/verdict.json",
        markdown="results/verdict.md",
        html=report(
            "results/verdict.html",
            caption="../report/verdict.rst",
            category="Verdict",
            labels={"table": "verdict"},
        ),
    log:
        "results/logs/verdict.log",
    params:
        fresh=lambda w, input: directories(input.fresh),
        published=lambda w, input: directories(input.published),
    shell:
        "python -m ddpg verdict --fresh {params.fresh:q} --published {params.published:q}"
        " --output results > {log:q} 2>&1"
