"""Exactness against queries: what every black-box reading names at budgets from 10 queries to as many as published.

The evidence is of `trials.queries`.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from labelleak_lib.attacks.passive_reach import LOOKS
from labelleak_lib.evidence import Evidence
from labelleak_lib.names import DATASET_ORDER, ordered, row_name
from labelleak_lib.registry import ATTACKS, CRITERIA
from labelleak_lib.results.intervals import clopper_pearson
from labelleak_lib.results.markdown import rows_of
from labelleak_lib.trials.committed import BUDGETS
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.judging import pairs
from labelleak_lib.trials.store import Store

READINGS = (
    ("passive_answers", "reach"),
    ("passive_reach", "reach"),
    ("query_reach", "reach"),
    ("joint_reach", "reach"),
    ("blackbox_inversion", "reach"),
    ("blackbox_inversion", "threshold"),
)
"""Attack and rule of every curve; the last is the published search under the published rule."""
LEVEL = 0.9
"""Share of targets from which on a reading is said to succeed."""
DECIDED = ["dataset", "trial", "unlearning", "original", "attack", "criterion", "queries", "exact", "silent", "both"]


def looks(evidence: Evidence) -> dict[int, Evidence]:
    """Return what an attack knew by the number of queries put so far: at the numbers `LOOKS`, and in the end.

    Searches that keep nothing on the way are known by their end alone.
    """
    c, known = evidence.classes, dict[int, Evidence]()
    probe = evidence.probe
    if probe is not None and evidence.attack == "query_reach":
        known = {int(row[0]): replace(evidence, reach=row[1:], score=-row[1:]) for row in probe if row[0] in LOOKS}
    elif probe is not None and evidence.attack in ("passive_reach", "passive_answers"):
        part = slice(1 + c, 1 + 2 * c) if evidence.attack == "passive_reach" else slice(1 + 2 * c, None)
        # looks at a part of the inputs come first, and below them all inputs of each family
        early = probe[: sum(n < evidence.queries for n in LOOKS)]
        known = {int(row[0]): replace(evidence, reach=row[part], score=-row[part]) for row in early}
    return {asked: replace(found, queries=asked) for asked, found in known.items()} | {evidence.queries: evidence}


def decided(root: Path = BUDGETS) -> pd.DataFrame:
    """Return what every reading says of every target that passes the gate, and of its M_o: `DECIDED`, 0 or 1."""
    store = Store(root)
    lines = [line for name in ordered(store.datasets(), DATASET_ORDER) for line in _of_dataset(store, name)]
    table = pd.DataFrame(lines, columns=[*DECIDED, "ends"])
    # where a search of this size ended, that speaks, and not what a larger one knew on the way
    kept = table.sort_values("ends", kind="stable").drop_duplicates(DECIDED[:7], keep="last").sort_index()
    return kept[DECIDED].reset_index(drop=True)


def _of_dataset(store: Store, name: str) -> Iterator[tuple[object, ...]]:
    for cell, found in pairs(*store.read(name)):
        if not is_unlearned(cell):
            continue
        truth = frozenset(int(label) for label in cell["forgotten"].split(","))
        facts = (name, cell["trial"], cell["unlearning"], cell["original"])
        for (_, target), (_, placebo) in found:
            before = looks(placebo)
            for rule in (CRITERIA[criterion]() for attack, criterion in READINGS if attack == target.attack):
                for asked, seen in looks(target).items():
                    exact, silent = rule.decide(seen) == truth, not rule.decide(before[asked])
                    said = (float(exact), float(silent), float(exact and silent))
                    yield (*facts, target.attack, rule.name, asked, *said, asked == target.queries)


def curves(table: pd.DataFrame, by: tuple[str, ...] = ("dataset",)) -> pd.DataFrame:
    """Return the shares by number of queries, for every group of `by`, in 0 .. 1.

    Columns: those of `by`, ``attack criterion access queries exact silent both n low high``; `exact`, `silent`
    (on the M_o of each) and `both` over `n` targets, and Clopper and Pearson's interval of `both`.
    """
    rows = []
    for attack, criterion in READINGS:
        chosen = table[(table.attack == attack) & (table.criterion == criterion)]
        access = "labels" if ATTACKS[attack].access_kind == "labels_only" else "probabilities"
        for (*key, asked), group in chosen.groupby([*by, "queries"]):
            rates = (group.exact.mean(), group.silent.mean(), group.both.mean(), len(group))
            interval = clopper_pearson(int(group.both.sum()), len(group))
            rows.append((*key, attack, criterion, access, asked, *rates, *interval))
    columns = ["attack", "criterion", "access", "queries", "exact", "silent", "both", "n", "low", "high"]
    return pd.DataFrame(rows, columns=[*by, *columns])


def cheapest(frame: pd.DataFrame, level: float = LEVEL) -> pd.DataFrame:
    """Return the least budget at which each reading is exact and silent on a share of at least `level`.

    `frame` is of `curves`. Columns: those of its groups, ``attack criterion access queries both best at most last``.
    `queries` is missing where no budget is enough, and `both` the share there; `best` is the largest share, reached
    first `at`; `last` is that with the largest budget, `most` queries.
    """
    by = list(frame.columns[: frame.columns.get_loc("attack")])
    rows = []
    for key, group in frame.groupby([*by, "attack", "criterion", "access"], sort=False):
        line = group.sort_values("queries")
        enough, best, end = line[line.both >= level].head(1), line.iloc[line.both.argmax()], line.iloc[-1]
        found = (enough.queries.iloc[0], enough.both.iloc[0]) if len(enough) else (pd.NA, pd.NA)
        rows.append((*key, *found, best.both, int(best.queries), int(end.queries), end.both))
    names = ["attack", "criterion", "access", "queries", "both", "best", "at", "most", "last"]
    return pd.DataFrame(rows, columns=[*by, *names]).astype({"queries": "Int64", "both": "Float64"})


def lost(table: pd.DataFrame) -> pd.DataFrame:
    """Return the targets named exactly at fewer queries, but no longer with the most: ``dataset unlearning n of``.

    Counted over the readings by reach, each target once; `of` are all targets of the method.
    """
    by_reach = table[table.criterion == "reach"].sort_values("queries")
    keys = ["dataset", "trial", "unlearning", "attack"]
    ends = by_reach.groupby(keys).exact.agg(["max", "last"]).reset_index()
    gone = ends.assign(n=(ends["max"] > ends["last"])).groupby(keys[:3]).n.any().reset_index()
    counts = gone.groupby(keys[:3:2]).n.agg(["sum", "size"]).reset_index()
    return counts.set_axis(["dataset", "unlearning", "n", "of"], axis=1)


def sentences(table: pd.DataFrame, level: float = LEVEL) -> list[str]:
    """Name each reading's cheapest budget, one sentence a reading and data set, and who is lost beyond it."""
    frame, said = curves(table), list[str]()
    place = ordered(frame.dataset, DATASET_ORDER).index
    by_dataset = cheapest(frame, level).sort_values("dataset", kind="stable", key=lambda names: names.map(place))
    for row in rows_of(by_dataset):
        n = frame[frame.dataset == row.dataset].n.max()
        name = f"`{row.dataset}` ({n} targets), {row_name(row.attack, row.criterion)}"
        later = f"; with {row.most:,} queries {100 * row.last:.0f}%" if row.last < level else ""
        best = f"at most {100 * row.best:.0f}%, with {row.at:,} queries" if row.best else "on no target"
        enough = "" if pd.isna(row.queries) else f"{row.queries:,} queries ({100 * row.both:.0f}%{later})"
        said.append(f"{name}: {enough or f'no budget; {best}'}.")
    fewer = lost(table)
    by_code = ", ".join(f"{row.unlearning} {row.n} of {row.of} (`{row.dataset}`)" for row in rows_of(fewer) if row.n)
    names = "Targets that some reading of reach names exactly at a smaller budget, and no more at the largest"
    said.append(f"{names}: {by_code or 'none'}.")
    return said
