"""Interrupted long work: one sentence, status 130, what was finished is kept, and the same command does the rest."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from project import ROOT
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.command import one_sentence
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.describing import described
from labelleak_lib.files import write_atomically
from labelleak_lib.trials import cost, crossed, defended, engine, every_method, forgetting, lines, methods_tuning
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store

SAID = "interrupted: what is stored is whole, and the same command goes on with the rest\n"


def forgetting_line(spec, code):
    model, parameters = forgetting.key_of(spec, code)
    facts = {"dataset": spec.data.name, "seed": spec.seed, "trial": spec.trial, "unlearning": code}
    return {**facts, "model": model, "parameters": parameters}


def tuning_line(spec, code, setting):
    method = methods_tuning.digest_of(methods_tuning.made(spec, code, setting))
    facts = {"dataset": spec.data.name, "trial": spec.trial, "method": method, "setting": str(setting)}
    return {**facts, "forget_acc_after": 0.0, "retain_acc_after": 1.0}


def defended_lines(spec, code, name):
    facts = {"seed": spec.seed, "trial": spec.trial, "defence": name, "unlearning": code}
    return [{**facts, "line": defended.identity(spec, code, name), "attack": attack} for attack in ("a", "b")]


WORK = {
    "forgetting": (forgetting, forgetting_line, ["--trials", "2", "--methods", "RT", "FT"], 4),
    "methods_tuning": (methods_tuning, tuning_line, ["--datasets", "digits"], 6),
    "defended": (defended, defended_lines, ["digits", "--trials", "2", "--defences", "none", "mask"], 12),
}


@pytest.fixture
def few_settings(monkeypatch):
    monkeypatch.setitem(methods_tuning.SETTINGS, "small", {"DELETE": [{"lr": 0.001}, {"lr": 0.003}]})


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("work", WORK)
def test_what_was_measured_is_kept_and_the_rest_is_done_by_the_same_command(
    work, after, few_settings, tmp_path, monkeypatch, capsys
):
    module, line, options, count = WORK[work]
    measured = []

    def measure(*asked):
        if len(measured) == after and interrupting:
            raise KeyboardInterrupt
        measured.append(asked)
        return line(*asked)

    monkeypatch.setattr(module, "measure", measure)
    options = [*options, "--store", str(tmp_path / "stored")]
    interrupting = True
    assert module.main(options) == 130
    said = capsys.readouterr()
    assert said.err == SAID
    # one line a finished measurement: the progress of those that have no bar
    assert len(said.out.splitlines()) == after
    held = lines.read(tmp_path / "stored", ["dataset"])
    assert len(held) == after * (2 if work == "defended" else 1)
    assert not list((tmp_path / "stored").glob(".*"))
    interrupting = False
    assert module.main(options) == 0
    assert len(measured) == count and len(set(map(str, measured))) == count
    once = lines.read(tmp_path / "stored", ["dataset"])
    assert module.main(options) == 0 and len(measured) == count
    pd.testing.assert_frame_equal(once, lines.read(tmp_path / "stored", ["dataset"]))


@pytest.mark.parametrize("after", [0, 2])
def test_costs_that_were_timed_are_not_timed_again(after, tmp_path, monkeypatch):
    timed = []

    def measure(spec, code):
        if len(timed) == after and interrupting:
            raise KeyboardInterrupt
        timed.append((spec.trial, code))
        method = every_method.as_json(spec.method(code))
        facts = {"dataset": spec.data.name, "trial": spec.trial, "forgotten": ",".join(map(str, spec.forgotten))}
        return {**facts, "unlearning": code, "method": method, "seconds": 1.0}

    monkeypatch.setattr(every_method, "cost", measure)
    grid, interrupting = Grid(trials=2, methods=("RT", "FT")), True
    with pytest.raises(KeyboardInterrupt):
        every_method.measure_costs(grid, 2, tmp_path)
    assert len(every_method.costs(tmp_path)) == after
    interrupting = False
    assert every_method.measure_costs(grid, 2, tmp_path) == 4 - after
    assert len(timed) == len(set(timed)) == 4


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("toy")) as path:
        yield path


def small(toy, **change):
    given = SMALL_SETTINGS.__class__(
        SMALL_SETTINGS.recipe, SMALL_SETTINGS.methods, {"random": SMALL_SETTINGS.attacks["random"]}
    )
    return Grid(dataset=toy, given=given, **{"methods": ("FT", "RL", "NG"), "device": "cpu", **change})


@pytest.mark.parametrize("at", [1, 2])
def test_a_sweep_keeps_every_model_that_was_attacked(at, toy, tmp_path, monkeypatch):
    made, facts = [], engine.unlearned_facts

    def counted(spec, unlearning, *rest):
        if len(made) == at and interrupting:
            raise KeyboardInterrupt
        made.append(unlearning)
        return facts(spec, unlearning, *rest)

    monkeypatch.setattr(engine, "unlearned_facts", counted)
    store, interrupting = Store(tmp_path), True
    with pytest.raises(KeyboardInterrupt):
        engine.sweep(small(toy), store)
    assert sorted(filter(None, store.models("toy").unlearning)) == sorted(made)
    interrupting = False
    assert engine.sweep(small(toy), store) == 1
    assert made == ["FT", "RL", "NG"] and engine.sweep(small(toy), store) == 0


class Bar:
    """Stands in for tqdm and notes what it was told."""

    told: list

    def __init__(self, total, **_):
        self.total, self.n = total, 0
        Bar.told = [(0, total)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def update(self, count=1):
        self.n += count
        self.told.append((self.n, self.total))


@pytest.mark.parametrize(
    ("change", "total"), [({}, 3), ({"trials": 2, "methods": ("FT", "RL")}, 4), ({"methods": ("FT",)}, 1)]
)
def test_a_sweep_shows_every_model_on_its_way(change, total, toy, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "tqdm", Bar)
    engine.sweep(small(toy, **change), Store(tmp_path))
    assert Bar.told == [(n, total) for n in range(total + 1)]


def test_crossed_seeds_go_on_where_they_stopped(toy, tmp_path, monkeypatch, capsys):
    made = []

    def run(crossing, store):
        if len(made) == 2 and interrupting:
            raise KeyboardInterrupt
        made.append(crossing.identity)

    design = [
        crossed.Crossing("FT", (TrialSpec.from_parameters(dataset=toy, forgotten=[c], device="cpu"),)) for c in range(3)
    ]
    monkeypatch.setattr(crossed, "design", lambda *_, **__: design)
    monkeypatch.setattr(crossed, "missing", lambda crossings, _: [c for c in crossings if c.identity not in made])
    monkeypatch.setattr(crossed, "run", run)
    interrupting = True
    options = ["--datasets", "digits", "--methods", "FT", "--store", str(tmp_path)]
    assert crossed.main(options) == 130
    assert capsys.readouterr().err == f"{described(load_dataset(toy))}\n{SAID}"
    interrupting = False
    assert crossed.main(options) == 0 and len(made) == len(set(made)) == 3


ENDED = """
import signal, sys, time
from pathlib import Path
from labelleak_lib.command import one_sentence
from labelleak_lib.files import replacing

# a shell without job control starts what runs in the background with Ctrl-C ignored
signal.signal(signal.SIGINT, signal.default_int_handler)

@one_sentence
def main(arguments=None):
    with replacing(Path(sys.argv[1])) as file:
        file.write(b"half")
        print("begun", flush=True)
        time.sleep(60)
    return 0

sys.exit(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_end_leaves_no_half_file(number, tmp_path):
    path = tmp_path / "records.parquet"
    write_atomically(path, b"whole")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", ENDED, str(path)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (130, SAID)
    assert path.read_bytes() == b"whole" and list(tmp_path.iterdir()) == [path]


def test_a_verb_that_ends_by_itself_leaves_the_signals_as_they_were():
    before = signal.getsignal(signal.SIGTERM)
    assert one_sentence(lambda: 0)() == 0 and signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("seconds", "said"), [(0.0, None), (0.001, None), (1.0, "minutes"), (60.0, "hours")])
def test_what_takes_more_than_a_minute_is_told_before_it_starts(seconds, said, toy, tmp_path, monkeypatch, capsys):
    grid = small(toy)
    steps = cost.steps(grid.cells()[0].spec.settings.recipe, len(grid.cells()[0].spec.part("train")))
    monkeypatch.setattr(cost, "seconds_a_step", lambda _: seconds)
    monkeypatch.setattr(engine, "run_task", lambda *_: [])
    engine.sweep(grid, Store(tmp_path))
    told = capsys.readouterr().err
    assert ("toy: 3 models to unlearn and attack, roughly " in told) == (said is not None)
    if said:
        # M_o and three models, each a training and as long again
        whole = 2 * 4 * steps * seconds
        assert f"roughly {whole / (60 if said == 'minutes' else 3600):.0f} {said}" in told


def test_a_step_is_timed_here(toy):
    spec = small(toy).cells()[0].spec
    begun = time.perf_counter()
    assert 0 <= cost.seconds_a_step(spec) < time.perf_counter() - begun
