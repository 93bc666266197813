# The first page of a target: results and claims on one page.


rule page:
    input:
        curves=lambda w: list_curves(w.target),
        figures=lambda w: list_figures(w.target),
        verdict=lambda w: list_verdict(w.target),
        references=lambda w: list_references(*list_comparisons(w.target)),
        claims=CLAIMS,
    output:
        report(
            "results/summary/{target}.html",
            caption="../report/page.rst",
            category="Summary",
            labels={"page": "results and claims on one page"},
        ),
    log:
        "results/logs/page/{target}.log",
    wildcard_constraints:
        target="|".join(TITLES),
    localrule: True
    params:
        declared=lambda w: [
            config.get("headline"),
            *describe_comparisons(*list_comparisons(w.target)),
        ],
        options=lambda w, output: format_options(w.target),
        title=lambda w: TITLES[w.target],
    shell:
        "python -m ddpg page {params.options} --title {params.title:q} --output {output:q}"
        " > {log:q} 2>&1"
