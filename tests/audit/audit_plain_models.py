"""Audit models that plain PyTorch code trained, and store what was named: `python tests/audit/audit_plain_models.py`.

Twelve recipes, five seeds; each trains once on every class and once without one. It goes on where it stopped.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from plain_models import RECIPES, Recipe
from tqdm import tqdm

from labelleak_lib import InputSpace, audit
from labelleak_lib.results.plain_models import FILE
from labelleak_lib.trials.threads import one_thread

SEEDS = 5


def wanted() -> Iterator[tuple[str, int, int | None]]:
    """Yield recipe, seed and the class that is left out (None: none is)."""
    for seed in range(SEEDS):
        for i, (name, recipe) in enumerate(RECIPES.items()):
            yield name, seed, None
            yield name, seed, (7 * seed + 3 * i + 1) % recipe.classes


def audited(recipe: Recipe, seed: int, without: int | None) -> dict[str, Any]:
    """Train a model, audit it by probabilities and by labels alone, and return what was named."""
    model = recipe.train(seed, without)
    known = [float(a) for c, a in enumerate(recipe.accuracy(model)) if c != without]
    shape = recipe.shape
    space = InputSpace.images(shape) if len(shape) == 3 else InputSpace.vectors(shape[0], 0.0, 1.0)
    line: dict[str, Any] = {"classes": recipe.classes, "accuracy": round(sum(known) / len(known), 4)}
    for answers in ("probabilities", "labels"):
        report = audit(model, space, labels_only=answers == "labels", progress=False)
        line |= {answers: sorted(report.forgotten), f"{answers}_queries": report.queries}
    return line


def main() -> int:
    """Audit what is missing and return the exit status."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = {(line["recipe"], line["seed"], line["without"]) for line in map(json.loads, lines)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_thread(), path.open("a", encoding="utf-8") as file:
        for name, seed, without in tqdm([each for each in wanted() if each not in known], disable=None):
            line = {"recipe": name, "seed": seed, "without": without, **audited(RECIPES[name], seed, without)}
            file.write(json.dumps(line) + "\n")
            file.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
