"""What is committed was made with today's settings, code and data: nothing stale stands in the book."""

import pandas as pd
import pytest

from labelleak_lib import verify
from labelleak_lib.data import load_dataset
from labelleak_lib.tables import committed_records
from labelleak_lib.theory import survey

CELLS = committed_records().drop_duplicates("config_hash")


@pytest.mark.parametrize("dataset", CELLS.dataset.unique())
def test_cells_are_of_todays_settings_and_data(dataset):
    try:
        load_dataset(dataset)
    except ValueError as error:
        pytest.skip(str(error))
    stale = [row for row in CELLS[CELLS.dataset == dataset].itertuples() if verify.specification(row) is None]
    assert stale == []


def test_surveys_are_of_todays_settings():
    lines = pd.concat(survey.stored("agreement").values()).to_dict("records")
    stale = [
        (line["dataset"], line["method"])
        for line in lines
        if line["settings"] != survey.settings_of(line["method"], line["profile"], line["architecture"])
    ]
    assert lines
    assert stale == []
