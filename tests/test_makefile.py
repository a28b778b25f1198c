"""What `make` runs, and in which order, read from stand-ins for the programs that it calls."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from project import ROOT

PROGRAMS = ["jupyter-book", "labelleak", "mypy", "pytest", "python", "ruff"]
STAND_IN = """#!/bin/sh
echo "begin {name} $*" >> {log}
echo "offline $LABELLEAK_OFFLINE" >> {log}
sleep 0.2
echo "end {name}" >> {log}
"""


@pytest.fixture
def make(tmp_path: Path):
    """Return a function that runs `make` with stand-ins and gives their log."""
    log = tmp_path / "log"
    for name in PROGRAMS:
        program = tmp_path / name
        program.write_text(STAND_IN.format(name=name, log=log))
        program.chmod(0o755)
    (tmp_path / "installed").touch()
    outer = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "LABELLEAK_OFFLINE"}
    environment = {name: value for name, value in os.environ.items() if name not in outer}

    def run(*arguments: str) -> list[str]:
        log.write_text("")
        variables = [f"BIN={tmp_path}", f"STAMP={tmp_path / 'installed'}"]
        command = ["make", "-C", str(ROOT), *variables, *arguments]
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)
        return log.read_text().splitlines()

    return run


def programs(log: list[str]) -> list[str]:
    return [line.split()[1] for line in log if line.startswith("begin")]


@pytest.mark.parametrize(
    ("targets", "order"),
    [
        (["book"], ["labelleak", "labelleak", "jupyter-book"]),
        (["chapters", "render"], ["labelleak", "labelleak", "jupyter-book"]),
        (["lint", "types", "unit"], ["ruff", "ruff", "mypy", "pytest"]),
    ],
)
def test_with_jobs_one_program_runs_at_a_time_and_in_order(make, targets: list[str], order: list[str]) -> None:
    log = make("-j2", *targets)
    assert programs(log) == order
    turns = [line.split()[:2] for line in log if not line.startswith("offline")]
    assert turns == [turn for name in order for turn in (["begin", name], ["end", name])]


def test_the_whole_test_renders_the_book_while_types_are_checked(make) -> None:
    log = [line.split()[:2] for line in make("test") if not line.startswith("offline")]
    before = ["ruff", "ruff", "pytest", "labelleak", "labelleak", "pytest"]
    alone = [turn for name in before for turn in (["begin", name], ["end", name])]
    assert log[: len(alone)] == alone
    at_once, last = log[len(alone) : -2], log[-2:]
    assert sorted(at_once[:2]) == [["begin", "jupyter-book"], ["begin", "mypy"]]
    assert sorted(at_once[2:]) == [["end", "jupyter-book"], ["end", "mypy"]]
    assert last == [["begin", "pytest"], ["end", "pytest"]]


def steps(folder: Path, stand_in: str) -> subprocess.Popen[str]:
    """Start the steps of a run, a group of processes of its own as on a terminal, with a stand-in for `make`."""
    (folder / "make").write_text(f"#!/bin/sh\n{stand_in}\n")
    (folder / "make").chmod(0o755)
    return subprocess.Popen(
        ["bash", ".ci/steps", "lint", "unit,types", "book"], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "MAKE": str(folder / "make")},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("failing", "verdicts"),
    [
        ("", {"lint": "passed", "unit": "passed", "types": "passed", "book": "passed"}),
        ("lint", {"lint": "FAILED", "unit": "passed", "types": "passed", "book": "passed"}),
        ("unit", {"lint": "passed", "unit": "FAILED", "types": "passed", "book": "passed"}),
        ("book", {"lint": "passed", "unit": "passed", "types": "passed", "book": "FAILED"}),
    ],
)
def test_every_step_runs_and_one_that_fails_fails_the_whole(failing: str, verdicts: dict[str, str], tmp_path: Path):
    with steps(tmp_path, f'echo "said by $2"; test "$2" != "{failing}"') as process:
        said, _ = process.communicate(timeout=60)
    assert process.returncode == bool(failing)
    assert all(f"== {step}\nsaid by {step}\n" in said for step in verdicts)
    summary = said.partition("== summary\n")[2].split("\n")
    assert dict(line.split()[:2] for line in summary if line) == verdicts


def test_a_step_that_is_killed_before_it_can_say_so_fails_the_whole(tmp_path: Path) -> None:
    with steps(tmp_path, 'test "$2" != types || kill -9 $PPID') as process:
        process.communicate(timeout=60)
    assert process.returncode == 1


def test_ctrl_c_ends_what_runs_side_by_side(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    begun.touch()
    with steps(tmp_path, f'case "$2" in unit|types) echo $$ >> {begun}; exec sleep 50;; esac') as process:
        deadline = time.monotonic() + 20
        while len(begun.read_text().split()) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    first, second = begun.read_text().split()
    left = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True).stdout.split()
    assert not {first, second} & set(left)


@pytest.mark.parametrize(("target", "offline"), [("test", "1"), ("unit", "1"), ("book", ""), ("sweep", "")])
def test_only_tests_are_kept_from_downloading(make, target: str, offline: str) -> None:
    seen = {line.partition(" ")[2] for line in make(target) if line.startswith("offline")}
    assert seen == {offline}


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["book", "DATASET=mnist"], "labelleak book --dataset mnist --profile quick"),
        (["chapters", "TRIALS=3", "PROFILE=paper"], "labelleak book --dataset digits --profile paper --trials 3"),
        (["sweep", "TRIALS=2", "SCHEDULER=tcp://h:1"], "labelleak sweep --dataset digits --trials 2 --scheduler tcp://h:1"),
        (["unit"], "pytest -n 2 -m not rendered --durations 20 --doctest-modules tests labelleak_lib"),
        (["verify"], "labelleak verify"),
        (["verify", "SAMPLE=5"], "labelleak verify --sample 5"),
    ],
)  # fmt: skip
def test_a_target_runs_its_command_with_the_options_asked_for(make, arguments: list[str], command: str) -> None:
    assert make(*arguments)[0].rstrip() == f"begin {command}"
