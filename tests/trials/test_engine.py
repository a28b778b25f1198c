"""The engine: grids are checked, runs resume, and however they are interrupted or spread, the records are the same."""

import dataclasses
import functools
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from toys import SMALL_SETTINGS

from labelleak_lib.attacks.head_readings import HeadBias
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.describing import described
from labelleak_lib.registry import ATTACKS
from labelleak_lib.trials import cells, engine, originals, specification
from labelleak_lib.trials.engine import Known, collect, main, open_tasks, sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.judging import EVIDENCE_COLUMNS, KEY, judge
from labelleak_lib.trials.store import KEYS, Store

TIMED = ["seconds"]
TRIALS = 6


@pytest.fixture(scope="module")
def blobs_npz(tmp_path_factory):
    """Four noisy 8x8 pictures: a data set that trains in a moment."""
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 4
    pictures = generator.random((4, 8, 8))
    images = np.clip(pictures[labels] + 0.2 * generator.standard_normal((400, 8, 8)), 0, 1)
    path = tmp_path_factory.mktemp("data") / "blobs.npz"
    np.savez(path, images=(images * 255).astype(np.uint8), labels=labels)
    return str(path)


@pytest.fixture(scope="module")
def grid(blobs_npz):
    """Trials that end in a moment, and so many that a sweep of them is killed before it ends."""
    return Grid(dataset=blobs_npz, trials=TRIALS, methods=("RL",), seed=3, given=SMALL_SETTINGS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache of models for the module, so that each M_o is trained once."""
    folder = tmp_path_factory.mktemp("cache")
    before = os.environ.get("LABELLEAK_CACHE")
    os.environ["LABELLEAK_CACHE"] = str(folder)
    yield folder
    os.environ.pop("LABELLEAK_CACHE")
    if before is not None:
        os.environ["LABELLEAK_CACHE"] = before


@pytest.fixture(scope="module")
def uninterrupted(grid, cache, tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("whole"))
    assert sweep(grid, store) == TRIALS
    return store


def comparable(store):
    return judge(*store.read("blobs")).drop(columns=TIMED).sort_values(KEY).reset_index(drop=True)


def assert_same_records(first, second):
    pd.testing.assert_frame_equal(comparable(first), comparable(second))
    for kind, keys in KEYS.items():
        one, other = (
            getattr(store.read("blobs"), kind).sort_values(keys).reset_index(drop=True) for store in (first, second)
        )
        lists = [name for name in ("accuracy", "shape") if name in one]
        assert [list(map(list, one[name])) for name in lists] == [list(map(list, other[name])) for name in lists]
        left_out = [*lists, *(name for name in TIMED if name in one)]
        pd.testing.assert_frame_equal(one.drop(columns=left_out), other.drop(columns=left_out), check_dtype=False)


@pytest.fixture(scope="module")
def processes(cache):
    """Start processes as copies of one that has imported what a sweep needs, which takes longer than the sweep."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["toys", "torch._dynamo", "distributed", "labelleak_lib.trials.engine"])
    return context


def options(grid, store, *more):
    """Return the options of the command `labelleak sweep` that runs this grid."""
    return [
        *("--dataset", grid.dataset, "--trials", str(grid.trials), "--ks", "1", "--seed", str(grid.seed)),
        *("--methods", *grid.methods, "--profile", grid.profile, "--store", str(store.root), *more),
    ]


def small_sweep(cache, arguments, said=os.devnull, most_bytes=resource.RLIM_INFINITY):
    """Run `labelleak sweep` with small settings; exit with its status, and write its errors to the file `said`."""
    os.environ["LABELLEAK_CACHE"] = str(cache)
    specification.settings = lambda profile, architecture: SMALL_SETTINGS
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    with open(said, "w") as sys.stderr:
        sys.exit(main(arguments))


@pytest.fixture
def started(processes, cache):
    """Return a function that starts `small_sweep` in a process of its own."""

    def start(*arguments):
        process = processes.Process(target=small_sweep, args=(cache, *arguments))
        process.start()
        return process

    return start


def exit_status(process):
    process.join(timeout=300)
    return process.exitcode


def known(store):
    return Known.of(store.read("blobs"))


def test_a_stored_grid_is_not_run_again_and_folding_keeps_every_record(grid, uninterrupted):
    before = comparable(uninterrupted)
    assert open_tasks(grid.cells(), known(uninterrupted)) == []
    assert sweep(grid, uninterrupted) == 0
    uninterrupted.fold("blobs")
    assert not list(uninterrupted.root.glob("cells/blobs/*.npz"))
    pd.testing.assert_frame_equal(comparable(uninterrupted), before)
    assert sweep(grid, uninterrupted) == 0


def test_every_attack_row_has_its_placebo(grid, uninterrupted):
    rows = comparable(uninterrupted)
    keys = ["config_hash", "attack", "criterion", "protocol"]
    assert (rows.groupby(keys).control.agg(set) == {"none", "placebo"}).all()
    assert rows.config_hash.nunique() == TRIALS


def touched(folder):
    return folder.stat().st_mtime_ns if folder.exists() else 0


def cells_of(store):
    return list(store.root.glob("cells/blobs/[!.]*.npz"))


def test_killed_at_random_moments_and_resumed_the_records_are_the_same(grid, started, uninterrupted, tmp_path):
    store, moments = Store(tmp_path / "killed"), random.Random(0)
    # before anything is written, and while the records of the trials are
    for written in (0, 1):
        begun = touched(store.root)
        process = started(options(grid, store, "--jobs", "1"))
        while process.is_alive() and (touched(store.root) == begun or len(cells_of(store)) < written):
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.2))
        process.kill()
        assert exit_status(process) == -signal.SIGKILL, "it had not ended by itself"
        judge(*store.read("blobs"))
    assert 0 < len(store.models("blobs")) < len(uninterrupted.models("blobs"))
    assert exit_status(started(options(grid, store, "--jobs", "1"))) == 0
    assert_same_records(store, uninterrupted)
    assert not list(store.root.rglob("*.draft")) or all(p.name.startswith(".") for p in store.root.rglob("*.draft"))


def test_the_command_itself_runs_a_sweep_with_all_attacks(blobs_npz, tmp_path):
    given = ["--dataset", blobs_npz, "--ks", "1", "--methods", "RT", "--jobs", "1", "--store", str(tmp_path / "store")]
    environment = {**os.environ, "LABELLEAK_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "labelleak_lib", "sweep", *given]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    rows = comparable(Store(tmp_path / "store"))
    assert set(rows.unlearning) == {"RT"} and set(rows.attack) == set(ATTACKS)


def test_two_sweeps_at_once_on_one_store(grid, started, uninterrupted, tmp_path):
    store = Store(tmp_path / "shared")
    both = [started(options(grid, store, "--jobs", "1")) for _ in range(2)]
    assert [exit_status(process) for process in both] == [0, 0]
    assert_same_records(store, uninterrupted)


def test_worker_processes_give_the_same_records(grid, cache, uninterrupted, tmp_path):
    store = Store(tmp_path / "workers")
    sweep(grid, store, jobs=2)
    assert_same_records(store, uninterrupted)


def test_a_dask_cluster_gives_the_same_records(grid, processes, uninterrupted, monkeypatch, tmp_path):
    import dask
    from distributed import LocalCluster

    store = Store(tmp_path / "dask")
    # its workers are copies of the same process
    started_as = dask.config.set({"distributed.worker.multiprocessing-method": processes.get_start_method()})
    with (
        started_as,
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
    ):
        monkeypatch.setattr(specification, "settings", lambda profile, architecture: SMALL_SETTINGS)
        assert main(options(grid, store, "--scheduler", cluster.scheduler_address)) == 0
    assert_same_records(store, uninterrupted)


def test_another_seed_or_method_is_another_cell(grid, uninterrupted):
    held = known(uninterrupted)
    assert len(open_tasks(dataclasses.replace(grid, seed=9).cells(), held)) == TRIALS
    (task,) = open_tasks(dataclasses.replace(grid, trials=1, methods=("RL", "FT")).cells(), held)
    complete = [cell.unlearning for cell in task.cells if held.complete([cell])]
    assert complete == ["RL"]


def test_collect_reads_what_is_there_and_computes_the_rest(grid, cache, uninterrupted):
    two, whole = dataclasses.replace(grid, trials=2), comparable(uninterrupted)
    first = collect(two)
    again = collect(two)
    pd.testing.assert_frame_equal(first.records, again.records)
    found = first.records.drop(columns=TIMED).sort_values(KEY).reset_index(drop=True)
    there = whole[whole.trial < 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, there, check_dtype=False)
    recomputed = collect(two, records="recompute")
    assert len(recomputed.records) == len(first.records)
    assert first.evidence.columns.tolist() == EVIDENCE_COLUMNS
    assert set(first.evidence.config_hash) == set(first.records.config_hash)


@pytest.fixture
def calls(monkeypatch):
    """Count what is trained, unlearned and attacked."""
    counted = Counter()
    gather, apply, learn = cells.gather, originals.unlearned_by, originals.train

    def counting_gather(spec, model, name, attack, protocol=""):
        counted["attacks"] += 1
        counted[name, spec.forgotten] += 1
        return gather(spec, model, name, attack, protocol)

    def counting_apply(*arguments, **options):
        counted["unlearned"] += 1
        return apply(*arguments, **options)

    def counting_train(*arguments, **options):
        counted["trained"] += 1
        return learn(*arguments, **options)

    monkeypatch.setattr(cells, "gather", counting_gather)
    monkeypatch.setattr(originals, "unlearned_by", counting_apply)
    monkeypatch.setattr(originals, "train", counting_train)
    return counted


PIECES = sum(1 + attack.per_protocol for attack in SMALL_SETTINGS.attacks.values())
STAGED = sum(2 * attack.per_protocol for attack in SMALL_SETTINGS.attacks.values())
"""Pieces of evidence on a model, and of these such as depend on which classes were forgotten."""


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def small(blobs_npz, own_cache):
    """Return a function that makes grids of quick trials, with an empty cache."""
    return functools.partial(Grid, dataset=blobs_npz, given=SMALL_SETTINGS, device="cpu")


@pytest.mark.parametrize("models", ["kept", "lost"])
def test_collect_runs_what_is_missing_and_nothing_else(small, own_cache, calls, models):
    methods = ("RT", "RL", "AU")
    held = collect(small(ks=(1, 2), methods=methods))
    assert held.records.config_hash.nunique() == 6
    if models == "lost":
        shutil.rmtree(own_cache / "models")
    calls.clear()
    found = collect(small(ks=(1, 2, 3), methods=methods))
    assert found.records.config_hash.nunique() == 9
    assert calls["unlearned"] == 3 and calls["trained"] == 2 * (models == "lost"), "by the recipe, and by AU's"
    assert {key[1] for key in calls if isinstance(key, tuple)} == {small(ks=(3,)).specs()[0].forgotten}
    # three M_u, and two M_o of which the label-free evidence is there
    assert calls["attacks"] == 3 * PIECES + 2 * STAGED
    calls.clear()
    again = collect(small(ks=(3,), methods=("RL",)))
    assert not calls and again.records.config_hash.nunique() == 1
    old = found.records[found.records.config_hash.isin(held.records.config_hash)]
    columns = [name for name in old if name not in TIMED]
    pd.testing.assert_frame_equal(
        old.sort_values(KEY)[columns].reset_index(drop=True),
        held.records.sort_values(KEY)[columns].reset_index(drop=True),
    )


def test_evidence_on_the_original_that_no_label_enters_is_gathered_once_for_all_k(small, calls, tmp_path):
    grid = small(ks=(1, 2, 3), methods=("RT", "FT"))
    sweep(grid, Store(tmp_path / "store"))
    for name, attack in SMALL_SETTINGS.attacks.items():
        count = sum(number for key, number in calls.items() if isinstance(key, tuple) and key[0] == name)
        # on six M_u, and on one M_o: under both protocols of every k, or once
        assert count == (2 * (6 + 3) if attack.per_protocol else 6 + 1)
    evidence = Store(tmp_path / "store").evidence("blobs")
    originals_there = {cell.original for cell in grid.cells()}
    assert len(originals_there) == 1
    assert (evidence[evidence.model.isin(originals_there)].groupby(["evidence", "kind"]).size() == 1).all()


def test_an_attack_that_is_added_later_runs_alone_and_leaves_the_others_evidence(small, calls, tmp_path):
    store, some = Store(tmp_path / "store"), small(ks=(1, 2), methods=("RT", "AU"))
    sweep(some, store)
    store.fold("blobs")
    before = store.evidence("blobs")
    calls.clear()
    more = dataclasses.replace(SMALL_SETTINGS, attacks={**SMALL_SETTINGS.attacks, "head_bias": HeadBias()})
    sweep(dataclasses.replace(some, given=more), store)
    # four M_u, their common M_o, and the one by AU's recipe
    assert calls["attacks"] == 6 and not calls["trained"] and not calls["unlearned"]
    assert {key[0] for key in calls if isinstance(key, tuple)} == {"head_bias"}
    after = store.evidence("blobs")
    keys = ["evidence", "kind"]
    kept = after[after.attack != "head_bias"].sort_values(keys).reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, before.sort_values(keys).reset_index(drop=True), check_dtype=False)
    rows = judge(*store.read("blobs"))
    assert (rows.groupby("config_hash").attack.nunique() == len(more.attacks)).all()


def other_processor(monkeypatch, cache):
    """Let training end in other weights, as it does where sums are rounded otherwise, with no model at hand."""
    shutil.rmtree(cache / "models")
    learn = originals.train

    def rounded_otherwise(model, *arguments, **options):
        learn(model, *arguments, **options)
        with torch.no_grad():
            model.head.bias += 1e-3

    monkeypatch.setattr(originals, "train", rounded_otherwise)


def test_what_is_recomputed_and_folded_replaces_what_was_there(small, own_cache, monkeypatch):
    grid, store = small(methods=("RT", "NG")), Store(own_cache / "records")
    first = collect(grid)
    store.fold("blobs")
    before = store.models("blobs").set_index("model").weights
    other_processor(monkeypatch, own_cache)
    second = collect(grid, records="recompute")
    for _ in range(2):
        after = store.models("blobs").set_index("model").weights
        assert set(after.index) == set(before.index) and (after != before.reindex(after.index)).any()
        again, there = (
            part.sort_values(KEY).reset_index(drop=True) for part in (collect(grid).records, second.records)
        )
        pd.testing.assert_frame_equal(again, there)
        store.fold("blobs")
    assert not first.evidence["values"].equals(second.evidence["values"])


def test_two_original_models_of_one_identity_never_mix(small, own_cache, monkeypatch):
    grid, store = small(methods=("RT", "NG")), Store(own_cache / "store")
    sweep(dataclasses.replace(grid, methods=("RT",)), store)
    (old,) = store.models("blobs").query("unlearning == ''").weights
    other_processor(monkeypatch, own_cache)
    sweep(grid, store)
    for _ in range(2):
        models, evidence = store.read("blobs")
        (new,) = models.query("unlearning == ''").weights
        assert new != old and set(models.query("unlearning != ''").original_weights) == {new}
        assert set(evidence.weights) == set(models.weights)
        assert judge(models, evidence).config_hash.nunique() == 2
        store.fold("blobs")
    assert sweep(grid, store) == 0


def test_a_model_whose_original_was_replaced_is_run_again(small, own_cache, monkeypatch):
    both, store = small(methods=("RT", "NG")), Store(own_cache / "store")
    sweep(both, store)
    other_processor(monkeypatch, own_cache)
    sweep(dataclasses.replace(both, methods=("NG",)), store, recompute=True)
    models, evidence = store.read("blobs")
    assert set(judge(models, evidence).unlearning) == {"NG"}, "of RT's M_o nothing is left to compare with"
    assert sweep(both, store) == 1
    assert set(judge(*store.read("blobs")).unlearning) == {"RT", "NG"}


def test_committed_evidence_is_read_and_never_written(small, own_cache, calls, monkeypatch, tmp_path):
    archive = Store(tmp_path / "archive")
    sweep(small(methods=("RT",)), archive)
    archive.fold("blobs")
    before = {path: path.read_bytes() for path in archive.root.rglob("*.parquet")}
    monkeypatch.setattr(engine, "COMMITTED", archive.root)
    calls.clear()
    assert set(collect(small(methods=("RT",))).records.unlearning) == {"RT"} and not calls
    assert set(collect(small(methods=("RT", "NG"))).records.unlearning) == {"RT", "NG"}
    assert calls["unlearned"] == 1
    collect(small(methods=("RT",)), records="recompute")
    assert calls["attacks"] > 2 * PIECES
    assert before == {
        path: path.read_bytes() for path in archive.root.rglob("*") if path.suffix in (".parquet", ".npz")
    }


def test_an_unknown_way_to_use_records_is_refused(small):
    with pytest.raises(ValueError, match=r"^records is 'never'; it must be"):
        collect(small(), records="never")


NOTEBOOK = """
import sys
from dataclasses import dataclass
from typing import ClassVar
import torch
from labelleak_lib import ATTACKS, METHODS, Grid, collect
from labelleak_lib.evidence import Evidence

SHIFT = 100

def lowered(model, rows):
    with torch.no_grad():
        model.head.bias[rows] -= SHIFT
    return model

@METHODS.register("MINE")
@dataclass(frozen=True)
class Mine:
    def unlearn(self, original, retain, forget, *, generator):
        return lowered(original, forget.labels.unique())

@ATTACKS.register("mine")
@dataclass(frozen=True)
class Bias:
    access_kind: ClassVar[str] = "white_box"
    per_protocol: ClassVar[bool] = False
    criteria: ClassVar[tuple] = ("two_means",)
    def evidence(self, access, *, generator):
        return Evidence("mine", access.classes, -access.model.head.bias.detach().double().cpu().numpy())

if __name__ == "__main__":
    for name in set(ATTACKS) - {"mine", "random_inputs"}:
        del ATTACKS._classes[name]  # a moment's work is enough here
    rows = collect(Grid(dataset=sys.argv[1], trials=2, methods=("MINE",), device="cpu"), jobs=int(sys.argv[2])).records
    own = rows[(rows.control == "none") & (rows.attack == "mine") & (rows.criterion == "two_means")]
    print(f"{own.config_hash.nunique()} cells, {len(own)} records, exact on {own.exact_match.tolist()}")
"""


def test_methods_and_attacks_of_a_notebook_are_known_to_worker_processes(blobs_npz, tmp_path):
    (tmp_path / "script.py").write_text(NOTEBOOK)
    command = [sys.executable, tmp_path / "script.py", blobs_npz, "2"]
    environment = {**os.environ, "LABELLEAK_CACHE": str(tmp_path / "cache")}
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert said == f"2 cells, 4 records, exact on {[1.0] * 4}\n"


def test_a_method_that_changes_while_it_runs_is_an_error_and_no_empty_result(small):
    def method(original, retain, forget, *, generator, seen=[]):  # noqa: B006
        seen.append(len(retain))
        return original

    own = dataclasses.replace(SMALL_SETTINGS, methods={"MINE": method}, attacks={"head_bias": HeadBias()})
    with pytest.raises(RuntimeError, match="changed meanwhile"):
        collect(small(methods=("MINE",), given=own))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dataset", "nothing_here"], ["nothing_here", "fashion_mnist"]),
        (["--trials", "0"], ["trials", "0", "at least 1"]),
        (["--seed", "-1"], ["seed", "-1", "at least 0"]),
        (["--ks", "0"], ["k", "0", "from 1 to 9"]),
        (["--ks", "10"], ["k", "10", "from 1 to 9"]),
        (["--methods", "XX"], ["XX", "RT"]),
        (["--profile", "huge"], ["profile", "huge", "quick"]),
        (["--device", "warp"], ["device", "warp", "cpu"]),
        (["--jobs", "0"], ["jobs", "0"]),
    ],
)
def test_a_bad_option_is_one_sentence_and_a_failure(options, words, tmp_path, capsys):
    assert main([*options, "--store", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1
    assert all(word in said for word in words)
    assert not list(tmp_path.iterdir())


NOWHERE = ["/proc/nowhere", "file/records"]
"""A file system that takes no files, and a folder where a file stands."""


@pytest.mark.parametrize("store", NOWHERE)
def test_a_store_that_cannot_be_written_is_one_sentence_before_anything_is_computed(
    store, blobs_npz, tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setattr("labelleak_lib.trials.engine.run_task", lambda *_: pytest.fail("computed something"))
    assert main(["--dataset", blobs_npz, "--ks", "1", "--jobs", "1", "--store", str(tmp_path / store)]) == 2
    *understood, said = capsys.readouterr().err.splitlines()
    assert understood == described(load_dataset(blobs_npz)).splitlines()
    assert said.startswith("error: ") and "could not be written" in said and str(tmp_path / store) in said
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_disk_that_fills_up_is_one_sentence_and_damages_no_record(grid, cache, started, uninterrupted, tmp_path):
    store, said = Store(tmp_path / "store"), tmp_path / "said"
    sweep(dataclasses.replace(grid, trials=TRIALS - 2), store)
    before = {path: path.read_bytes() for path in store.root.rglob("*.npz")}
    limit = min(map(len, before.values())) // 2
    assert exit_status(started(options(grid, store, "--jobs", "2"), said, limit)) == 2
    last = said.read_text().splitlines()[-1]
    assert last.startswith("error: ") and "could not be written" in last
    assert {path: path.read_bytes() for path in store.root.rglob("*") if path.suffix in (".npz", ".draft")} == before
    assert sweep(grid, store) == 2, "with room again, the rest is computed"
    assert_same_records(store, uninterrupted)
