"""One module per command, with `HELP`, `add_arguments(parser)` and `run(options)`.

`arguments.py`, `comparisons.py` and `retraining.py` are shared.
"""
