"""The record store: what is written comes back, whole or not at all, whoever else reads and writes."""

import os
import threading

import numpy as np
import pandas as pd
import pytest

from labelleak_lib.files import write_atomically
from labelleak_lib.trials.records import COLUMNS, EVIDENCE_COLUMNS, Cell, RecordStore, unpack, with_cells

TEXT = {"dataset", "architecture", "profile", "forgotten", "unlearning", "control", "attack", "criterion", "protocol"}
TEXT |= {"predicted", "flags", "data_variant", "config_hash", "code_version"}
WHOLE = {"seed", "trial", "k", "queries", "train_seed", "unlearn_seed", "attack_seed", "classes"}


def cell(digest, trial=0, **change):
    """Make a cell of four rows with every kind of value that occurs, and evidence of several shapes."""
    draw = np.random.default_rng(trial)
    rows = []
    for control in ("none", "placebo"):
        for criterion in ("youden", "kmeans"):
            row = {name: float(draw.random()) for name in COLUMNS}
            row |= dict.fromkeys(TEXT, "x") | dict.fromkeys(WHOLE, 3)
            row |= {"control": control, "criterion": criterion, "config_hash": digest, "trial": trial}
            row |= {
                "forgotten": "1,3" if trial else "1",
                "predicted": "" if control == "none" else "0",
                "unlearned": True,
            }
            row |= {"auc": np.nan if criterion == "kmeans" else 1 / 3, "flags": "zero gradient; destroyed"}
            row |= {"unlearned": True, **change}
            rows.append(row)
    arrays = {
        "none/dot_product/paper/dot": draw.normal(size=7).astype(np.float32),
        "none/dot_product/attacker/source": np.arange(-1, 5),
        "placebo/whitebox_inversion/paper,attacker/inverted": draw.random((2, 1, 3, 3)).astype(np.float32),
    }
    return Cell(digest, pd.DataFrame(rows)[COLUMNS], arrays)


def in_order(frame):
    return frame.sort_values(["config_hash", "control", "criterion"]).reset_index(drop=True)


@pytest.fixture
def store(tmp_path):
    return RecordStore(tmp_path / "records")


def files(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_evidence_comes_with_the_record_of_its_own_cell_where_there_is_one(store):
    cells = {digest: cell(digest, trial) for trial, digest in enumerate("abc")}
    for one in cells.values():
        store.write("toy", one)
    records = store.read("toy")
    met = list(with_cells(store.evidence("toy"), records[records.config_hash != "b"]))
    assert [(row["config_hash"], held.trial) for row, _, held in met] == [("a", 0)] * 3 + [("c", 2)] * 3
    for row, array, _ in met:
        name = "/".join(row[part] for part in ("control", "attack", "protocols", "kind"))
        np.testing.assert_array_equal(array, cells[row["config_hash"]].arrays[name])


def test_an_empty_store_has_no_records_and_no_folder(store):
    assert store.known("toy") == set()
    assert store.read("toy").columns.tolist() == list(COLUMNS) and len(store.read("toy")) == 0
    assert store.evidence("toy").columns.tolist() == EVIDENCE_COLUMNS and len(store.evidence("toy")) == 0
    assert not store.root.exists()
    store.compact("toy")
    assert files(store.root) == []


@pytest.mark.parametrize("compacted", [False, True])
def test_what_is_written_is_read_back_exactly(store, compacted):
    cells = [cell("aaaa"), cell("bbbb", trial=1)]
    for c in cells:
        store.write("toy", c)
    if compacted:
        store.compact("toy")
        assert files(store.root) == ["toy.evidence.parquet", "toy.parquet"]
    expected = in_order(pd.concat([c.rows for c in cells]))
    found = in_order(store.read("toy"))
    assert found.columns.tolist() == list(COLUMNS)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=False, rtol=1e-14)
    assert store.known("toy") == {"aaaa", "bbbb"}
    for name in WHOLE | {"unlearned"}:
        assert found[name].tolist() == expected[name].tolist()
        assert found[name].dtype.kind == ("b" if name == "unlearned" else "i")


@pytest.mark.parametrize("compacted", [False, True])
def test_evidence_keeps_its_names_shapes_and_values(store, compacted):
    written = cell("aaaa")
    store.write("toy", written)
    store.write("toy", cell("bbbb", trial=1))
    if compacted:
        store.compact("toy")
    found = store.evidence("toy", ["aaaa"])
    assert found.columns.tolist() == EVIDENCE_COLUMNS and set(found.config_hash) == {"aaaa"}
    arrays = {
        f"{row['control']}/{row['attack']}/{row['protocols']}/{row['kind']}": unpack(row) for _, row in found.iterrows()
    }
    assert arrays.keys() == written.arrays.keys()
    for name, array in written.arrays.items():
        np.testing.assert_array_equal(arrays[name], array.astype(np.float32))
        assert arrays[name].shape == array.shape
    assert len(store.evidence("toy")) == 6 and len(store.evidence("toy", [])) == 0


def test_a_value_missing_in_every_row_stays_a_missing_number(store):
    store.write("toy", cell("aaaa", auc=np.nan))
    assert store.read("toy").auc.isna().all()
    store.compact("toy")
    store.write("toy", cell("bbbb", trial=1))
    store.compact("toy")
    found = store.read("toy").set_index("config_hash").auc.astype(float)
    assert found["aaaa"].isna().all() and found["bbbb"].notna().any()


def test_compacting_adds_to_what_was_compacted_and_repeats_without_change(store):
    store.write("toy", cell("aaaa"))
    store.compact("toy")
    store.write("toy", cell("bbbb", trial=1))
    assert len(store.read("toy")) == 8, "folded and open cells are read together"
    store.compact("toy")
    before = {name: (store.root / name).read_bytes() for name in files(store.root)}
    store.compact("toy")
    assert before == {name: (store.root / name).read_bytes() for name in files(store.root)}
    assert store.known("toy") == {"aaaa", "bbbb"} and len(store.read("toy")) == 8


def test_the_order_of_writing_leaves_no_trace_in_the_compacted_files(tmp_path):
    contents = []
    for order in (("aaaa", "bbbb"), ("bbbb", "aaaa")):
        store = RecordStore(tmp_path / order[0])
        for digest in order:
            store.write("toy", cell(digest, trial="ab".index(digest[0])))
        store.compact("toy")
        contents.append([(store.root / name).read_bytes() for name in files(store.root)])
    assert contents[0] == contents[1]


def test_a_cell_written_twice_counts_once(store):
    for _ in range(2):
        store.write("toy", cell("aaaa"))
    store.compact("toy")
    store.write("toy", cell("aaaa"))  # by a process that had not seen it
    assert len(store.read("toy")) == 4 and len(store.evidence("toy")) == 3
    store.compact("toy")
    assert len(store.read("toy")) == 4 and len(store.evidence("toy")) == 3


def test_data_sets_are_kept_apart(store):
    store.write("toy", cell("aaaa"))
    store.write("other", cell("bbbb"))
    store.compact("toy")
    assert store.known("toy") == {"aaaa"} and store.known("other") == {"bbbb"}
    assert set(store.read("other").config_hash) == {"bbbb"}


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_write_that_fails_leaves_nothing_and_what_was_there(store, monkeypatch, fault):
    def fail(*_):
        raise OSError("no space left on device")

    store.write("toy", cell("aaaa"))
    before = {name: (store.root / name).read_bytes() for name in files(store.root)}
    monkeypatch.setattr(os, fault, fail)
    with pytest.raises(OSError, match="no space left"):
        store.write("toy", cell("bbbb"))
    with pytest.raises(OSError, match="no space left"):
        store.compact("toy")
    monkeypatch.undo()
    assert before == {name: (store.root / name).read_bytes() for name in files(store.root)}
    assert store.known("toy") == {"aaaa"} and len(store.read("toy")) == 4


def test_an_interrupt_between_the_two_compacted_files_loses_nothing(store, monkeypatch):
    for digest in ("aaaa", "bbbb"):
        store.write("toy", cell(digest, trial="ab".index(digest[0])))
    replace, done = os.replace, []

    def once(source, target):
        if done:
            raise KeyboardInterrupt
        done.append(replace(source, target))

    monkeypatch.setattr(os, "replace", once)
    with pytest.raises(KeyboardInterrupt):
        store.compact("toy")
    monkeypatch.undo()
    assert len(store.read("toy")) == 8 and len(store.evidence("toy")) == 6
    store.compact("toy")
    assert len(store.read("toy")) == 8 and len(store.evidence("toy")) == 6
    assert files(store.root) == ["toy.evidence.parquet", "toy.parquet"]


def test_an_unfinished_draft_is_no_cell(store):
    store.write("toy", cell("aaaa"))
    folder = store.root / "cells" / "toy"
    (folder / ".cccc.draft").write_bytes(b"half a cell")
    (folder / ".dddd.npz").write_bytes(b"half a cell")
    assert store.known("toy") == {"aaaa"} and len(store.read("toy")) == 4


def test_a_file_is_replaced_as_a_whole_and_readable_by_others(tmp_path):
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"new and longer" and path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_pickle_among_the_cells_is_never_loaded(store):
    store.write("toy", cell("aaaa"))
    np.savez(store.root / "cells" / "toy" / "bad.npz", rows=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.read("toy")


def test_two_stores_on_one_root_see_each_others_cells(tmp_path):
    first, second = RecordStore(tmp_path / "records"), RecordStore(tmp_path / "records")
    first.write("toy", cell("aaaa"))
    assert second.known("toy") == {"aaaa"}
    second.write("toy", cell("bbbb", trial=1))
    second.compact("toy")
    assert first.known("toy") == {"aaaa", "bbbb"} and len(first.read("toy")) == 8
    first.compact("toy")
    assert len(second.read("toy")) == 8


def test_a_cell_that_vanishes_while_it_is_read_was_folded_in(store, monkeypatch):
    store.write("toy", cell("aaaa"))
    store.write("toy", cell("bbbb", trial=1))
    load, peer = np.load, RecordStore(store.root)

    def fold_first(*args, **kwargs):
        monkeypatch.setattr(np, "load", load)
        peer.compact("toy")
        return load(*args, **kwargs)

    monkeypatch.setattr(np, "load", fold_first)
    assert len(store.read("toy")) == 8


def test_a_reader_beside_a_compaction_misses_nothing(store, monkeypatch):
    store.write("toy", cell("aaaa"))
    store.compact("toy")
    store.write("toy", cell("bbbb", trial=1))
    peer, read = RecordStore(store.root), RecordStore._read

    def fold_after(self, path, columns=None):
        found = read(self, path, columns)
        if self is store:
            monkeypatch.setattr(RecordStore, "_read", read)
            peer.compact("toy")
        return found

    monkeypatch.setattr(RecordStore, "_read", fold_after)
    assert len(store.read("toy")) == 8


def test_writers_and_compactors_side_by_side_lose_no_cell(tmp_path):
    root, digests = tmp_path / "records", [f"{i:04d}" for i in range(24)]
    failures = []

    def work(mine):
        store = RecordStore(root)
        try:
            for digest in mine:
                store.write("toy", cell(digest, trial=int(digest)))
                if int(digest) % 3 == 0:
                    store.compact("toy")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(digests[i::3],)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    store = RecordStore(root)
    store.compact("toy")
    assert store.known("toy") == set(digests)
    assert len(store.read("toy")) == 4 * 24 and len(store.evidence("toy")) == 3 * 24
