"""The results explorer's table: one line a cell of the committed records, and where it leads."""

import pandas as pd
import pytest
from project import ROOT

from labelleak_lib.authoring.explorer_page import widget
from labelleak_lib.results import exact_silent, explorer
from labelleak_lib.results.leakage import leakage_table
from labelleak_lib.trials.committed import committed_records


@pytest.fixture(scope="module")
def records():
    return committed_records().query("dataset == 'mnist'")


@pytest.fixture(scope="module")
def table(records):
    return explorer.cells(records)


def line(table, unlearning, attack, criterion, k=1):
    same = (table.unlearning == unlearning) & (table.attack == attack) & (table.criterion == criterion)
    (found,) = table[same & (table.k == k)].itertuples()
    return found


def test_every_cell_that_is_decided_by_class_has_one_line(records, table):
    by_class = records[(records.protocol == "attacker") & (records.control == "none")]
    assert len(table) == by_class.groupby(explorer.CELL).ngroups
    assert not table.duplicated(explorer.CELL).any()


def test_the_papers_data_sets_come_first(records):
    both = pd.concat([records.assign(dataset=name)[records.trial == 0] for name in ("digits", "mnist")])
    assert explorer.cells(both).dataset.unique().tolist() == ["mnist", "digits"]


@pytest.mark.parametrize("row", [exact_silent.JOINT_ROW, exact_silent.LABEL_ROW, ("dot_product", "kmeans")])
def test_shares_are_those_of_the_other_tables(records, table, row):
    of_method = records[(records.unlearning == "FT") & (records.k == 1)]
    expected = exact_silent.table(of_method, [row]).iloc[0]
    found = line(table, "FT", *row)
    assert (found.exact_silent, found.exact) == pytest.approx((100 * expected.both, 100 * expected.exact))
    assert found.targets == expected.n


def test_a_success_rate_stands_beside_what_is_published(records, table):
    found = line(table, "RT", "whitebox_inversion", "threshold", k=3)
    rates = leakage_table(records, "paper", 3, [("whitebox_inversion", "threshold")])
    expected = rates[rates.unlearning == "RT"].iloc[0]
    assert (found.rate, found.published) == pytest.approx((expected.measured, expected.published))


def test_a_target_that_fails_the_gate_counts_as_a_trial_and_in_no_rate():
    shared = {
        "dataset": "digits", "k": 1, "unlearning": "RT", "attack": "passive_reach", "criterion": "reach",
        "protocol": "attacker", "auc": 1.0, "asr": 1.0, "classes": 10,
    }  # fmt: skip
    lines = []
    for trial, (unlearned, exact) in enumerate([(True, 1.0), (False, 0.0)]):
        for control, predicted in (("none", "3"), ("placebo", "")):
            own = {"trial": trial, "config_hash": f"m{trial}", "control": control, "predicted": predicted}
            lines.append({**shared, **own, "unlearned": unlearned, "exact_match": exact})
    (found,) = explorer.cells(pd.DataFrame(lines)).itertuples()
    assert (found.exact_silent, found.exact, found.silent) == (100, 100, 100)
    assert (found.targets, found.trials) == (1, 2)


def test_every_line_leads_to_a_figure_of_its_chapter_and_to_a_command_that_its_notebook_understands(table):
    own = explorer.shown(table)
    assert own.evidence.str.contains("#fig-").all()
    pairs = {(code, attack) for code, attack in table[["unlearning", "attack"]].itertuples(index=False)}
    for unlearning, attack in pairs | {("DELETE", "joint_reach")}:
        page, _, figure = explorer.evidence_at(unlearning, attack).partition("#")
        notebook = ROOT / "notebooks" / f"{page.removeprefix('chapters/').removesuffix('.html')}.py"
        source = notebook.read_text(encoding="utf-8")
        assert f'"name": "{figure}"' in source
        command = explorer.command("mnist", 3, unlearning, attack, 5)
        assert f"notebooks/{notebook.stem}.ipynb" in command
        parameters = source.partition('tags=["parameters"]')[2].partition("# %%")[0]
        assert all(f"\n{word} =" in parameters for word in ("dataset", "k", "trials", "profile", "records"))
        assert ("methods:" in command) == ("\nmethods =" in parameters and unlearning == "DELETE")


def test_the_widget_holds_every_line_and_asks_no_other_host(table):
    own = table.head(40)
    html = widget(explorer.shown(own))
    asked = own[["dataset", "k", "unlearning", "attack", "trials"]].itertuples(index=False)
    assert all(explorer.command(*cell) in html for cell in asked)
    assert 'src="http' not in html and 'href="http' not in html and "unpkg" not in html
