# The figures of one comparison, each as SVG, PDF and PNG. The report shows the SVGs.


rule figures_of_comparison:
    input:
        curves="results/tables/{collection}/{comparison}/curves.csv",
        references=lambda w: list_references(w.comparison),
    output:
        report(
            directory("results/figures/{collection}/{comparison}"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            subcategory=get_title,
            labels={"figure": "{figure}"},
        ),
    log:
        "results/logs/figures/{collection}/{comparison}.log",
    localrule: True
    params:
        config=lambda w, output: CONFIG,
        declared=lambda w: describe_comparisons(w.comparison),
    shell:
        "python -m ddpg plot --config {params.config:q} --only {wildcards.comparison:q}"
        " --curves {input.curves:q} --output results/figures/{wildcards.collection:q} > {log:q} 2>&1"
