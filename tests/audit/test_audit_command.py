"""The verb `audit`: files, options, exit statuses, what is written and what is not."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from forgetful import fitted, pictures
from PIL import Image
from project import ROOT
from toys import trained

from labelleak_lib.command import main
from labelleak_lib.models.checkpoints import save_checkpoint

SHAPE = (12,)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Stand in an empty folder that holds model files and the code that builds their network."""
    (tmp_path / "nets.py").write_text(
        f"import sys\nsys.path.append({str(ROOT / 'tests')!r})\nfrom forgetful import network\n\n\n"
        f"def build():\n    return network(5, {SHAPE})\n"
    )
    torch.save(fitted(5, SHAPE, (2,)).state_dict(), tmp_path / "unlearned.pt")
    torch.save(fitted(5, SHAPE).state_dict(), tmp_path / "whole.pt")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


OPTIONS = ["--factory", "nets:build", "--shape", "12"]


@pytest.mark.parametrize(
    ("model", "options", "status"),
    [
        ("unlearned.pt", [], 0),
        ("unlearned.pt", ["--fail-on-leak"], 1),
        ("whole.pt", ["--fail-on-leak"], 0),
        ("unlearned.pt", ["--labels-only", "--fail-on-leak"], 1),
        ("unlearned.pt", ["--budget", "200", "--fail-on-leak"], 3),
        ("unlearned.pt", ["--range", "-1,1", "--budget", "200"], 0),
    ],
)
def test_the_status_says_whether_a_class_is_named(place, model, options, status, capsys):
    before = sorted(place.rglob("*.p*"))
    assert main(["audit", model, *OPTIONS, *options]) == status
    said = capsys.readouterr().out
    assert said.startswith(("The model behaves as if", "No class stands out", "No verdict: only 198"))
    assert sorted(p for p in place.rglob("*.p*") if "__pycache__" not in str(p)) == before, "nothing is written"


def test_the_report_is_written_where_it_is_asked_for(place, capsys):
    known = set(place.iterdir())
    assert main(["audit", "unlearned.pt", *OPTIONS, "--out", "reports", "--seed", "3"]) == 0
    assert {path.name for path in set(place.iterdir()) - known} - {"__pycache__"} == {"reports"}
    assert sorted(os.listdir("reports")) == ["report.html", "report.json"]
    held = json.loads((place / "reports" / "report.json").read_text())
    assert held["forgotten"] == [2] and held["reproduce"]["seed"] == 3
    again = held["reproduce"]["call"].split()
    assert again[:3] == ["labelleak", "audit", "unlearned.pt"]
    assert main(again[1:]) == 0
    other = json.loads((place / "reports" / "report.json").read_text())
    assert {**other, "seconds": 0} == {**held, "seconds": 0}, "the same command gives the same report"


def test_samples_and_references_are_folders(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_checkpoint(trained(4), tmp_path / "m.safetensors")
    draw = np.random.default_rng(0)
    for c in (0, 1, 2, 3):
        (tmp_path / "samples" / str(c)).mkdir(parents=True)
        for i in range(3):
            Image.fromarray(draw.integers(0, 255, (16, 20), dtype=np.uint8)).save(tmp_path / f"samples/{c}/{i}.png")
    (tmp_path / "references").mkdir()
    for i in range(3):
        save_checkpoint(trained(4), tmp_path / f"references/{i}.safetensors")
    (tmp_path / "references/README.md").write_text("what these are")
    options = ["--samples", "samples", "--references", "references", "--out", "out"]
    assert main(["audit", "m.safetensors", *options]) == 0
    held = json.loads((tmp_path / "out/report.json").read_text())
    assert all("accuracy" in row for row in held["classes"])
    assert held["verdict"].startswith("No verdict") or any("with 3 references" in flag for flag in held["flags"])


def test_samples_of_vectors_are_an_archive(place, capsys):
    x, y = pictures(5, SHAPE)
    np.savez("samples.npz", inputs=x.numpy(), labels=y.numpy())
    assert main(["audit", "unlearned.pt", *OPTIONS, "--samples", "samples.npz", "--out", "out"]) == 0
    rows = json.loads((place / "out/report.json").read_text())["classes"]
    assert rows[2]["accuracy"] == 0 and min(row["accuracy"] for row in rows if row["class"] != 2) > 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.pt"], "an existing file"),
        (["unlearned.pt"], "given with --factory module:function"),
        (["unlearned.pt", "--factory", "nets:build"], "space is None"),
        (["unlearned.pt", *OPTIONS[:2], "--shape", "3,4"], "shape is (3, 4)"),
        (["unlearned.pt", *OPTIONS[:2], "--shape", "many"], "'many'"),
        (["unlearned.pt", *OPTIONS[:2], "--range", "0,2"], "--shape is not given beside --range [0.0, 2.0]"),
        (["unlearned.pt", *OPTIONS[:2], "--shape", "13"], "the model fails on inputs of shape (2, 13)"),
        (["unlearned.pt", *OPTIONS, "--batch-size", "0"], "batch_size is 0"),
        (["unlearned.pt", *OPTIONS, "--range", "1"], "--range is [1.0]; it must be two numbers"),
        (["unlearned.pt", *OPTIONS, "--range", "1,0"], "high is 0.0"),
        (["unlearned.pt", *OPTIONS, "--level", "2"], "level is 2.0"),
        (["unlearned.pt", *OPTIONS, "--budget", "0"], "budget is 0"),
        (["unlearned.pt", *OPTIONS, "--samples", "nowhere"], "samples is 'nowhere'"),
        (["unlearned.pt", *OPTIONS, "--references", "nowhere"], "references is 'nowhere'"),
        (["unlearned.pt", *OPTIONS, "--device", "tpu"], "device is 'tpu'"),
        (["unlearned.pt", *OPTIONS, "--out", "nets.py"], "could not be written"),
        (["unlearned.pt", *OPTIONS, "--labelsonly"], "the nearest is --labels-only"),
        ([], "model"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(place, arguments, words, capsys):
    try:
        status = main(["audit", *arguments])
    except SystemExit as stop:
        status = stop.code
    [line] = capsys.readouterr().err.splitlines()
    assert status == 2 and line.startswith("error: ") and words in line


def test_the_command_runs_from_any_folder(place):
    command = [sys.executable, "-m", "labelleak_lib", "audit", "whole.pt", *OPTIONS, "--fail-on-leak"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0 and done.stdout.startswith("No class stands out") and "\n" not in done.stderr
