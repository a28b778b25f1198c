"""Accuracies: read from records where they stand there, measured from the models where they do not."""

import pandas as pd
import pytest
from toys import small_trials

from labelleak_lib.data.samples import split_classes
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.results import accuracies
from labelleak_lib.trials import engine
from labelleak_lib.trials.engine import collect
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.originals import original_and_unlearned


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("accuracies")) as path:
        yield Grid(dataset=path, trials=1, methods=("RT", "AU"), device="cpu", seed=4)


def test_accuracies_are_those_of_the_models_on_test_data(grid) -> None:
    found = accuracies.measure(grid, records="recompute")
    assert found.columns.tolist() == accuracies.COLUMNS
    assert found.unlearning.tolist() == ["RT", "AU"]
    (spec,) = grid.specs()
    for row in found.to_dict("records"):
        retain, forget = split_classes(spec.part("test"), spec.forgotten)
        for when, model in zip(("before", "after"), original_and_unlearned(spec, row["unlearning"]), strict=True):
            assert row[f"forget_acc_{when}"] == accuracy(model, forget)
            assert row[f"retain_acc_{when}"] == accuracy(model, retain)


def test_measured_accuracies_are_those_that_records_hold(grid) -> None:
    measured = accuracies.measure(grid, records="recompute")
    held = accuracies.of_records(collect(grid).records).set_index("config_hash").loc[measured.config_hash].reset_index()
    pd.testing.assert_frame_equal(held[accuracies.COLUMNS], measured, check_dtype=False)


def test_stored_cells_are_read_and_only_the_others_measured(grid, monkeypatch) -> None:
    measured = accuracies.measure(grid, records="recompute")
    collect(grid)
    calls, real = [], engine.unlearned_facts
    monkeypatch.setattr(engine, "unlearned_facts", lambda *given: calls.append(given[1]) or real(*given))
    more = Grid(dataset=grid.dataset, trials=1, methods=("RT", "RL", "AU"), device="cpu", seed=4)
    found = accuracies.measure(more)
    assert calls == ["RL"]
    assert found.unlearning.tolist() == ["RT", "RL", "AU"]
    again = found[found.unlearning != "RL"].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, measured, check_dtype=False)


def test_what_is_measured_alone_is_attacked_later_on_the_same_models(grid) -> None:
    other = Grid(dataset=grid.dataset, trials=1, methods=("FT",), device="cpu", seed=5)
    measured = accuracies.measure(other)
    records = collect(other).records
    assert records.attack.nunique() > 1
    pd.testing.assert_frame_equal(accuracies.of_records(records)[accuracies.COLUMNS], measured, check_dtype=False)


def test_an_unknown_way_to_use_records_is_refused(grid) -> None:
    with pytest.raises(ValueError, match="records is 'never'"):
        accuracies.measure(grid, records="never")


def accuracy_rows(values, code="RT", dataset="mnist", k=1):
    cell = {"dataset": dataset, "data_variant": "v", "profile": "paper", "seed": 0, "forgotten": "0", "k": k}
    rows = [
        {**cell, "trial": t, "unlearning": code, **dict.fromkeys(accuracies.QUANTITIES, value), "unlearned": t > 0,
         "config_hash": f"{code}{t}"}
        for t, value in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=accuracies.COLUMNS)


def test_a_table_holds_means_intervals_the_published_values_and_the_gate() -> None:
    table = accuracies.accuracy_table(accuracy_rows([0.90, 0.92, 0.97, 0.93, 0.93])).set_index("quantity")
    after = table.loc["forget_acc_after"]
    assert after["mean"] == pytest.approx(93)
    assert after["low"] < 93 < after["high"] and after["low"] == pytest.approx(93 - 3.17, abs=0.01)
    assert after["unlearned"] == pytest.approx(4 / 5)
    assert table.published.tolist() == [99.11, 28.30, 98.99, 99.06]  # Table III, MNIST, retrain


def cells_of(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]


def test_a_table_without_published_values_has_no_columns_for_them() -> None:
    table = accuracies.accuracy_table(accuracy_rows([1.0, 1.0], dataset="digits", k=2))
    assert table.low.isna().all()
    assert table.published.isna().all()
    head, _, line = cells_of(accuracies.to_markdown(table))
    assert head == ["unlearning", "$D_f$ before %", "$D_f$ after %", "$D_r$ before %", "$D_r$ after %", "unlearned"]
    assert line == ["RT", *["100.0"] * 4, "1/2"]


def test_unpublished_cells_beside_published_ones_leave_blanks() -> None:
    table = accuracies.accuracy_table(pd.concat([accuracy_rows([1.0, 1.0]), accuracy_rows([1.0, 1.0], code="mine")]))
    head, _, first, second = cells_of(accuracies.to_markdown(table))
    assert head.count("published") == 4 and len(head) == len(first) == len(second) == 10
    assert first == ["RT", "100.0", "99.11", "100.0", "28.30", "100.0", "98.99", "100.0", "99.06", "1/2"]
    assert second == ["mine", *["100.0", ""] * 4, "1/2"]


def test_methods_and_data_sets_stand_in_the_books_order() -> None:
    frames = [accuracy_rows([0.5], code, name) for name in ("mnist", "digits") for code in ("NG", "AU", "RT")]
    table = accuracies.accuracy_table(pd.concat(frames))
    order = table[["dataset", "unlearning"]].drop_duplicates().agg(" ".join, axis=1).tolist()
    assert order == ["digits RT", "digits AU", "digits NG", "mnist RT", "mnist AU", "mnist NG"]
    text = accuracies.to_markdown(table[table.dataset == "mnist"], caption="Accuracy", name="tbl-a")
    assert text.startswith(":::{table} Accuracy\n:name: tbl-a\n")
    assert "99.11" in text


def test_the_bounds_of_the_ascent_are_taken_away_layer_by_layer(grid) -> None:
    found = accuracies.negative_gradient_bounds(grid.specs()[0])
    assert len(found) == 3
    assert found.ascent.iloc[0].startswith("bounded")
    assert found[["forget_acc_before", "retain_acc_before"]].nunique().tolist() == [1, 1]
    assert found[list(accuracies.QUANTITIES)].stack().between(0, 1).all()
    own = accuracies.measure(Grid(dataset=grid.dataset, methods=("NG",), device="cpu", seed=4))
    assert found.loc[0, list(accuracies.QUANTITIES)].tolist() == own.loc[0, list(accuracies.QUANTITIES)].tolist()
