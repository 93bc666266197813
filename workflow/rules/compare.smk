# Statistics of all comparisons and of one, and whether fresh runs reproduce the published ones.


rule compare:
    input:
        curves=[
            f"results/tables/{{collection}}/{name}/curves.csv" for name in config["comparisons"]
        ],
        references=lambda w: list_references(*config["comparisons"]),
        claims=CLAIMS,
    output:
        groups="results/tables/{collection}/groups.csv",
        pairs="results/tables/{collection}/pairs.csv",
        effects="results/tables/{collection}/effects.csv",
        claims="results/tables/{collection}/claims.csv",
        markdown="results/tables/{collection}/statistics.md",
        html=report(
            "results/tables/{collection}/statistics.html",
            caption="../report/statistics.rst",
            category="Tables",
            labels={"table": "statistics"},
        ),
    log:
        "results/logs/compare/{collection}.log",
    localrule: True
    params:
        config=lambda w, output: CONFIG,
        declared=lambda w: describe_comparisons(*config["comparisons"]),
        directory=lambda w, output: str(Path(output.groups).parent),
    shell:
        "python -m ddpg compare --config {params.config:q} --curves {input.curves:q}"
        " --output {params.directory:q} > {log:q} 2>&1"


rule statistics_of_comparison:
    input:
        curves="results/tables/{collection}/{comparison}/curves.csv",
        references=lambda w: list_references(w.comparison),
        claims=CLAIMS,
    output:
        groups="results/tables/{collection}/{comparison}/groups.csv",
        pairs="results/tables/{collection}/{comparison}/pairs.csv",
        effects="results/tables/{collection}/{comparison}/effects.csv",
        claims="results/tables/{collection}/{comparison}/claims.csv",
        markdown="results/tables/{collection}/{comparison}/statistics.md",
        html="results/tables/{collection}/{comparison}/statistics.html",
    log:
        "results/logs/compare/{collection}/{comparison}.log",
    localrule: True
    params:
        config=lambda w, output: CONFIG,
        declared=lambda w: describe_comparisons(w.comparison),
        directory=lambda w, output: str(Path(output.groups).parent),
    shell:
        "python -m ddpg compare --config {params.config:q} --only {wildcards.comparison:q}"
        " --curves {input.curves:q} --output {params.directory:q} > {log:q} 2>&1"


rule provenance:
    input:
        lambda w: list_all_run_files(w.collection),
    output:
        csv="results/tables/{collection}/provenance.csv",
        html=report(
            "results/tables/{collection}/provenance.html",
            caption="../report/provenance.rst",
            category="Tables",
            labels={"table": "what produced the runs"},
        ),
    log:
        "results/logs/provenance/{collection}.log",
    localrule: True
    params:
        code=CODE,
        values=lambda w: describe_values(w.collection, config["experiments"]),
        runs=lambda w, input: get_directories(input),
        directory=lambda w, output: str(Path(output.csv).parent),
    shell:
        "python -m ddpg provenance --runs {params.runs:q} --output {params.directory:q}"
        " > {log:q} 2>&1"


rule verdict:
    input:
        fresh=list_all_run_files("runs"),
        published=list_all_run_files("published"),
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
    localrule: True
    params:
        code=CODE,
        values=lambda w: describe_values("runs", config["experiments"]),
        fresh=lambda w, input: get_directories(input.fresh),
        published=lambda w, input: get_directories(input.published),
    shell:
        "python -m ddpg verdict --fresh {params.fresh:q} --published {params.published:q}"
        " --output results > {log:q} 2>&1"
