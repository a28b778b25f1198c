"""The ladder of budgets: what it costs, that every variant is run once, and that a second run has nothing to do."""

import pytest
import torch
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.models.access import BlackBox
from labelleak_lib.trials import queries
from labelleak_lib.trials.engine import sweep
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.store import Store

LADDER = [(name, attack) for name, several in queries.variants().items() for attack in several]
COSTS = {
    "passive_reach": [10_000], "passive_answers": [10_000], "query_reach": [10, 30, 100, 300, 1000, 10_000],
    "joint_reach": [30, 100, 300, 1000, 2400, 3000, 10_000],
    "blackbox_inversion": [100, 300, 1000, 3050, 9850, 30_300, 55_050, 190_050],
}  # fmt: skip


def counted(attack):
    """Return what an attack asks of a box with ten classes and images of one pixel."""
    box = BlackBox(lambda x: torch.full((len(x), 10), 0.1), 10, (1, 1, 1))
    attack.evidence(box, generator=torch.Generator().manual_seed(0))
    return box.queries


@pytest.mark.parametrize("name", COSTS)
def test_the_ladder_of_an_attack_costs_what_the_curves_say(name):
    cheap = [attack for attack in queries.variants()[name] if "generations=200" not in repr(attack)]
    spent = [counted(attack) for attack in cheap]
    assert spent == COSTS[name][: len(spent)] and len(COSTS[name]) == len(queries.variants()[name])


def test_passes_hold_every_variant_once():
    held = [item for attacks in queries.passes() for item in attacks.items()]
    assert len(held) == len(LADDER) and all(item in held for item in LADDER)


def test_a_second_run_has_nothing_to_do(tmp_path):
    with small_trials(tmp_path) as path:
        attacks = {"query_reach": queries.variants()["query_reach"][0]}
        given = queries.replace(SMALL_SETTINGS, attacks=attacks)
        grid, store = Grid(dataset=path, methods=("FT",), given=given, device="cpu"), Store(tmp_path / "store")
        assert (sweep(grid, store), sweep(grid, store)) == (1, 0)
        other = queries.replace(given, attacks={"query_reach": queries.variants()["query_reach"][1]})
        assert sweep(queries.replace(grid, given=other), store) == 1, "another budget is another piece of evidence"
        found = store.evidence(store.datasets()[0])
    assert sorted(found.queries.unique()) == [4, 12]


def test_bad_input_ends_in_one_sentence(capsys):
    assert queries.main(["nowhere_at_all", "--jobs", "1"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
