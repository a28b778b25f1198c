"""A bad parameter stops every notebook before it computes, with one sentence and a non-zero exit."""

import re
import subprocess
import sys

import jupytext
import pytest
from project import ROOT

from labelleak_lib.authoring.parameters import require_declared

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
BAD = [
    (["-p", "dataset", "nothing_here"], ["nothing_here", "known name"]),
    (["-p", "seed", "-1"], ["seed is -1", "at least 0"]),
    (["-p", "device", "warp"], ["device is 'warp'", "cpu"]),
    (["-p", "profile", "huge"], ["profile is 'huge'", "quick"]),
    (["-p", "records", "burn"], ["records is 'burn'", "reuse"]),
    (["-p", "trials", "0"], ["trials is 0", "at least 1"]),
]
WITH_K = [
    (["-p", "k", "0"], ["k is 0", "from 1 to 9"]),
    (["-p", "k", "10"], ["k is 10", "from 1 to 9"]),
    (["-y", "forgotten: [12]"], ["forgotten class is 12", "from 0 to 9"]),
]


def cases():
    """Give every notebook one bad parameter, and every bad parameter a notebook."""
    takes_k = {n: "\nk = 1" in n.with_suffix(".py").read_text() for n in NOTEBOOKS}
    with_k, general = iter(WITH_K + BAD), iter(BAD[::-1] + BAD)
    listed = [(n, *next(with_k if takes_k[n] else general)) for n in NOTEBOOKS]
    return [pytest.param(*case, id=f"{case[0].stem}-{case[1][1].split(':')[0]}") for case in listed]


def test_every_bad_parameter_is_tried():
    tried = [case.values[1] for case in cases()]
    assert all(options in tried for options, _ in BAD + WITH_K)


@pytest.mark.parametrize(("notebook", "options", "words"), cases())
def test_a_bad_parameter_is_one_sentence_and_a_failure(notebook, options, words, tmp_path):
    done = papermill(notebook, tmp_path, *options)
    assert done.returncode != 0
    last = [line for line in done.stderr.splitlines() if line.strip()][-1]
    assert "Error" in last
    assert all(word in last for word in words), last


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
