"""How tables call what a provider offers: defences, the methods that they follow, accesses, and attacks."""

from typing import Any

import pandas as pd

from labelleak_lib.names import DATASET_ORDER, ordered
from labelleak_lib.registry import ADAPTIVE, ATTACKS, DEFENCES, METHODS
from labelleak_lib.trials.offers import NONE

ACCESSES = {
    "labels_only": "labels",
    "black_box": "answers",
    "white_box": "parameters",
    "names": "list of classes",
    "original": "original model",
    "white_box_with_samples": "parameters, samples",
    "samples": "inputs of the task",
}
"""What an attack needs, by the name of its access."""
CEILING = ("parameters, samples", "inputs of the task")
"""Who holds inputs of the task sees what a model forgot: none of the class is answered with it, behind any defence."""
ALONE = "alone"
"""Stands for the method where a defence was handed M_o and unlearned by itself."""
UNIT = ["dataset", "defence", "unlearning"]
"""What is judged: a defence behind a method, on a data set."""


def defence_title(name: str) -> str:
    """Return how a table or an axis names a defence, or that there is none."""
    return "no defence" if name == NONE else DEFENCES.title(name)


def attack_title(name: str) -> str:
    """Return how a table or an axis names an attack, whether it knows the defence or not."""
    return ADAPTIVE.title(name) if name in list(ADAPTIVE) else ATTACKS.title(name)


def unit_title(defence: str, unlearning: str) -> str:
    """Return how a sentence calls a defence with the method that it follows.

    >>> unit_title("mean_row", "RT"), unit_title("trew", "alone")
    ('mean row after RT', 'TREW alone')
    """
    title = defence_title(defence)
    return f"{title} {ALONE}" if unlearning == ALONE else f"{title} after {unlearning}"


def in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of `table` by data set, method and defence in the book's order, otherwise as they stand."""
    known = {"dataset": DATASET_ORDER, "unlearning": (*METHODS, ALONE), "defence": (NONE, *DEFENCES)}
    by = [name for name in known if name in table]
    places = {name: {value: at for at, value in enumerate(ordered(table[name], known[name]))} for name in by}

    def place(column: Any) -> Any:
        return column.map(places[column.name])

    return table.sort_values(by=by, kind="stable", key=place, ignore_index=True)
