"""How far each printed cell is from ours, by cells made up here."""

import pandas as pd
import pytest

from labelleak_lib.names import AS_RUN
from labelleak_lib.paper.published import published_asr
from labelleak_lib.results import sensitivity

PRINTED = published_asr("dot_product", "youden", "RT", 1)


def table(*lines):
    columns = ["reading", "attack", "criterion", "unlearning", "k", "dataset", "trials", "rate"]
    return pd.DataFrame(
        [(reading, "dot_product", "youden", code, k, dataset, 3, rate) for reading, code, k, dataset, rate in lines],
        columns=columns,
    )


def test_a_cell_takes_the_nearest_reading_and_data_sets_weigh_alike():
    found = sensitivity.by_cell(
        table(
            (AS_RUN, "RT", 1, "mnist", PRINTED + 6), (AS_RUN, "RT", 1, "svhn", PRINTED + 10),
            ("10 steps", "RT", 1, "mnist", PRINTED - 4), ("10 steps", "RT", 1, "svhn", PRINTED + 2),
            ("zero", "RT", 1, "mnist", PRINTED + 3), ("zero", "RT", 1, "svhn", PRINTED + 3),
        )
    ).iloc[0]  # fmt: skip
    assert found.as_run == pytest.approx(PRINTED + 8)
    assert (found.nearest, found.rate) == ("10 steps", pytest.approx(PRINTED - 1))


def test_ours_stays_where_no_reading_is_nearer():
    found = sensitivity.by_cell(table((AS_RUN, "RT", 1, "mnist", PRINTED + 3), ("zero", "RT", 1, "mnist", PRINTED - 3)))
    assert found.nearest.tolist() == [AS_RUN]


def test_a_cell_that_the_paper_does_not_print_is_left_out():
    assert sensitivity.by_cell(table((AS_RUN, "RT", 2, "mnist", 90.0))).empty


def test_distances_of_a_reading_are_over_the_cells_that_it_touches():
    other = published_asr("dot_product", "youden", "NG", 1)
    found = sensitivity.by_reading(
        table(
            (AS_RUN, "RT", 1, "mnist", PRINTED + 1), (AS_RUN, "NG", 1, "mnist", other - 9),
            ("zero", "NG", 1, "mnist", other + 2),
        )
    ).iloc[0]  # fmt: skip
    assert found.cells == 1 and found.as_run == pytest.approx(9) and found.changed == pytest.approx(2)
    assert (found.near_as_run, found.near_changed) == (0, 1)


def test_sentences_count_on_both_sides_of_print():
    cells = sensitivity.by_cell(
        table(
            (AS_RUN, "RT", 1, "mnist", 100.0),
            (AS_RUN, "NG", 1, "mnist", published_asr("dot_product", "youden", "NG", 1)),
        )
    )
    readings = sensitivity.by_reading(table((AS_RUN, "RT", 1, "mnist", 100.0), ("zero", "RT", 1, "mnist", PRINTED)))
    text = "\n".join(sensitivity.sentences(cells, readings))
    assert "Of 2 printed cells ours reach 2, but only 1 lie within 2 points" in text
    assert f"zero: 0.0 points from print in place of {100 - PRINTED:.1f}, over 1 cells." in text


def test_the_basis_names_data_sets_and_trials():
    said = sensitivity.basis(table((AS_RUN, "RT", 1, "mnist", 90.0), ("zero", "RT", 1, "svhn", 80.0)))
    assert "these were run: mnist (3 trials). A printed rate is the mean over four." in said


def test_captions_name_the_ground_and_of_how_many_readings_the_nearest_is():
    lines = table(*((name, "RT", 1, "mnist", 90.0 + i) for i, name in enumerate((AS_RUN, "zero", "10 steps"))))
    assert sensitivity.by_cell(lines).tried.tolist() == [3]
    assert sensitivity.ground(lines.assign(trials=1)) == "mnist (1 trial)"
