"""The engine: grids are checked, runs resume, and however they are interrupted or spread, the records are the same."""

import os
import random
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from labelleak_lib.trials.engine import collect, main, sweep
from labelleak_lib.trials.grid import Grid, open_tasks
from labelleak_lib.trials.records import RecordStore

TIMED = ["seconds"]


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
    return Grid(dataset=blobs_npz, trials=2, methods=("NG",), seed=3)


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
    store = RecordStore(tmp_path_factory.mktemp("whole"))
    assert sweep(grid, store) == 2
    return store


def comparable(store):
    rows = store.read("blobs").drop(columns=TIMED)
    return rows.sort_values(["config_hash", "control", "attack", "criterion", "protocol"]).reset_index(drop=True)


def assert_same_records(first, second):
    pd.testing.assert_frame_equal(comparable(first), comparable(second))
    keys = ["config_hash", "control", "attack", "protocols", "kind"]
    evidence = [store.evidence("blobs").sort_values(keys).reset_index(drop=True) for store in (first, second)]
    assert evidence[0][keys].equals(evidence[1][keys])
    for one, other in zip(evidence[0]["values"], evidence[1]["values"], strict=True):
        np.testing.assert_array_equal(one, other)


def command(grid, store, *more):
    options = ["--dataset", grid.dataset, "--trials", str(grid.trials), "--ks", "1", "--seed", str(grid.seed)]
    options += ["--methods", *grid.methods, "--profile", grid.profile, "--store", str(store.root), *more]
    return [sys.executable, "-m", "labelleak_lib.trials.engine", *options]


def test_a_stored_grid_is_not_run_again_and_folding_keeps_every_record(grid, uninterrupted):
    before = comparable(uninterrupted)
    assert open_tasks(grid, uninterrupted.known("blobs")) == []
    assert sweep(grid, uninterrupted) == 0
    uninterrupted.compact("blobs")
    assert not list(uninterrupted.root.glob("cells/blobs/*.npz"))
    pd.testing.assert_frame_equal(comparable(uninterrupted), before)
    assert sweep(grid, uninterrupted) == 0


def test_every_attack_row_has_its_placebo(grid, uninterrupted):
    rows = uninterrupted.read("blobs")
    keys = ["config_hash", "attack", "criterion", "protocol"]
    assert (rows.groupby(keys).control.agg(set) == {"none", "placebo"}).all()
    assert rows.config_hash.nunique() == 2


def test_killed_at_random_moments_and_resumed_the_records_are_the_same(grid, cache, uninterrupted, tmp_path):
    store, moments = RecordStore(tmp_path / "killed"), random.Random(0)
    for _ in range(3):
        process = subprocess.Popen(command(grid, store, "--jobs", "1"), stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(3, 7))
        process.send_signal(signal.SIGKILL)
        process.wait()
        store.read("blobs")
        store.evidence("blobs")
    subprocess.run(command(grid, store, "--jobs", "1"), check=True, capture_output=True)
    assert_same_records(store, uninterrupted)
    assert not list(store.root.rglob("*.draft")) or all(p.name.startswith(".") for p in store.root.rglob("*.draft"))


def test_two_sweeps_at_once_on_one_store(grid, cache, uninterrupted, tmp_path):
    store = RecordStore(tmp_path / "shared")
    both = [subprocess.Popen(command(grid, store, "--jobs", "1"), stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    assert_same_records(store, uninterrupted)


def test_worker_processes_give_the_same_records(grid, cache, uninterrupted, tmp_path):
    store = RecordStore(tmp_path / "workers")
    sweep(grid, store, jobs=2)
    assert_same_records(store, uninterrupted)


def test_a_dask_cluster_gives_the_same_records(grid, cache, uninterrupted, tmp_path):
    from distributed import LocalCluster

    store = RecordStore(tmp_path / "dask")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        subprocess.run(command(grid, store, "--scheduler", cluster.scheduler_address), check=True, capture_output=True)
    assert_same_records(store, uninterrupted)


def test_another_seed_or_method_is_another_cell(grid, uninterrupted, blobs_npz):
    known = uninterrupted.known("blobs")
    assert open_tasks(Grid(dataset=blobs_npz, trials=2, methods=("NG",), seed=9), known)
    assert [task.methods for task in open_tasks(Grid(dataset=blobs_npz, methods=("NG", "FT"), seed=3), known)] == [
        ("FT",)
    ]


def test_collect_reads_what_is_there_and_computes_the_rest(grid, cache, uninterrupted):
    first = collect(grid)
    again = collect(grid)
    pd.testing.assert_frame_equal(first.records, again.records)
    expected = comparable(uninterrupted).drop(columns=["flags"])
    found = first.records.drop(columns=[*TIMED, "flags"])
    found = found.sort_values(["config_hash", "control", "attack", "criterion", "protocol"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    recomputed = collect(grid, records="recompute")
    assert len(recomputed.records) == len(first.records)


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
    said = capsys.readouterr().err
    assert (
        said.startswith("error: ")
        and said.count("\n") == 1
        and "could not be written" in said
        and str(tmp_path / store) in said
    )
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_disk_that_fills_up_is_one_sentence_and_damages_no_record(grid, cache, uninterrupted, tmp_path):
    store = RecordStore(tmp_path)
    sweep(Grid(dataset=grid.dataset, trials=1, methods=("NG",), seed=3), store)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.npz")}
    limit = min(map(len, before.values())) // 2

    def fill_up():
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    options = ["--dataset", grid.dataset, "--trials", "2", "--methods", "NG", "--seed", "3", "--ks", "1"]
    command = [sys.executable, "-m", "labelleak_lib.trials.engine", *options, "--profile", grid.profile, "--jobs", "2"]
    ended = subprocess.run(
        [*command, "--store", str(tmp_path)], preexec_fn=fill_up, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("error: ") and "could not be written" in ended.stderr
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.suffix in (".npz", ".draft")} == before
    assert sweep(grid, store) == 1, "with room again, the rest is computed"
    pd.testing.assert_frame_equal(comparable(store), comparable(uninterrupted))
