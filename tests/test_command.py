"""The console command: its verbs, what it imports to list them, and what bad input is answered with."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from project import ROOT

from labelleak_lib.command import VERBS, main


def run(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "labelleak_lib", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=60)


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_has_one_line_for_every_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    starts = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert starts == list(VERBS)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from labelleak_lib.command import main; main([]); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "argparse" in loaded
    assert loaded & {"torch", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "seaborn", "papermill"} == set()


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_explains_its_options(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert {"audit": "--labels-only", "pages": "--picture"}.get(verb, "--dataset") in capsys.readouterr().out


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_gets_what_follows_it_and_gives_its_status(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    received = []
    monkeypatch.setattr(import_module(VERBS[verb][0]), "main", lambda given: received.append(given) or 3)
    assert main([verb, "--dataset", "mnist"]) == 3
    assert received == [["--dataset", "mnist"]]


@pytest.mark.parametrize(("typed", "meant"), [("swep", "sweep"), ("books", "book"), ("verfiy", "verify")])
def test_an_unknown_verb_is_one_sentence_with_the_nearest(typed: str, meant: str) -> None:
    done = run(typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {typed} is not a verb of labelleak; the nearest is {meant}\n"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--trails", "3"], "--trails is not an option of labelleak book; the nearest is --trials"),
        (["--datset=mnist"], "--datset is not an option of labelleak book; the nearest is --dataset"),
        (["--profile", "papers"], "'papers'"),
        (["--trials", "many"], "'many'"),
    ],
)
def test_a_bad_option_is_one_sentence(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["book", *options])
    assert stop.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert sentence in line


def test_the_book_is_made_from_the_projects_root_alone(tmp_path: Path) -> None:
    done = run("book", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: notebooks holds no notebook named NN_name.ipynb: run from the project's root\n"


def test_the_command_is_installed_under_its_name() -> None:
    module, _, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"][
        "labelleak"
    ].partition(":")
    assert getattr(import_module(module), function) is main
    assert run("--version").stdout == f"labelleak {import_module('labelleak_lib').__version__}\n"


RUNNERS = {
    "nulls.bank": ["--jobs", "0"],
    "nulls.tuning": ["--trials", "0"],
    "trials.sensitivity": ["--trials", "0"],
    "trials.crossed": ["--datasets", "nothing_here"],
    "trials.forgetting": ["--trials", "0"],
    "trials.queries": ["digits", "--jobs", "0"],
    "trials.public": ["--trials", "0"],
}


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_long_run_answers_bad_input_with_one_sentence(
    runner: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_main = import_module(f"labelleak_lib.{runner}").main
    assert run_main([*RUNNERS[runner], "--store", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1 and RUNNERS[runner][-1] in said
