"""Machines that are not the author's: quotas, no home, no locks, full disks, stray copies, other line endings."""

import ast
import errno
import fcntl
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import nbformat
import numpy as np
import pandas as pd
import pytest
from project import ROOT
from toys import small_trials

from labelleak_lib import files
from labelleak_lib.authoring import chapters
from labelleak_lib.files import UnwritableError, as_path, cache_dir, locked, write_atomically
from labelleak_lib.trials import engine, identity, lines, originals
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store
from labelleak_lib.trials.threads import cores

SOURCES = [ROOT / name for name in subprocess.check_output(["git", "ls-files", "*.py"], cwd=ROOT, text=True).split()]


@pytest.mark.parametrize("left", [1, 2, 3])
def test_no_more_processes_than_a_quota_leaves(left, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", str(left))
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert cores() == joblib.cpu_count() == left


@pytest.mark.parametrize("left", [1, 2])
def test_no_more_processes_than_an_affinity_leaves(left, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(left)), raising=False)
    assert cores() == left


def test_a_sweep_and_a_notebook_take_the_cores_that_are_left(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(engine, "cores", lambda: 3)
    monkeypatch.setattr(engine, "sweep", lambda grid, store, *, jobs, scheduler: seen.append(jobs) or 0)
    engine.main(["--store", str(tmp_path), "--methods", "RT"])
    assert seen == [3]


HOMELESS = {"HOME": None, "LABELLEAK_CACHE": None, "XDG_CACHE_HOME": None}


def homeless(monkeypatch, **given):
    for name, value in {**HOMELESS, **given}.items():
        monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
    # an unknown user id
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError("no such user")))


def test_without_a_home_the_cache_is_one_sentence(monkeypatch):
    homeless(monkeypatch)
    with pytest.raises(UnwritableError, match=r"^the cache is ~/.cache/labelleak, .*; set LABELLEAK_CACHE") as caught:
        cache_dir()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"LABELLEAK_CACHE": "/somewhere"}, "/somewhere"), ({"XDG_CACHE_HOME": "/else"}, "/else/labelleak"),
        ({"HOME": "/home/é x"}, "/home/é x/.cache/labelleak"), ({"HOME": "/h", "LABELLEAK_CACHE": "~/c"}, "/h/c"),
    ],
)  # fmt: skip
def test_the_cache_lies_where_it_is_asked_for(given, expected, monkeypatch):
    homeless(monkeypatch, **given)
    assert cache_dir() == Path(expected)


@pytest.mark.parametrize("text", ["~nobody-of-this-name/x", "plain", "a b/ü", "/absolute"])
def test_a_path_without_a_known_home_stays_as_it_is(text):
    assert as_path(text) == Path(text)


def test_a_training_needs_no_home_no_user_and_no_compiler(tmp_path):
    code = (
        "import pathlib, pwd\n"
        "def unknown(*_): raise KeyError('no such user')\n"
        "def nowhere(*_): raise RuntimeError('no home')\n"
        "pwd.getpwuid = unknown; pathlib.Path.home = nowhere\n"
        "from dataclasses import replace; from labelleak_lib import TrialSpec\n"
        "from labelleak_lib.trials.originals import trained; spec = TrialSpec.from_parameters()\n"
        "trained(spec, spec.part('pool'), replace(spec.settings.recipe, epochs=1, min_steps=1)); print('trained')"
    )
    environment = {"PATH": "/nowhere", "LABELLEAK_CACHE": str(tmp_path), "CC": "/nowhere", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "trained"), done.stderr


NO_LOCKS = [errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL]


@pytest.mark.parametrize("number", NO_LOCKS)
def test_where_there_are_no_locks_one_at_a_time_all_the_same(number, monkeypatch, tmp_path):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)
    inside, most = [], []

    def enter():
        with locked(tmp_path / "a.lock"):
            inside.append(1)
            most.append(len(inside))
            inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert most == [1, 1, 1, 1]
    with locked(tmp_path / "a.lock"), pytest.raises(TimeoutError), locked(tmp_path / "a.lock", wait=False):
        pass


def test_a_lock_that_fails_otherwise_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "input/output error")))
    with pytest.raises(OSError, match="input/output"), locked(tmp_path / "a.lock"):
        pass


def test_a_model_in_a_cache_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    with small_trials(tmp_path) as path:
        spec = TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")
        made = originals.weights_digest(originals.original_model(spec))
        for name in ("require_writable", "locked", "save_checkpoint", "train"):
            monkeypatch.setattr(originals, name, lambda *_, **__: pytest.fail("written"))
        assert originals.weights_digest(originals.original_model(spec)) == made
        monkeypatch.undo()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there_and_no_draft(number, step, tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, b"old")

    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.os, step, fails)
    with pytest.raises(UnwritableError, match=r"could not be written .*; nothing that was there is lost"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_chapter_is_folded_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "01_x.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    nbformat.write(notebook, path)
    before = path.read_bytes()
    monkeypatch.setattr(files.os, "fsync", lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "no space left")))
    with pytest.raises(UnwritableError):
        chapters.fold_code(path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    chapters.fold_code(path)
    assert nbformat.read(path, 4).cells[0].metadata.tags == ["hide-input"]


COPIES = [
    "Untitled.ipynb", "Untitled1.ipynb", "01_theory-Copy1.ipynb", "01_theory copy.ipynb", "01_theory (1).ipynb",
    "._01_theory.ipynb", ".ipynb_checkpoints/01_theory-checkpoint.ipynb", "01_theory.ipynb.bak", "01_theory~.ipynb",
    "1_theory.ipynb", "Kopie von 01_theory.ipynb", "01_theory.nbconvert.ipynb",
]  # fmt: skip


@pytest.mark.parametrize("copy", COPIES)
def test_a_copy_that_an_editor_left_is_no_chapter(copy, tmp_path):
    for name in ("00_overview.ipynb", "01_theory.ipynb", copy):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in chapters.sources(tmp_path)] == ["00_overview.ipynb", "01_theory.ipynb"]


def test_all_of_the_projects_notebooks_are_chapters_and_tested_by_make():
    ours = sorted(path.name for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    assert [path.name for path in chapters.sources(ROOT / "notebooks")] == ours
    made = subprocess.check_output(["make", "-n", "notebooks"], cwd=ROOT, text=True).splitlines()[-1]
    assert [word.removeprefix("notebooks/") for word in made.split() if word.endswith(".ipynb")] == ours


def test_two_builds_at_once_do_not_mix_their_chapters(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chapters, "sources", lambda: [tmp_path / "01_x.ipynb"])
    ran = []
    monkeypatch.setattr(chapters, "execute_all", lambda *given: ran.append(given) or {})
    chapters.CHAPTERS.mkdir(parents=True)
    with locked(chapters.CHAPTERS / ".lock"), pytest.raises(SystemExit) as stop:
        chapters.main([])
    assert stop.value.code == 2 and "being written by another build" in capsys.readouterr().err and not ran
    assert chapters.main([]) == 0 and ran


def test_a_build_in_a_checkout_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book").touch()
    monkeypatch.setattr(chapters, "sources", list)
    assert chapters.main([]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and "book" in said


def test_resource_forks_are_no_records(tmp_path):
    lines.write(pd.DataFrame({"dataset": ["digits"]}), tmp_path / "digits.parquet")
    for name in ("._digits.parquet", "._digits.models.parquet", ".DS_Store"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    assert lines.read(tmp_path, ["dataset"]).dataset.tolist() == ["digits"]
    assert Store(tmp_path).datasets() == []


def test_resource_forks_are_no_source(tmp_path, monkeypatch):
    package = tmp_path / "labelleak_lib"
    shutil.copytree(ROOT / "labelleak_lib", package, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(identity, "ROOT", tmp_path)
    before = identity.numerics_digest.__wrapped__()
    (package / "attacks" / "._reach.py").write_bytes(b"\0\5\x16\7\xff")
    assert identity.numerics_digest.__wrapped__() == before == identity.numerics_digest()


def test_resource_forks_are_no_samples(tmp_path):
    from PIL import Image

    from labelleak_lib.audit.samples import read_folder
    from labelleak_lib.space import InputSpace

    for name in ("0", "1"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / name / "a.png")
        (tmp_path / name / "._a.png").write_bytes(b"\0\5\x16\7")
    assert read_folder(tmp_path, InputSpace.images((1, 4, 4)), 2)[1].tolist() == [0, 1]


@pytest.mark.parametrize("ending", ["\r\n", "\r"], ids=repr)
def test_a_clone_with_other_line_endings_has_the_same_digests(ending, tmp_path):
    chosen = [
        path for path in SOURCES if path.parent.name in ("attacks", "unlearning", "models") and "lib" in str(path)
    ]
    assert len(chosen) > 40
    for path in chosen:
        copy = tmp_path / path.name
        copy.write_bytes(path.read_bytes().replace(b"\n", ending.encode()))
        assert identity.bare_source(copy) == identity.bare_source(path)


@pytest.mark.parametrize(
    "name", ["Makefile", ".ci/run", "README.md", "labelleak_lib/files.py", "notebooks/01_theory.py"]
)
def test_text_is_checked_out_with_plain_line_endings_everywhere(name):
    found = subprocess.check_output(["git", "check-attr", "text", "eol", "--", name], cwd=ROOT, text=True)
    assert "text: auto" in found and "eol: lf" in found
    assert b"\r" not in (ROOT / name).read_bytes()


@pytest.mark.parametrize(
    "name", ["book/records/digits.models.parquet", "labelleak_lib/paper/tables/unlearning_accuracy.csv"]
)
def test_records_and_tables_are_checked_out_as_they_are(name):
    assert "text: unset" in subprocess.check_output(["git", "check-attr", "text", "--", name], cwd=ROOT, text=True)


def test_every_source_is_python_of_the_oldest_supported_version():
    for path in SOURCES:
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 11))


def test_no_source_leaves_a_finally_block_as_the_newest_python_forbids():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Try):
                inside = [each for last in node.finalbody for each in ast.walk(last)]
                assert not any(isinstance(each, ast.Return | ast.Break | ast.Continue) for each in inside), path
