"""A bad parameter stops every notebook before it computes, with one sentence and a non-zero exit."""

import json
import re
import subprocess
import sys

import jupytext
import pytest
from project import ROOT

from labelleak_lib.authoring.parameters import require_declared

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
BAD = [
    ({"dataset": "nothing_here"}, ["nothing_here", "known name"]),
    ({"seed": -1}, ["seed is -1", "at least 0"]),
    ({"device": "warp"}, ["device is 'warp'", "cpu"]),
    ({"profile": "huge"}, ["profile is 'huge'", "quick"]),
    ({"records": "burn"}, ["records is 'burn'", "reuse"]),
    ({"trials": 0}, ["trials is 0", "at least 1"]),
]
WITH_K = [
    ({"k": 0}, ["k is 0", "from 1 to 9"]),
    ({"k": 10}, ["k is 10", "from 1 to 9"]),
    ({"forgotten": [12]}, ["forgotten class is 12", "from 0 to 9"]),
]


def cases():
    """Give every notebook one bad parameter, and every bad parameter a notebook."""
    takes_k = {n: "\nk = 1" in n.with_suffix(".py").read_text() for n in NOTEBOOKS}
    with_k, general = iter(WITH_K + BAD), iter(BAD[::-1] + BAD)
    listed = [(n, *next(with_k if takes_k[n] else general)) for n in NOTEBOOKS]
    return [pytest.param(*case, id=f"{case[0].stem}-{next(iter(case[1]))}") for case in listed]


def test_every_bad_parameter_is_tried():
    tried = [case.values[1] for case in cases()]
    assert all(given in tried for given, _ in BAD + WITH_K)


RUN_EACH = """
import json, sys, traceback
from IPython.core.interactiveshell import InteractiveShell
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

shell, ended = InteractiveShell.instance(), {}
for path, parameters in json.loads(sys.argv[2]):
    shell.reset()
    notebook = parameterize_notebook(load_notebook_node(path), parameters)
    for source in (cell.source for cell in notebook.cells if cell.cell_type == "code"):
        error = shell.run_cell(source, store_history=True).error_in_exec
        if error is not None:
            ended[path] = "".join(traceback.format_exception_only(error))
            break
with open(sys.argv[1], "w") as file:
    json.dump(ended, file)
"""
"""Runs notebooks up to their first error, as papermill does but in one process, since each imports the same."""


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Return with which error each notebook ended that was given its bad parameter, by path."""
    found = tmp_path_factory.mktemp("ended") / "errors.json"
    given = json.dumps([(str(case.values[0]), case.values[1]) for case in cases()])
    command = [sys.executable, "-c", RUN_EACH, str(found), given]
    subprocess.run(command, capture_output=True, cwd=ROOT, timeout=600, check=True)
    return json.loads(found.read_text())


def is_one_sentence(said, words):
    last = [line for line in said.splitlines() if line.strip()][-1]
    assert "Error" in last
    assert all(word in last for word in words), last


@pytest.mark.parametrize(("notebook", "given", "words"), cases())
def test_a_bad_parameter_is_one_sentence(ended, notebook, given, words):
    is_one_sentence(ended[str(notebook)], words)


@pytest.mark.parametrize(("notebook", "given", "words"), cases()[:1])
def test_a_bad_parameter_is_a_failure(notebook, given, words, tmp_path):
    done = papermill(notebook, tmp_path, *(text for name, value in given.items() for text in ("-p", name, str(value))))
    assert done.returncode != 0
    is_one_sentence(done.stderr, words)


def papermill(notebook, folder, *options):
    command = [sys.executable, "-m", "papermill", str(notebook), str(folder / "out.ipynb"), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


CHECKED = """
# %% tags=["parameters"]
trials = 1
data_dir = None

# %%
from labelleak_lib.authoring.parameters import require_declared

require_declared()
print("checked", trials)
"""


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        ([], 0, ""),
        (["-p", "trials", "3"], 0, ""),
        (["-p", "tirals", "3"], 1, "ValueError: tirals is not a parameter of this notebook; the nearest is trials"),
        (["-p", "trials", "3", "-y", "data_dri: here"], 1, "data_dri is not a parameter of this notebook"),
    ],
)
def test_a_parameter_that_is_not_declared_is_an_error(options, status, sentence, tmp_path):
    notebook = jupytext.reads(CHECKED, fmt="py:percent")
    notebook.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    jupytext.write(notebook, tmp_path / "in.ipynb")
    done = papermill(tmp_path / "in.ipynb", tmp_path, *options)
    assert (done.returncode, sentence in done.stderr) == (status, True), done.stderr
    assert bool(re.search(r"checked \d", (tmp_path / "out.ipynb").read_text())) is (status == 0)


def test_cells_without_injected_parameters_are_not_judged():
    require_declared(["", "trials = 1", "tirals = 2"])
