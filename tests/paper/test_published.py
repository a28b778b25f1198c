"""The published tables, checked against what the paper's numbers say about themselves."""

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelleak_lib.paper.granularity import could_be_mean, granularity, row_mean_mismatch
from labelleak_lib.paper.published import attack_success_rate, published_asr, unlearning_accuracy

METHODS = {"RT", "FT", "RL", "AU", "NG"}
# The seven attack and criterion pairs of the records' contract.
PAIRS = {
    ("dot_product", "youden"),
    ("dot_product", "kmeans"),
    ("difference", "decision_tree"),
    ("whitebox_inversion", "threshold"),
    ("whitebox_inversion", "entropy"),
    ("blackbox_inversion", "threshold"),
    ("blackbox_inversion", "entropy"),
}


def test_unlearning_accuracy_holds_every_data_set_and_method_once():
    table = unlearning_accuracy()
    assert len(table) == 2 * 4 * 5
    assert not table.duplicated(["table", "dataset", "unlearning"]).any()
    assert set(table["table"]) == {"III", "IV"}
    assert set(table["dataset"]) == {"mnist", "fashion_mnist", "svhn", "cifar10"}
    assert set(table["unlearning"]) == METHODS
    percent = table[["forget_before", "forget_after", "retain_before", "retain_after"]]
    assert percent.notna().all(axis=None) and percent.ge(0).all(axis=None) and percent.le(100).all(axis=None)


def test_attack_success_rate_holds_every_pair_and_method_once():
    table = attack_success_rate()
    assert len(table) == 2 * 7 * 6
    assert not table.duplicated(["scenario", "attack", "criterion", "unlearning"]).any()
    assert set(zip(table["attack"], table["criterion"], strict=True)) == PAIRS
    assert set(table["unlearning"]) == METHODS | {"mean"}
    assert table["asr_percent"].between(50, 100).all()


@pytest.mark.parametrize("read", [unlearning_accuracy, attack_success_rate])
def test_a_caller_cannot_alter_the_stored_table(read):
    before = read()
    altered = read()
    altered.iloc[:, -1] = -1.0
    pd.testing.assert_frame_equal(read(), before)


@pytest.mark.parametrize(
    ("attack", "criterion", "unlearning", "k", "percent"),
    [
        ("dot_product", "youden", "NG", 1, 81.50),
        ("difference", "decision_tree", "RT", 3, 95.62),
        ("blackbox_inversion", "entropy", "mean", 1, 76.65),
        ("whitebox_inversion", "threshold", "FT", 3, 88.87),
        ("dot_product", "youden", "NG", 2, None),
        ("dot_product", "entropy", "NG", 1, None),
        ("direct_probe", "threshold", "RT", 1, None),
    ],
)
def test_published_asr(attack, criterion, unlearning, k, percent):
    assert published_asr(attack, criterion, unlearning, k) == percent


def test_mnist_retraining_keeps_an_impossible_accuracy_on_unseen_classes():
    table = unlearning_accuracy().set_index(["table", "dataset", "unlearning"])["forget_after"]
    assert table["III", "mnist", "RT"] == 28.30
    assert table["IV", "mnist", "RT"] == 32.48


@given(
    counts=st.lists(st.integers(0, 200), min_size=4, max_size=4),
    denominator=st.sampled_from([200, 400]),
    cut=st.booleans(),
)
@example(counts=[1, 0, 0, 0], denominator=400, cut=True)
def test_every_true_mean_of_four_counts_fits_however_it_was_printed(counts, denominator, cut):
    hundredths = sum(counts) * 10_000 / (4 * denominator)
    printed = (int(hundredths) if cut else round(hundredths)) / 100
    assert could_be_mean(printed, denominator)


@pytest.mark.parametrize("denominator", [400, 200, 80, 7])
def test_exactly_the_multiples_cut_or_rounded_up_fit(denominator):
    # Every multiple of 100 / (4 * denominator), to two decimals downwards and upwards, in whole numbers.
    total = 4 * denominator
    reachable = {f for m in range(total + 1) for f in (10_000 * m // total, -(-10_000 * m // total))}
    assert {h for h in range(10_001) if could_be_mean(h / 100, denominator)} == reachable


def test_a_denominator_too_large_for_two_decimals_lets_everything_fit():
    assert all(could_be_mean(h / 100, 1251) for h in range(10_001))
    assert not all(could_be_mean(h / 100, 1250) for h in range(10_001))


@pytest.mark.parametrize(
    ("arguments", "parameter"),
    [((50.0, 0), "denominator"), ((-1.0, 400), "percent"), ((100.5, 400), "percent"), ((float("nan"), 400), "percent")],
)
def test_could_be_mean_refuses(arguments, parameter):
    with pytest.raises(ValueError, match=parameter):
        could_be_mean(*arguments)


def test_granularity_finds_the_counts_behind_the_tables():
    table = granularity((400, 80, 200))
    assert len(table) == 70
    head_by_head = table["table"].isin(["V", "VI"])
    assert table.loc[head_by_head, "fits_400"].all()
    assert table.loc[table["criterion"] == "decision_tree", "fits_80"].all()
    # This says something only because entries of another origin mostly miss the coarse grid.
    assert table.loc[table["attack"] == "dot_product", "fits_80"].sum() <= 3
    odd = table[~head_by_head & ~table["fits_200"]]
    assert sorted(odd["asr_percent"]) == [71.42, 71.42, 77.08]
    assert set(odd["attack"]) == {"blackbox_inversion"} and set(odd["unlearning"]) == {"RT"}
    assert not odd[["fits_400", "fits_80"]].any(axis=None)


def test_granularity_takes_other_denominators():
    assert [c for c in granularity((10,)).columns if c.startswith("fits_")] == ["fits_10"]


def test_one_printed_row_mean_is_not_the_mean_of_its_row():
    rows = row_mean_mismatch()
    assert len(rows) == 14
    (wrong,) = rows[rows["mismatch"]].to_dict("records")
    assert (wrong["table"], wrong["attack"], wrong["criterion"]) == ("VII", "blackbox_inversion", "entropy")
    assert wrong["printed_mean"] == 76.65
    assert wrong["mean_of_entries"] == pytest.approx(75.384)  # (77.75 + 78.87 + 73.75 + 75.13 + 71.42) / 5
