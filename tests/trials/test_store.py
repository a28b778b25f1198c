"""The store: what is written comes back, whole or not at all, whoever else reads and writes."""

import os
import threading

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from toys import head_evidence, ipv_evidence, same_evidence

from labelleak_lib.evidence import Evidence
from labelleak_lib.files import write_atomically
from labelleak_lib.trials.cells import Cell
from labelleak_lib.trials.judging import KEY, judge
from labelleak_lib.trials.schema import EVIDENCE, FACTS, MODELS, SCHEMA_VERSION, evidence_from, unpack
from labelleak_lib.trials.store import Store, thinned

TEXT = {name for name, (kind, _) in (MODELS | EVIDENCE).items() if str(kind) == "string"}
FOLDED = ["toy.evidence.parquet", "toy.models.parquet"]
PIECES = 4
"""Pieces of evidence on each model of a written pair."""
ARRAYS = 16
"""Their arrays."""


def pair(digest, trial=0, run=0, forgotten="1", **change):
    """Make what is stored of a never-unlearned model and of one unlearned from it, with every kind of value.

    `run` draws the weights and what was found: the same recipe on another processor.
    """
    draw = np.random.default_rng([trial, run])
    models, evidence = [], []
    for side in ("o", "u"):
        facts = {name: "x" if name in TEXT else 3 for name in MODELS} | {"trial": trial, "seed": 0}
        facts |= {"model": digest + side, "weights": f"{digest}{side}{run}", "processor": "a", "dataset": "toy"}
        facts |= {"original": "", "unlearning": "", "forgotten": "", "original_weights": "", "unlearn_seed": -1}
        facts |= {"accuracy": [1 / 3, 0.5, float(draw.random()), 1.0]}
        facts |= dict.fromkeys((name for name in MODELS if "_acc_" in name), None)
        if side == "u":
            facts |= {"original": f"{digest}o", "unlearning": "FT", "forgotten": forgotten, "unlearn_seed": 3}
            facts |= {name: float(draw.random()) for name in MODELS if "_acc_" in name}
            facts |= {"original_weights": f"{digest}o{run}"}
        models.append(facts | change)
        evidence += [
            {
                **{name: "" if name in TEXT else 3 for name in FACTS}, "evidence": f"{digest}{side}{number}",
                "model": digest + side, "weights": facts["weights"], "attack": found.attack, "seconds": 0.25,
                "protocol": protocol, "staged": "1" if protocol else "", "profile": "paper",
                "flags": "; ".join(found.flags), "found": found,
            }
            for number, (protocol, found) in enumerate(findings(draw))
        ]  # fmt: skip
    return models, evidence


def findings(draw):
    ipv = draw.dirichlet(np.ones(4), 4)
    source = np.repeat([-1, 0, 1, 2, 3], 3)
    heads = [head_evidence(source, np.minimum(source, 1), draw.normal(size=15), 4, p) for p in ("paper", "attacker")]
    images = {"inverted": image_tensor(draw), "history": draw.random((5, 4)), "flags": ("zero gradient", "odd")}
    inversion = Evidence("whitebox_inversion", 4, -ipv.max(1), ipv=ipv, **images)
    blobs = Evidence("random_inputs", 4, draw.normal(size=4), probe=draw.random((2, 13)), queries=7)
    return [("paper", heads[0]), ("attacker", heads[1]), ("", inversion), ("", blobs)]


def image_tensor(draw):
    return torch.from_numpy(draw.random((4, 1, 3, 3)).astype(np.float32))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "records")


def files(root):
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and p.suffix != ".lock")


def known(store, name="toy"):
    return set(store.models(name).model)


def pieces(frame):
    """Return the pieces of evidence of a frame by identity."""
    groups = {}
    for row in frame.to_dict("records"):
        groups.setdefault(row["evidence"], []).append(row)
    return {digest: evidence_from(rows) for digest, rows in groups.items()}


def judged(store):
    return judge(*store.read("toy")).sort_values(KEY).reset_index(drop=True)


def test_an_empty_store_has_no_records_and_no_folder(store):
    assert store.datasets() == []
    assert store.models("toy").columns.tolist() == list(MODELS) and len(store.models("toy")) == 0
    assert store.evidence("toy").columns.tolist() == list(EVIDENCE) and len(store.evidence("toy")) == 0
    assert len(judge(*store.read("toy"))) == 0
    assert not store.root.exists()
    store.fold("toy")
    assert files(store.root) == []


@pytest.mark.parametrize("folded", [False, True])
def test_models_are_read_back_exactly(store, folded):
    written = [pair("aaaa"), pair("bbbb", trial=1, forgotten="1,3")]
    for models, evidence in written:
        store.write("toy", models, evidence)
    if folded:
        store.fold("toy")
        assert files(store.root) == FOLDED
    expected = [line for models, _ in written for line in models]
    found = {row["model"]: row for row in store.models("toy").to_dict("records")}
    assert found.keys() == {line["model"] for line in expected} and store.datasets() == ["toy"]
    for line in expected:
        assert list(found[line["model"]]) == list(MODELS)
        for name, value in line.items():
            back = found[line["model"]][name]
            if name == "accuracy":
                assert list(back) == value
            elif value is None:
                assert pd.isna(back)
            else:
                assert back == value and isinstance(back, str) == isinstance(value, str)


@pytest.mark.parametrize("folded", [False, True])
def test_evidence_is_read_back_exactly(store, folded):
    _, evidence = pair("aaaa")
    store.write("toy", *pair("aaaa"))
    store.write("toy", *pair("bbbb", trial=1))
    if folded:
        store.fold("toy")
    rows = store.evidence("toy", ["aaaao", "aaaau"])
    assert rows.columns.tolist() == list(EVIDENCE) and set(rows.model) == {"aaaao", "aaaau"}
    found = pieces(rows)
    assert found.keys() == {line["evidence"] for line in evidence} and len(found) == 2 * PIECES
    for line in evidence:
        kept, back = line["found"], found[line["evidence"]]
        for name in ("score", "probe", "history"):
            np.testing.assert_array_equal(getattr(back, name), getattr(kept, name))
        if kept.ipv is not None:
            np.testing.assert_allclose(back.ipv, kept.ipv, rtol=1e-15)
            assert back.inverted.shape == kept.inverted.shape
            np.testing.assert_array_equal(back.inverted.float().numpy(), kept.inverted.numpy())
        if kept.heads is not None:
            for name in ("source", "label", "value", "absolute_sum"):
                np.testing.assert_array_equal(getattr(back.heads, name), getattr(kept.heads, name))
        assert (back.attack, back.protocol, back.flags) == (kept.attack, kept.protocol, kept.flags)
        for name in FACTS:
            assert set(rows[rows.evidence == line["evidence"]][name]) == {line[name]}
    assert len(store.evidence("toy")) == 2 * 2 * ARRAYS and len(store.evidence("toy", [])) == 0
    assert known(store) == {"aaaao", "aaaau", "bbbbo", "bbbbu"} and len(store.read("toy", ["aaaau"]).models) == 1


def test_decisions_are_the_same_on_what_is_folded_and_what_is_not(store):
    store.write("toy", *pair("aaaa"))
    before = judged(store)
    store.fold("toy")
    pd.testing.assert_frame_equal(judged(store), before)
    assert len(before) > 10


def test_the_files_say_what_every_column_means(store):
    store.write("toy", *pair("aaaa"))
    store.fold("toy")
    for kind, columns in (("models", MODELS), ("evidence", EVIDENCE)):
        schema = pq.read_schema(store.root / f"toy.{kind}.parquet")
        assert schema.names == list(columns)
        assert int(schema.metadata[b"labelleak_schema"]) == SCHEMA_VERSION >= 1
        for field in schema:
            kept, text = columns[field.name]
            assert field.type == kept
            assert field.metadata[b"meaning"].decode() == text and len(text.split()) >= 2


def test_a_value_missing_in_every_row_stays_a_missing_number(store):
    lost = {name: None for name in MODELS if "_acc_" in name} | {"accuracy": None}
    store.write("toy", *pair("aaaa", **lost))
    assert store.models("toy")[list(lost)].isna().all(axis=None)
    store.fold("toy")
    store.write("toy", *pair("bbbb", trial=1))
    store.fold("toy")
    found = store.models("toy").set_index("model")
    assert found.loc[["aaaao", "aaaau"], list(lost)].isna().all(axis=None)
    assert found.loc["bbbbu", list(lost)].notna().all()
    assert found.forget_acc_after.dtype == float


def test_folding_adds_to_what_was_folded_and_repeats_without_change(store):
    store.write("toy", *pair("aaaa"))
    store.fold("toy")
    store.write("toy", *pair("bbbb", trial=1))
    assert len(store.models("toy")) == 4, "folded and open files are read together"
    store.fold("toy")
    before = {name: (store.root / name).read_bytes() for name in files(store.root)}
    store.fold("toy")
    assert before == {name: (store.root / name).read_bytes() for name in files(store.root)}
    assert len(store.models("toy")) == 4 and len(store.evidence("toy")) == 4 * ARRAYS


def test_the_order_of_writing_leaves_no_trace_in_the_folded_files(tmp_path):
    contents = []
    for order in (("aaaa", "bbbb"), ("bbbb", "aaaa")):
        store = Store(tmp_path / order[0])
        for digest in order:
            store.write("toy", *pair(digest, trial="ab".index(digest[0])))
        store.fold("toy")
        contents.append([(store.root / name).read_bytes() for name in files(store.root)])
    assert contents[0] == contents[1]


def test_a_cell_written_twice_counts_once(store):
    for _ in range(2):
        store.write("toy", *pair("aaaa"))
    store.fold("toy")
    store.write("toy", *pair("aaaa"))  # by a process that had not seen it
    assert len(store.models("toy")) == 2 and len(store.evidence("toy")) == 2 * ARRAYS
    store.fold("toy")
    assert len(store.models("toy")) == 2 and len(store.evidence("toy")) == 2 * ARRAYS


@pytest.mark.parametrize("folded", ["neither", "old", "both"])
def test_what_is_computed_anew_replaces_what_stood_there(store, folded):
    old, new = pair("aaaa"), pair("aaaa", run=1)
    store.write("toy", *old)
    if folded != "neither":
        store.fold("toy")
    store.write("toy", *new)
    if folded == "both":
        store.fold("toy")
    assert set(store.models("toy").weights) == {"aaaao1", "aaaau1"}
    found = pieces(store.evidence("toy"))
    assert found.keys() == {line["evidence"] for line in new[1]}
    for line in new[1]:
        np.testing.assert_array_equal(found[line["evidence"]].score, line["found"].score)


def test_a_result_that_is_computed_anew_while_another_process_folds_is_kept(store, monkeypatch):
    store.write("toy", *pair("aaaa"))
    written, peer = Store._write_folded, Store(store.root)

    def meanwhile(self, *arguments):
        written(self, *arguments)
        peer.write("toy", *pair("aaaa", run=1))

    monkeypatch.setattr(Store, "_write_folded", meanwhile)
    store.fold("toy")
    assert set(store.models("toy").weights) == {"aaaao1", "aaaau1"}


def test_evidence_on_a_model_with_other_weights_is_not_read(store):
    models, evidence = pair("aaaa")
    store.write("toy", models, evidence)
    other, found = pair("aaaa", run=1)
    store.write("toy", other[:1], found[:1])  # M_o on another processor, attacked once
    rows = store.evidence("toy")
    assert set(rows[rows.model == "aaaao"].weights) == {"aaaao1"}
    assert set(rows[rows.model == "aaaao"].evidence) == {found[0]["evidence"]}
    assert set(rows[rows.model == "aaaau"].weights) == {"aaaau0"}
    assert len(judge(*store.read("toy"))) == 0, "the M_u there comes from another M_o"
    store.fold("toy")
    assert len(judge(*store.read("toy"))) == 0
    store.write("toy", *pair("aaaa", run=1))
    assert len(judge(*store.read("toy"))) > 0


def test_data_sets_are_kept_apart(store):
    store.write("toy", *pair("aaaa"))
    store.write("other", *pair("bbbb"))
    store.fold("toy")
    assert known(store) == {"aaaao", "aaaau"} and known(store, "other") == {"bbbbo", "bbbbu"}
    assert store.datasets() == ["other", "toy"]


@pytest.mark.parametrize("fault", ["fsync", "replace"])
def test_a_write_that_fails_leaves_nothing_and_what_was_there(store, monkeypatch, fault):
    def fail(*_):
        raise OSError("no space left on device")

    store.write("toy", *pair("aaaa"))
    before = {name: (store.root / name).read_bytes() for name in files(store.root)}
    monkeypatch.setattr(os, fault, fail)
    with pytest.raises(OSError, match="no space left"):
        store.write("toy", *pair("bbbb"))
    with pytest.raises(OSError, match="no space left"):
        store.fold("toy")
    monkeypatch.undo()
    assert before == {name: (store.root / name).read_bytes() for name in files(store.root)}
    assert known(store) == {"aaaao", "aaaau"} and len(store.evidence("toy")) == 2 * ARRAYS


@pytest.mark.parametrize("recomputed", [False, True])
def test_an_interrupt_between_the_two_folded_files_loses_nothing(store, monkeypatch, recomputed):
    store.write("toy", *pair("aaaa"))
    store.fold("toy")
    if recomputed:
        store.write("toy", *pair("aaaa", run=1))
    store.write("toy", *pair("bbbb", trial=1))
    replace, done = os.replace, []

    def once(source, target):
        if done:
            raise KeyboardInterrupt
        done.append(replace(source, target))

    monkeypatch.setattr(os, "replace", once)
    with pytest.raises(KeyboardInterrupt):
        store.fold("toy")
    monkeypatch.undo()
    for _ in range(2):
        assert set(store.models("toy").weights) == {f"aaaao{+recomputed}", f"aaaau{+recomputed}", "bbbbo0", "bbbbu0"}
        assert len(store.evidence("toy")) == 4 * ARRAYS
        store.fold("toy")
    assert files(store.root) == FOLDED


def test_an_unfinished_draft_is_no_cell(store):
    store.write("toy", *pair("aaaa"))
    folder = store.root / "cells" / "toy"
    (folder / ".cccc.draft").write_bytes(b"half a cell")
    (folder / ".dddd.npz").write_bytes(b"half a cell")
    assert known(store) == {"aaaao", "aaaau"} and len(store.evidence("toy")) == 2 * ARRAYS


def test_a_file_is_replaced_as_a_whole_and_readable_by_others(tmp_path):
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new and longer")
    assert path.read_bytes() == b"new and longer" and path.stat().st_mode & 0o777 == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_a_pickle_among_the_cells_is_never_loaded(store):
    store.write("toy", *pair("aaaa"))
    np.savez(store.root / "cells" / "toy" / "bad.npz", facts=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        store.read("toy")


def test_two_stores_on_one_root_see_each_others_cells(tmp_path):
    first, second = Store(tmp_path / "records"), Store(tmp_path / "records")
    first.write("toy", *pair("aaaa"))
    assert known(second) == {"aaaao", "aaaau"}
    second.write("toy", *pair("bbbb", trial=1))
    second.fold("toy")
    assert len(first.models("toy")) == 4 and len(first.evidence("toy")) == 4 * ARRAYS
    first.fold("toy")
    assert len(second.models("toy")) == 4


def test_a_cell_that_vanishes_while_it_is_read_was_folded_in(store, monkeypatch):
    store.write("toy", *pair("aaaa"))
    store.write("toy", *pair("bbbb", trial=1))
    load, peer = np.load, Store(store.root)

    def fold_first(*args, **kwargs):
        monkeypatch.setattr(np, "load", load)
        peer.fold("toy")
        return load(*args, **kwargs)

    monkeypatch.setattr(np, "load", fold_first)
    assert len(store.models("toy")) == 4


@pytest.mark.parametrize("after", [0, 1])
def test_a_reader_beside_a_fold_misses_nothing(store, monkeypatch, after):
    store.write("toy", *pair("aaaa"))
    store.fold("toy")
    store.write("toy", *pair("bbbb", trial=1))
    peer, read, calls = Store(store.root), pq.read_table, []

    def fold_before(path, **options):
        if len(calls) == after and path.parent == store.root:
            monkeypatch.setattr(pq, "read_table", read)
            peer.fold("toy")
        calls.append(path)
        return read(path, **options)

    monkeypatch.setattr(pq, "read_table", fold_before)
    models, evidence = store.read("toy")
    assert len(models) == 4 and len(evidence) == 4 * ARRAYS


def test_writers_and_folders_side_by_side_lose_no_cell(tmp_path):
    root, digests = tmp_path / "records", [f"{i:04d}" for i in range(24)]
    failures = []

    def work(mine):
        store = Store(root)
        try:
            for digest in mine:
                store.write("toy", *pair(digest, trial=int(digest)))
                if int(digest) % 3 == 0:
                    store.fold("toy")
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(digests[i::3],)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    store = Store(root)
    store.fold("toy")
    assert known(store) == {digest + side for digest in digests for side in "ou"}
    assert len(store.evidence("toy")) == 2 * ARRAYS * 24


def several_trials(root):
    store = Store(root)
    for trial in range(5):
        store.write("toy", *pair(f"{trial}", trial=trial))
    store.write("toy", *pair("two", forgotten="1,2"))
    return store


def test_thinning_happens_where_it_is_asked_for_alone(tmp_path):
    whole, thin = several_trials(tmp_path / "whole"), several_trials(tmp_path / "thin")
    before = whole.read("toy")
    whole.fold("toy")
    thin.fold("toy", thin=True)
    full, small = whole.evidence("toy"), thin.evidence("toy")
    assert len(full) == len(before.evidence) > len(small)
    first, again = pieces(before.evidence), pieces(full)
    assert first.keys() == again.keys() and all(same_evidence(first[digest], again[digest]) for digest in first)
    assert sum(map(len, small["values"])) < 0.6 * sum(map(len, full["values"]))
    models = [store.models("toy").drop(columns="accuracy") for store in (whole, thin)]
    pd.testing.assert_frame_equal(*models)


def test_thinning_keeps_every_decision(tmp_path):
    whole, thin = several_trials(tmp_path / "whole"), several_trials(tmp_path / "thin")
    thin.fold("toy", thin=True)
    before, after = judged(whole), judged(thin)
    decided = [*KEY, "predicted", "flags"]
    pd.testing.assert_frame_equal(after[decided], before[decided])
    for name in ("asr", "balanced_accuracy", "exact_match"):
        np.testing.assert_array_equal(after[name], before[name])
    # two of 54 pairs of heads may change their order
    np.testing.assert_allclose(after.auc, before.auc, atol=0.04)


def test_what_is_thinned_keeps_three_digits_and_images_of_the_first_trial_alone(tmp_path):
    store = several_trials(tmp_path)
    models, evidence = store.read("toy")
    small = thinned(evidence, models)
    trials = small.model.map(models.set_index("model").trial)
    kept = small.assign(trial=trials).groupby("kind").trial.agg(set)
    assert kept["inverted"] == kept["history"] == {0} and kept["absolute_sum"] == {0, 1, 2}
    for kind in ("score", "ipv", "probe", "source", "label", "value"):
        assert kept[kind] == set(range(5))
    assert "twou" not in set(small[small.kind.isin(("inverted", "absolute_sum"))].model), "no published number"
    both = small.merge(evidence, on=["evidence", "kind"], suffixes=("", "_whole"))
    assert len(both) == len(small)
    for row in both.to_dict("records"):
        exact, short = unpack({**row, "values": row["values_whole"]}), unpack(row)
        if row["kind"] == "inverted":
            np.testing.assert_allclose(short, exact, atol=0.006)
        elif row["kind"] in ("source", "label"):
            np.testing.assert_array_equal(short, exact)
        else:
            np.testing.assert_allclose(short, exact, rtol=1 / 4000 if row["kind"] != "ipv" else 3e-3)
    again = thinned(small, models)
    pd.testing.assert_frame_equal(again, small)


def test_thinned_logarithms_tell_apart_what_lies_next_to_one():
    peaks = np.array([1 - 1e-9, 1 - 2e-9, 1 - 1e-5, 1 - 1e-9])
    ipv = np.diag(peaks - (1 - peaks) / 3) + (1 - peaks)[:, None] / 3
    models, evidence = pair("aaaa")
    frame = pd.DataFrame([models[0]])
    line = {**evidence[0], "found": ipv_evidence(ipv)}
    (row,) = thinned(Cell([models[0]], [line]).stored.evidence.query("kind == 'ipv'"), frame).to_dict("records")
    np.testing.assert_allclose(1 - unpack(row).max(1), 1 - peaks, rtol=1e-3)
