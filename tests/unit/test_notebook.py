"""The notebook runs as it stands, without TensorFlow, and shows what it says."""

import nbformat
from checkout import ROOT
from nbclient import NotebookClient

NOTEBOOK = ROOT / "docs/published_runs.ipynb"
AGAIN = (
    "run `.venv/bin/jupyter execute --inplace docs/published_runs.ipynb "
    "--NotebookClient.record_timing=False`"
)


def shown(notebook):
    """The texts that each cell shows; of a picture, of which kind it is."""
    return [
        [
            output.get("text") or output["data"].get("text/plain", sorted(output["data"]))
            for output in cell.outputs
        ]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_the_notebook_runs_and_shows_what_is_committed():
    committed = nbformat.read(NOTEBOOK, as_version=4)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(
        notebook, timeout=300, kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    ).execute()  # fmt: skip
    assert shown(notebook) == shown(committed), AGAIN
    kinds = {kind for cell in notebook.cells for output in cell.get("outputs", [])
             for kind in output.get("data", {})}  # fmt: skip
    assert {"image/png", "image/gif", "text/html"} <= kinds
    assert shown(notebook)[-1] == ["False"], "TensorFlow was imported"
