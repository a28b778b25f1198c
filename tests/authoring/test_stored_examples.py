"""What examples print is stored beside them, or nothing is."""

import importlib.util
import os

import pytest

from labelleak_lib.authoring import examples


def test_what_a_script_prints_is_stored_beside_it_and_it_runs_elsewhere(tmp_path, capsys):
    script = tmp_path / "one.py"
    script.write_text(
        "import os\nopen('here', 'w').close()\nprint(os.environ['OMP_NUM_THREADS'], 'é', end='\\n\\n\\n')\n",
        encoding="utf-8",
    )
    assert examples.main([str(script)]) == 0
    assert (tmp_path / "one.txt").read_text(encoding="utf-8") == "1 é\n"
    assert sorted(os.listdir(tmp_path)) == ["one.py", "one.txt"]
    assert capsys.readouterr().out == f"{script} is stored\n"


def test_a_script_that_fails_leaves_what_was_stored(tmp_path):
    script = tmp_path / "one.py"
    script.write_text("print('half')\nraise ValueError('no more')\n")
    script.with_suffix(".txt").write_text("before\n")
    with pytest.raises(ChildProcessError, match=r"one\.py failed: ValueError: no more$"):
        examples.main([str(script)])
    assert script.with_suffix(".txt").read_text() == "before\n"


def test_an_example_whose_packages_are_missing_is_left_as_it_is(tmp_path, monkeypatch, capsys):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxscript" else find(name))
    monkeypatch.setattr(examples, "NEEDED", {"one": ("json", "onnxscript")})
    script = tmp_path / "one.py"
    script.write_text("raise ValueError")
    assert examples.main([str(script)]) == 0
    assert capsys.readouterr().out == f"{script} is left as it is: onnxscript not installed\n"
    assert not script.with_suffix(".txt").exists()
