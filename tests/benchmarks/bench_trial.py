"""One whole trial: where its time goes; and what a second worker process brings to a sweep."""

import shutil
import time
from collections import Counter
from dataclasses import replace

import joblib
import pytest

from labelleak_lib.trials import cells, engine, grants, originals
from labelleak_lib.trials.committed import committed
from labelleak_lib.trials.engine import open_tasks
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.known import NOTHING
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store
from labelleak_lib.unlearning.amnesiac import Amnesiac

TRIAL = "one trial on Fashion-MNIST, five methods, all attacks, placebos"


@pytest.fixture
def spent(monkeypatch, tmp_path) -> tuple[Counter, Counter]:
    """Count the processor seconds of each phase, and the seconds of each attack, with nothing in the cache."""
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path))
    found, attacks = Counter(), Counter()

    def timed(phase, function):
        def run(*arguments, **options):
            begin = time.process_time()
            result = function(*arguments, **options)
            found[phase] += time.process_time() - begin
            return result

        return run

    def gathered(spec, model, name, attack, protocol=""):
        evidence, seconds = gather(spec, model, name, attack, protocol)
        attacks[name] += seconds
        return evidence, seconds

    gather = grants.gather
    monkeypatch.setattr(originals, "train", timed("training", originals.train))
    monkeypatch.setattr(Amnesiac, "watch_training", timed("training", Amnesiac.watch_training))
    monkeypatch.setattr(originals, "unlearned_by", timed("unlearning", originals.unlearned_by))
    monkeypatch.setattr(cells, "gather", timed("attacks", gathered))
    return found, attacks


def shares(seconds, whole):
    return ", ".join(f"{name} {100 * part / whole:.0f}%" for name, part in seconds.items() if part >= 0.01 * whole)


def test_one_trial(enter, benchmark, spent):
    phases, attacks = spent
    tasks = open_tasks(Grid("fashion_mnist", seed=1000, profile="paper", device="cpu").cells(), NOTHING)

    def run():
        for task in tasks:
            engine.run_task(task)

    enter(
        run, subject=TRIAL, name="share of the attacks", role="at_most", rounds=1, target=1 / 3, unit="of the time",
        value=lambda _: phases["attacks"] / benchmark.stats.stats.min,
    )  # fmt: skip
    whole = benchmark.stats.stats.min
    parts = {**phases, "rest": whole - sum(phases.values())}
    benchmark.extra_info["quality"] = shares(parts, whole)
    benchmark.extra_info["note"] = shares(attacks, sum(attacks.values()))


class Grown:
    """Ten models of which one attack is known, kept in a folder, and the grid that asks for `passive_reach` too."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.patch = folder, monkeypatch
        whole = TrialSpec.from_parameters(dataset="fashion_mnist", seed=1000, profile="paper").settings
        few = replace(whole, attacks={"random_inputs": whole.attacks["random_inputs"]})
        more = replace(few, attacks={**few.attacks, "passive_reach": whole.attacks["passive_reach"]})
        grid = Grid("fashion_mnist", seed=1000, profile="paper", ks=(1, 3), device="cpu", given=few)
        self.patch.setenv("LABELLEAK_CACHE", str(folder / "kept" / "cache"))
        engine.sweep(grid, Store(folder / "kept" / "store"))
        self.grid, self.models = replace(grid, given=more), len(grid.cells())

    def copied(self, name):
        """Return a store with what is known, and let the cache hold the models, or none."""
        shutil.copytree(self.folder / "kept", self.folder / name)
        self.patch.setenv("LABELLEAK_CACHE", str(self.folder / name / "cache"))
        if name == "no model at hand":
            shutil.rmtree(self.folder / name / "cache" / "models")
        return Store(self.folder / name / "store")


@pytest.fixture(scope="module")
def grown(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        yield Grown(tmp_path_factory.mktemp("grown"), patch)


@pytest.mark.parametrize("name", ["models at hand", "no model at hand"])
def test_one_attack_more(enter, grown, name):
    """Add an attack to what is known of ten models, which is all that a committed data set needs, as often."""
    store, models = grown.copied(name), committed()["fashion_mnist"].models
    cells = int((models.unlearning != "").sum())
    enter(
        lambda: engine.sweep(grown.grid, store), subject=f"an attack added to {cells} committed models",
        name=f"passive_reach, {name}", role="aside", rounds=1, scale=cells / grown.models,
        scaled_from=f"{grown.models} models of Fashion-MNIST",
    )  # fmt: skip
    assert (store.evidence("fashion_mnist").attack == "passive_reach").sum() >= grown.models


def clocked(monkeypatch, folder, jobs):
    """Return the seconds that a sweep takes, by the clock."""
    monkeypatch.setenv("LABELLEAK_CACHE", str(folder / "cache"))
    grid = Grid("digits", trials=4, seed=1000, methods=("RT", "FT"), device="cpu")
    # A worker's start is no part of the comparison: long sweeps pay for it once.
    with engine._backend(None), joblib.Parallel(n_jobs=jobs) as workers:
        workers(joblib.delayed(open_tasks)(grid.cells(), NOTHING) for _ in range(4 * jobs))
    begin = time.perf_counter()
    engine.sweep(grid, Store(folder / "store"), jobs=jobs)
    return time.perf_counter() - begin


def test_two_workers(enter, monkeypatch, tmp_path):
    enter(
        lambda: [clocked(monkeypatch, tmp_path / str(jobs), jobs) for jobs in (1, 2)], subject="sweep on digits",
        name="speed-up of two workers", role="at_least", rounds=1, wall=True, target=1.7, unit="times one worker",
        value=lambda found: found[0] / found[1], quality=lambda found: "one {:.1f} s, two {:.1f} s".format(*found),
    )  # fmt: skip
