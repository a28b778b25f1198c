"""Components of variance, against simulations with known ones and against the nested analysis by hand."""

import numpy as np
import pandas as pd
import pytest

from labelleak_lib.evidence import Evidence
from labelleak_lib.results import variance

NAMES = variance.FACTORS


def layout(shape, deviations, draw):
    """Draw a layout whose effects, by the axes that they join, have these standard deviations."""
    values = np.zeros(shape)
    for own, deviation in deviations.items():
        values = values + deviation * draw.normal(size=[n if axis in own else 1 for axis, n in enumerate(shape)])
    return values


def test_estimates_are_right_on_average_over_layouts_with_known_components():
    truth = {(0,): 2.0, (1,): 1.0, (0, 1): 0.5, (0, 1, 2): 0.7, (3,): 0.3, (2, 3): 0.4, (0, 1, 2, 3): 0.6}
    draw, found = np.random.default_rng(0), []
    for _ in range(3000):
        estimates = variance.components(layout((2, 3, 3, 3), truth, draw))
        found.append([estimates[own] for own in sorted(estimates)])
    known = [truth.get(own, 0.0) ** 2 for own in sorted(estimates)]
    error = np.std(found, axis=0) / np.sqrt(len(found))
    assert len(estimates) == 15
    assert np.abs((np.mean(found, axis=0) - known) / error).max() < 4


def test_the_sources_sum_to_the_variance_of_one_value_and_follow_the_steps():
    truth = {(0,): 2.0, (1,): 1.0, (0, 1): 0.5, (0, 1, 2): 0.7, (3,): 0.3, (0, 1, 2, 3): 0.6}
    draw = np.random.default_rng(1)
    found = pd.DataFrame(variance.by_source(layout((3, 3, 3, 3), truth, draw)) for _ in range(3000))
    known = dict(zip(variance.SOURCES, (4.0, 1.25, 0.49, 0.09, 0.36), strict=True))
    for source, value in known.items():
        assert found[source].mean() == pytest.approx(value, abs=4 * found[source].std() / np.sqrt(3000))


@pytest.mark.parametrize("axis", range(4))
def test_what_joins_an_axis_sums_to_the_mean_variance_along_it(axis):
    x = np.random.default_rng(2).normal(size=(4, 3, 2, 5)).cumsum(axis=1)
    joined = [value for own, value in variance.components(x).items() if axis in own]
    assert len(joined) == 8 and sum(joined) == pytest.approx(x.var(axis=axis, ddof=1).mean())


def test_mean_squares_are_those_of_two_ways_by_hand():
    x = np.array([[1.0, 2.0, 4.0], [3.0, 7.0, 5.0]])
    found = variance.mean_squares(x)
    rows, columns = x.mean(1), x.mean(0)
    assert found[(0,)] == pytest.approx(3 * np.var(rows, ddof=1))
    assert found[(1,)] == pytest.approx(2 * np.var(columns, ddof=1))
    rest = x - rows[:, None] - columns + x.mean()
    assert found[(0, 1)] == pytest.approx((rest**2).sum() / 2)


def test_a_step_that_was_not_repeated_has_no_component():
    found = variance.by_source(np.random.default_rng(0).normal(size=(2, 1, 3, 3)))
    assert [name for name, value in found.items() if np.isnan(value)] == ["training seed"]


def test_the_gap_is_positive_where_the_forgotten_class_lies_beyond_all_others():
    reach = np.array([4.0, 4.0, -1.0, 2.0])
    found = Evidence("query_reach", 4, -reach, reach=reach)
    assert variance.gap(found, 2) == pytest.approx((2.0 + 1.0) / 4)
    assert variance.gap(found, 3) == pytest.approx((-1.0 - 2.0) / 4)
    score = np.array([0.0, 2.0, 9.0, 1.0])
    plain = Evidence("head_row_sum", 4, score)
    assert variance.gap(plain, 2) == pytest.approx((9 - 2) / np.std([0, 2, 1]))


def lines(**changed):
    rows = [
        {"dataset": "mnist", "unlearning": "NG", "attack": "query_reach", "unlearned": True, "gap": 10.0 * c + t,
         "exact": 1.0, **dict(zip(NAMES, (c, t, u, a), strict=True))}
        for c in (3, 5) for t in range(3) for u in range(3) for a in range(3)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(**changed)


def test_the_table_tells_class_from_training_and_leaves_incomplete_layouts_out():
    (row,) = variance.variance_table(lines()).to_dict("records")
    assert (row["models"], row["passed"]) == (18, 18)
    # two classes 20 apart: (20 ** 2) / 2; three seeds 1 apart: 1
    assert [row[source] for source in variance.SOURCES] == pytest.approx([200.0, 1.0, 0.0, 0.0, 0.0], abs=1e-9)
    assert variance.variance_table(lines().iloc[1:]).empty


def test_shares_sum_to_the_whole():
    found = variance.shares(variance.variance_table(lines()))
    assert found[list(variance.SOURCES)].sum(axis=1).tolist() == pytest.approx([100.0])
    (sentence,) = variance.sentences(variance.variance_table(lines()))
    assert sentence.startswith("**mnist, NG**") and "class 100%, training seed 0%" in sentence
    both = pd.concat([lines(), lines(unlearning="RT").query("train_seed == 0")])
    told = variance.sentences(variance.variance_table(both))
    assert [text.split(",")[1] for text in told] == [" NG**", " RT**"] and "training" not in told[1]


def test_an_estimate_below_zero_is_marked_and_the_root_is_not_called_a_deviation():
    # the classes' means agree better than what varies within them allows
    turned = lines().assign(gap=lambda x: 1.0 * (x.attack_seed == (x.forgotten + x.train_seed + x.unlearn_seed) % 3))
    table = variance.variance_table(turned)
    (row,) = variance.shown(table).to_dict("records")
    assert table["class"].item() < 0 and row["class"] == "< 0"
    assert "standard deviation" not in row and row["root of the summed components"] == f"{table.deviation.item():.2f}"


def test_the_page_shows_shares_and_leaves_a_step_out_that_was_not_repeated(tmp_path):
    seeded = variance.variance_table(lines(unlearning="RT").query("train_seed == 0"))
    (row,) = variance.shown(seeded).to_dict("records")
    assert row["class"] == "100" and row["training seed"] == "" and row["mean"] == "40.00"
    (row,) = variance.shown(variance.variance_table(lines(), "exact"), percent=True).to_dict("records")
    assert row["mean"] == "100" and row["root of the summed components"] == "0" and row["class"] == "", "nothing varies"
    empty = variance.variance_table(variance.crossed(tmp_path))
    assert empty.empty and variance.shown(empty).empty and variance.sentences(empty) == []
