"""What a chapter offers to take away."""

import os

import nbformat
import pandas as pd
import pytest

from labelleak_lib.authoring.downloads import FORMS, offered, take
from labelleak_lib.authoring.outputs import has_output

CODE = """
import matplotlib.pyplot as plt
plt.bar([0, 1], [3, 4])
plt.show()
"""


@pytest.fixture(scope="module")
def chapter(tmp_path_factory):
    from papermill.execute import execute_notebook

    folder = tmp_path_factory.mktemp("book")
    cell = nbformat.v4.new_code_cell(CODE)
    cell.metadata["mystnb"] = {"figure": {"name": "fig-01-bars"}}
    plain = nbformat.v4.new_code_cell(CODE)
    source, target = folder / "01_bars.ipynb", folder / "chapters" / "01_bars.ipynb"
    target.parent.mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[cell, plain]), source)
    with offered():
        execute_notebook(source, target, kernel_name="python3", progress_bar=False)
    take(target, source)
    return target


def test_a_figure_is_offered_as_svg_and_its_data_as_csv(chapter):
    folder = chapter.parent / "figures"
    assert sorted(path.name for path in folder.iterdir()) == [
        "fig-01-2.csv",
        "fig-01-2.svg",
        "fig-01-bars.csv",
        "fig-01-bars.svg",
    ]
    assert pd.read_csv(folder / "fig-01-bars.csv").y.tolist() == [3, 4]
    assert (folder / "fig-01-bars.svg").read_text(encoding="utf-8").lstrip().startswith("<?xml")


def test_the_executed_notebook_keeps_the_picture_alone_and_lists_what_is_offered(chapter):
    notebook = nbformat.read(chapter, as_version=4)
    *cells, last = notebook.cells
    for cell in cells:
        assert has_output(cell)
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        assert "image/png" in kinds and not kinds & set(FORMS)
    addresses = [f"figures/{name}.{form}" for name in ("fig-01-2", "fig-01-bars") for form in ("csv", "svg")]
    for address in (*addresses, "no. 2 of this page", "notebooks/01_bars.ipynb", "01_bars.py"):
        assert address in last.source


def test_kernels_of_others_are_left_alone(monkeypatch, tmp_path):

    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    with offered():
        assert os.environ["IPYTHONDIR"] != str(tmp_path)
    assert os.environ["IPYTHONDIR"] == str(tmp_path)
