"""What is decided on stored evidence: computed whenever it is read, on pairs of models that belong together."""

import time
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.attacks.head_readings import HeadBias
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.criteria.inversion import Threshold
from labelleak_lib.criteria.scores import TwoMeans
from labelleak_lib.evidence import Evidence
from labelleak_lib.registry import CRITERIA
from labelleak_lib.trials import originals
from labelleak_lib.trials.cells import run_cell
from labelleak_lib.trials.committed import committed, committed_records
from labelleak_lib.trials.engine import sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.judging import (
    COLUMNS,
    EVIDENCE_COLUMNS,
    KEY,
    criteria_for,
    decide,
    evidence_by_cell,
    judge,
    pairs,
    with_cells,
)
from labelleak_lib.trials.schema import unpack
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store, Stored


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judging")
    with small_trials(folder) as toy:
        kept = Store(folder / "records")
        sweep(Grid(dataset=toy, ks=(1, 2), methods=("RT", "AU"), device="cpu", seed=2), kept)
        yield kept


@pytest.fixture(scope="module")
def stored(store):
    return store.read("toy")


@dataclass(frozen=True)
class Largest(Criterion):
    """A rule of a reader's own: name the class with the largest score."""

    above: float = -np.inf
    name: ClassVar[str] = "largest"
    title: ClassVar[str] = "largest"

    def decide(self, evidence: Evidence) -> frozenset[int]:
        top = int(evidence.score.argmax())
        return frozenset([top] if evidence.score[top] > self.above else [])


@pytest.fixture
def nothing_trained(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("something was trained")

    monkeypatch.setattr(originals, "train", fail)
    monkeypatch.setattr(originals, "unlearned_by", fail)
    for method in SMALL_SETTINGS.methods.values():
        monkeypatch.setattr(type(method), "unlearn", fail)


def test_a_readers_own_criterion_is_applied_to_every_cell_and_trains_nothing(stored, nothing_trained):
    rows = judge(*stored, criteria=[Largest()])
    assert rows.columns.tolist() == COLUMNS and set(rows.criterion) == {"largest"}
    usual = judge(*stored)
    keys = ["config_hash", "control", "attack", "protocol"]
    assert set(rows[keys].apply(tuple, axis=1)) == set(usual[keys].apply(tuple, axis=1))
    assert (rows.predicted.str.count(",") == 0).all() and rows.config_hash.nunique() == 4
    for row in rows.to_dict("records"):
        assert row["exact_match"] == (row["predicted"] == row["forgotten"])


def test_hyperparameters_of_a_criterion_count(stored, nothing_trained):
    silent, loud = (judge(*stored, criteria=[Largest(above)]) for above in (np.inf, -np.inf))
    assert (silent.predicted == "").all() and (loud.predicted != "").all()
    both = judge(*stored, criteria=[Threshold(0.1), Threshold(1.4)])
    assert len(both) == 2 * len(judge(*stored, criteria=[Threshold()]))
    named = both.groupby([*KEY[:3], "protocol"]).predicted.agg(list)
    assert any(few != more for more, few in named)


def test_a_criterion_is_applied_where_it_can_read_the_evidence_alone(stored):
    rows = judge(*stored, criteria=[Threshold()])
    assert set(rows.attack) == {"whitebox_inversion", "blackbox_inversion"}


def test_a_registered_criterion_for_every_attack_needs_no_other_edit(stored, nothing_trained):
    before = judge(*stored)
    CRITERIA.register("largest")(Largest)
    try:
        rows = judge(*stored)
    finally:
        del CRITERIA._classes["largest"]
    assert set(rows[rows.criterion == "largest"].attack) == set(before.attack)
    others = rows[rows.criterion != "largest"].reset_index(drop=True)
    keep = [name for name in COLUMNS if name != "flags"]
    pd.testing.assert_frame_equal(others[keep], before[keep])


def test_a_readers_own_criterion_judges_every_committed_cell_in_a_moment(nothing_trained):
    cells = {name: part.models.unlearning.ne("").sum() for name, part in committed().items()}
    begin = time.process_time()
    rows = committed_records(criteria=[Largest()])
    assert time.process_time() - begin < 30
    assert rows.groupby("dataset").config_hash.nunique().to_dict() == cells and sum(cells.values()) > 100
    assert set(rows.criterion) == {"largest"} and set(rows.control) == {"none", "placebo"}
    assert (rows.predicted != "").all()


def test_an_attack_without_a_registered_class_is_judged_by_what_is_for_every_attack():
    assert criteria_for("nobody", Evidence("nobody", 3, np.zeros(3))) == [
        c() for c in map(CRITERIA.__getitem__, CRITERIA) if c.everywhere and c().can_read(Evidence("n", 3, np.zeros(3)))
    ]


def test_pairs_are_of_one_attack_under_one_protocol_on_both_models(stored):
    count = 0
    for cell, found in pairs(*stored):
        for pair in found:
            (target, _), (placebo, _) = pair
            assert (target["model"], placebo["model"]) == (cell["model"], cell["original"])
            same = ("attack", "parameters", "protocol", "staged", "attack_seed")
            assert [target[name] for name in same] == [placebo[name] for name in same]
            assert target["staged"] in ("", cell["forgotten"])
            count += 1
    assert count == 4 * sum(1 + attack.per_protocol for attack in SMALL_SETTINGS.attacks.values())


def test_an_attack_that_one_of_the_two_models_lacks_is_not_judged(stored):
    models, evidence = stored
    lost = (evidence.attack == "trivial") & evidence.model.isin(models.model[models.unlearning == ""])
    rows = judge(models, evidence[~lost])
    assert set(judge(*stored).attack) - set(rows.attack) == {"trivial"}


def test_an_attack_with_other_hyperparameters_is_no_placebo(stored):
    models, evidence = stored
    original = evidence.model.isin(models.model[models.unlearning == ""])
    other = original & (evidence.attack == "random_inputs")
    changed = evidence.assign(parameters=evidence.parameters.mask(other, "{}"))
    assert set(judge(*stored).attack) - set(judge(models, changed).attack) == {"random_inputs"}


def test_a_model_unlearned_from_another_original_is_not_judged(stored):
    models, evidence = stored
    (rt, *_), both = models.model[models.unlearning == "RT"], set(judge(*stored).config_hash)
    foreign = models.assign(original_weights=models.original_weights.mask(models.model == rt, "another"))
    assert set(judge(foreign, evidence).config_hash) == both - {rt}
    lone = models[models.unlearning != ""]
    assert len(judge(lone, evidence)) == 0


def test_the_records_of_a_store_are_those_of_its_cells(store, stored):
    grid = Grid(dataset=str(store.root.parent / "toy.npz"), ks=(1,), methods=("RT",), device="cpu", seed=2)
    alone = run_cell(grid.specs()[0], "RT").rows.drop(columns="seconds")
    rows = judge(*stored)
    rows = rows[rows.config_hash == grid.cells()[0].model].drop(columns="seconds")
    pd.testing.assert_frame_equal(
        *(part.sort_values(KEY).reset_index(drop=True) for part in (rows, alone)), check_dtype=False
    )


def test_evidence_that_both_protocols_share_gives_a_record_under_each(stored):
    rows = judge(*stored)
    for name, attack in SMALL_SETTINGS.attacks.items():
        listed = rows[(rows.attack == name) & rows.criterion.isin(attack.criteria)]
        own = listed.pivot(index=[*KEY[:4]], columns="protocol", values="predicted")
        assert own.notna().all(axis=None)
        if not attack.per_protocol:
            assert (own.paper == own.attacker).all()


def test_flags_name_what_the_gate_the_placebo_and_the_search_say(store):
    spec = TrialSpec.from_parameters(dataset=str(store.root.parent / "toy.npz"), device="cpu", forgotten=(1,))
    cell = run_cell(spec, "MINE", method=lambda original, *_, generator: original, attacks={"head_bias": HeadBias()})
    flags = cell.rows.query("control == 'none'")["flags"].str.split("; ")
    assert flags.map(
        lambda held: "not forgotten" in held and ("accuses M_o" in held) == ("same set on M_o" in held)
    ).all()
    assert flags.map(lambda held: "same set on M_o" in held).any(), "a method that does nothing"
    assert (cell.rows.query("control == 'placebo'")["flags"] == "").all()


def test_evidence_comes_by_cell_with_that_of_its_original_beside_it(stored):
    models, evidence = stored
    frame = evidence_by_cell(models, evidence)
    assert frame.columns.tolist() == EVIDENCE_COLUMNS
    cells = models[models.unlearning != ""]
    assert set(frame.config_hash) == set(cells.model)
    keys = ["config_hash", "control", "attack", "protocols", "kind"]
    assert not frame.duplicated(keys).any()
    shared = {True: {"paper", "attacker"}, False: {"paper,attacker"}}
    for name, attack in SMALL_SETTINGS.attacks.items():
        own = frame[frame.attack == name]
        assert set(own.protocols) == shared[attack.per_protocol]
        assert own.groupby("config_hash").control.agg(set).map({"none", "placebo"}.__eq__).all()
    for row, array, record in with_cells(frame, judge(*stored)):
        cell = cells.set_index("model").loc[row["config_hash"]]
        side = cell.name if row["control"] == "none" else cell.original
        protocol = "" if row["protocols"] == "paper,attacker" else row["protocols"]
        (own,) = evidence[
            (evidence.model == side) & (evidence.attack == row["attack"]) & (evidence.kind == row["kind"])
            & (evidence.protocol == protocol) & evidence.staged.isin(("", cell.forgotten))
        ].to_dict("records")  # fmt: skip
        np.testing.assert_array_equal(array, unpack(own))
        assert record.forgotten == cell.forgotten and record.unlearning == cell.unlearning


def test_evidence_comes_with_the_record_of_its_own_cell_where_there_is_one(stored):
    frame, rows = evidence_by_cell(*stored), judge(*stored)
    (first, *_) = rows.config_hash.unique()
    met = list(with_cells(frame, rows[rows.config_hash != first]))
    assert {row["config_hash"] for row, _, _ in met} == set(rows.config_hash) - {first}
    assert all(record.name == row["config_hash"] for row, _, record in met)


def test_a_decision_is_what_its_criterion_says():
    evidence = Evidence("x", 4, np.array([0.1, 0.9, 0.2, 0.8]))
    decision = decide(TwoMeans(), evidence)
    assert decision.named == {1, 3} and decision.heads is None
    np.testing.assert_array_equal(decision.degree, evidence.score)


def test_nothing_stored_is_nothing_decided():
    empty = Stored(*(part.iloc[:0] for part in Store("nowhere").read("toy")))
    assert judge(*empty).columns.tolist() == COLUMNS and len(judge(*empty)) == 0
    assert len(evidence_by_cell(*empty)) == 0


def test_the_gate_is_computed_when_records_are_read(stored):
    models, evidence = stored
    destroyed = models.assign(retain_acc_after=models.retain_acc_before - 0.5, forget_acc_after=0.0)
    rows = judge(destroyed, evidence)
    assert not rows.unlearned.any()
    assert rows.query("control == 'none'")["flags"].str.contains("retained classes lost").all()
    fine = models.assign(retain_acc_after=models.retain_acc_before, forget_acc_after=0.0)
    assert judge(fine, evidence).unlearned.all()


def test_equal_criteria_are_decided_once_on_a_shared_original(stored):
    calls = []

    @dataclass(frozen=True)
    class Counted(Largest):
        def decide(self, evidence):
            calls.append(evidence.attack)
            return super().decide(evidence)

    models, evidence = stored
    rt = models[(models.unlearning == "RT") | (models.unlearning == "")]
    judge(rt, evidence[evidence.attack == "random_inputs"], criteria=[Counted()])
    assert len(calls) == 3, "two M_u and the M_o that they share"
    assert replace(Counted(), above=1.0) != Counted()
