"""How often the audit is right on models that plain PyTorch code trained, none of which its null bank holds."""

from pathlib import Path

import pandas as pd

from labelleak_lib.files import COMMITTED
from labelleak_lib.results.intervals import clopper_pearson
from labelleak_lib.results.markdown import rows_of

FILE = COMMITTED / "audit" / "plain_models.jsonl"
ANSWERS = ("probabilities", "labels")


def audited(path: Path = FILE) -> pd.DataFrame:
    """Return one line a model and kind of answers: ``recipe seed without kind_of_file same answers named right``.

    `without` is the class that the training left out, -1 where it left out none; `named` is a tuple; `right` says
    whether exactly that was named. `same` says whether the audit of the model in a file, of `kind_of_file`, named by
    probabilities what the audit of the model itself did.
    """
    table = pd.read_json(path, lines=True)
    same = [list(a) == list(b) for a, b in zip(table.through_file, table.probabilities, strict=True)]
    told = table.assign(without=table.without.fillna(-1).astype(int), same=same)
    lines = told.melt(["recipe", "seed", "without", "kind_of_file", "same"], list(ANSWERS), "answers", "named")
    named = lines.named.map(tuple)
    truth = lines.without.map(lambda c: () if c < 0 else (c,))
    return lines.assign(named=named, right=[a == b for a, b in zip(named, truth, strict=True)])


def by_recipe(table: pd.DataFrame) -> pd.DataFrame:
    """Return counts by recipe, "m of n" as text.

    Models without a class that are named exactly, and models met with silence, by kind of answers; and models that get
    the same verdict through a file.
    """
    lines = table.assign(side=table.without.map(lambda c: "silent" if c < 0 else "exact"))
    counts = lines.groupby(["recipe", "answers", "side"], sort=False).right.agg(["sum", "size"])
    wide = _of(counts).unstack(["answers", "side"])
    wanted = [(a, s) for a in ANSWERS for s in ("exact", "silent")]
    shown = pd.DataFrame({f"{s}, {a}": wide[a, s] for a, s in wanted})
    files = table[table.answers == "probabilities"].groupby("recipe", sort=False).same.agg(["sum", "size"])
    return shown.assign(**{"same through a file": _of(files)}).reset_index()


def _of(counts: pd.DataFrame) -> pd.Series:
    return counts["sum"].astype(str) + " of " + counts["size"].astype(str)


def sentences(table: pd.DataFrame) -> list[str]:
    """Say how often the audit is exact, how often silent, and how often a file gets another verdict, over all recipes.

    The intervals are Clopper and Pearson's.
    """
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
        said.append(f"By {answers}: {'; '.join(parts)}." + (f" Wrong where: {'; '.join(missed)}." if missed else ""))
    files = table[table.answers == "probabilities"]
    kinds = _of(files.groupby("kind_of_file", sort=False).same.agg(["sum", "size"]))
    same = f"{files.same.sum()} of {len(files)} models get the verdict of the module"
    return [*said, f"Through a file, {same}: {', '.join(f'{kind} {n}' for kind, n in kinds.items())}."]
