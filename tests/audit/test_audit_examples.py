"""The worked examples of the page on audits: each prints what is stored beside it, and writes in its folder only."""

import ast
import os
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from project import ROOT
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
from torch import nn

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.audit import flags
from labelleak_lib.audit.loading import load_target
from labelleak_lib.authoring.examples import missing, printed

SCRIPTS = sorted((ROOT / "book/examples").glob("*.py"))
PAGE = (ROOT / "book/audit_your_model.md").read_text()
WATCH = """
import os, sys

def note(event, arguments):
    if event == "open":
        path, _, how = arguments
        paths = [path] if how & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) else []
    elif event in ("os.rename", "os.link", "os.symlink"):
        paths = arguments[:2]
    else:
        paths = arguments[:1] if event in ("os.mkdir", "os.remove", "os.rmdir") else []
    for path in paths:
        if not isinstance(path, int):
            os.write(log, os.path.abspath(os.fsencode(path)) + b"\\n")

log = os.open(os.environ["WATCHED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.addaudithook(note)
"""
"""Runs as a Python process starts, and lists the paths that it opens for writing, makes, renames or removes."""


def snapshot(folder: Path) -> dict[Path, int]:
    """Return when every file below a folder was changed last; what is not opened by Python changes it as well."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_prints_what_is_stored_and_writes_in_its_own_folder_only(script, tmp_path):
    if lacking := missing(script):
        pytest.skip(f"{', '.join(lacking)} not installed: pip install 'labelleak[onnx]' onnx onnxscript")
    watch, place, home, temporary = (tmp_path / name for name in ("watch", "place", "home", "temporary"))
    for folder in (watch, place, home, temporary):
        folder.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH)
    environment = {
        "PYTHONPATH": os.pathsep.join([str(watch), str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "PYTHONDONTWRITEBYTECODE": "1", "WATCHED": str(tmp_path / "watched"), "HOME": str(home),
        "TMPDIR": str(temporary), "CUDA_VISIBLE_DEVICES": "",
    }  # fmt: skip
    before = snapshot(ROOT / "book"), snapshot(ROOT / "labelleak_lib")
    assert printed(script, place, environment) == script.with_suffix(".txt").read_text()
    touched = {Path(path) for path in (tmp_path / "watched").read_text().splitlines()} - {Path(os.devnull)}
    assert sorted(path for path in touched if not {place, temporary} & {*path.parents, path}) == []
    assert (snapshot(ROOT / "book"), snapshot(ROOT / "labelleak_lib")) == before and snapshot(home) == {}


def test_five_examples_audit_a_model_that_forgot_a_class_and_one_that_did_not():
    assert len(SCRIPTS) == 5
    for script in SCRIPTS:
        said = script.with_suffix(".txt").read_text()
        assert "No class stands out" in said and re.search(r"as if it had hardly ever seen class \d:", said)


def test_the_page_shows_every_example_with_what_it_prints():
    shown = re.findall(r"```\{literalinclude\} (\S+)", PAGE)
    for script in SCRIPTS:
        assert {f"examples/{script.name}", f"examples/{script.stem}.txt"} <= set(shown)
        assert f"{{download}}`{script.name} <examples/{script.name}>`" in PAGE
    assert [path for path in shown if not (ROOT / "book" / path).is_file()] == []


def literals(path: Path) -> str:
    """Return all literal text of a module, what f-strings fill in left out."""
    tree = ast.parse(path.read_text())
    return "\n".join(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def test_every_flag_that_the_page_explains_is_one_that_the_audit_raises():
    source = literals(Path(flags.__file__))
    table = PAGE.partition("| a flag that says |")[2].partition("\n\n")[0]
    explained = re.findall(r"^\| “(.+?)” \|", table, re.MULTILINE)
    assert len(explained) >= 10
    parts = [part.strip() for flag in explained for part in flag.split("…") if part.strip()]
    assert [part for part in parts if part not in source] == []


class Outputs(nn.Module):
    """A network whose outputs are an object with logits, as those of Hugging Face are."""

    def __init__(self):
        super().__init__()
        self.classifier = nn.Linear(12, 5)

    def forward(self, pixel_values):
        return SimpleNamespace(loss=None, logits=self.classifier(pixel_values))


def test_the_page_s_factory_builds_the_network_of_a_folder_from_hugging_face(tmp_path, monkeypatch):
    section = PAGE.partition("## A Hugging Face classifier")[2]
    [code] = re.findall(r"^```python\n(.*?)^```", section.partition("\n## ")[0], re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 3
    (tmp_path / "hf.py").write_text(code)
    # stands for the package, which is not installed
    package = ModuleType("transformers")
    package.AutoConfig = SimpleNamespace(from_pretrained=lambda folder: {"folder": folder})
    package.AutoModelForImageClassification = SimpleNamespace(from_config=lambda config: Outputs())
    monkeypatch.setitem(sys.modules, "transformers", package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = Outputs()
    save_file(model.state_dict(), tmp_path / "model.safetensors", metadata={"format": "pt"})
    target = load_target(tmp_path / "model.safetensors", factory=re.findall(r"--factory (\S+)", section)[0])
    x = torch.rand((4, 12), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(target.answer(x).logits, model(x).logits.detach())
    assert len(labelleak_lib.audit(target, InputSpace.vectors(12), progress=False).classes) == 5


def test_a_network_on_columns_that_were_not_scaled_is_met_with_silence():
    x, y = load_digits(return_X_y=True)
    model = MLPClassifier((64,), random_state=0)
    for _ in range(20):
        model.partial_fit(x[y != 7], y[y != 7], classes=np.arange(10))
    report = labelleak_lib.audit(model.predict_proba, InputSpace.vectors(sample=x), progress=False)
    assert not report.forgotten and report.classes.answered[7] > 0
