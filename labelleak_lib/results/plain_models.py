"""How often the audit is right on models that plain PyTorch code trained, none of which its null bank holds."""

from pathlib import Path

import pandas as pd

from labelleak_lib.files import COMMITTED
from labelleak_lib.results.intervals import clopper_pearson
from labelleak_lib.results.markdown import rows_of

FILE = COMMITTED / "audit" / "plain_models.jsonl"
ANSWERS = ("probabilities", "labels")


def audited(path: Path = FILE) -> pd.DataFrame:
    """Return one line a model and kind of answers: ``recipe seed without answers named right``.

    `without` is the class that the training left out, -1 where it left out none; `named` is a tuple; `right` says
    whether exactly that was named.
    """
    table = pd.read_json(path, lines=True)
    told = table.assign(without=table.without.fillna(-1).astype(int))
    lines = told.melt(["recipe", "seed", "without"], list(ANSWERS), "answers", "named")
    named = lines.named.map(tuple)
    truth = lines.without.map(lambda c: () if c < 0 else (c,))
    return lines.assign(named=named, right=[a == b for a, b in zip(named, truth, strict=True)])


def by_recipe(table: pd.DataFrame) -> pd.DataFrame:
    """Return counts "right of n" by recipe, as text: exact without a class, silent on all, by kind of answers."""
    lines = table.assign(side=table.without.map(lambda c: "silent" if c < 0 else "exact"))
    counts = lines.groupby(["recipe", "answers", "side"], sort=False).right.agg(["sum", "size"])
    text = counts["sum"].astype(str) + " of " + counts["size"].astype(str)
    wide = text.unstack(["answers", "side"])
    wanted = [(a, s) for a in ANSWERS for s in ("exact", "silent")]
    return pd.DataFrame({f"{s}, {a}": wide[a, s] for a, s in wanted}).reset_index()


def sentences(table: pd.DataFrame) -> list[str]:
    """Say how often the audit is exact, and how often silent, over all recipes, with Clopper and Pearson's interval."""
    said = []
    for answers in ANSWERS:
        own = table[table.answers == answers]
        parts = []
        for side, part in (("named exactly", own[own.without >= 0]), ("met with silence", own[own.without < 0])):
            hits, n = int(part.right.sum()), len(part)
            low, high = clopper_pearson(hits, n)
            models = "models without a class" if side == "named exactly" else "never-unlearned models"
            parts.append(f"{hits} of {n} {models} {side} (95% interval {100 * low:.0f} to {100 * high:.0f}%)")
        wrong = own[~own.right]
        missed = sorted({row.recipe for row in rows_of(wrong)})
        said.append(f"By {answers}: {'; '.join(parts)}." + (f" Wrong where: {', '.join(missed)}." if missed else ""))
    return said
