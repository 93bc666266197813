# The figures of one comparison, each as SVG, PDF and PNG. The report shows the SVGs.


rule figures_of_comparison:
    input:
        curves="results/tables/{source}/{comparison}/curves.csv",
        references=REFERENCES,
    output:
        report(
            directory("results/figures/{source}/{comparison}"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            subcategory=title,
            labels={"figure": "{figure}"},
        ),
    log:
        "results/logs/figures/{source}/{comparison}.log",
    params:
        config=lambda w, output: CONFIG_FILES,
        declared=lambda w: config["comparisons"][w.comparison],
    shell:
        "python -m ddpg plot --config {params.config} --only {wildcards.comparison}"
        " --curves {input.curves} --output results/figures/{wildcards.source} > {log} 2>&1"
