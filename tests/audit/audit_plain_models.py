"""Audit models that plain PyTorch code trained, and store what was named: `python tests/audit/audit_plain_models.py`.

Twelve recipes, five seeds; each trains once on every class and once without one. Every model is audited as it is, by
probabilities and by labels alone, and once more through a file. It goes on where it stopped. The ONNX files among them
are written by the package onnx, and read by the extra "onnx".
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model_files import KINDS, written
from plain_models import RECIPES, Recipe
from torch import nn
from tqdm import tqdm

from labelleak_lib import InputSpace, audit
from labelleak_lib.results.plain_models import FILE
from labelleak_lib.trials.threads import one_thread

SEEDS = 5


def wanted() -> Iterator[tuple[str, int, int | None, str]]:
    """Yield recipe, seed, the class that is left out (None: none is), and the kind of file."""
    kinds = list(KINDS)
    for seed in range(SEEDS):
        for i, (name, recipe) in enumerate(RECIPES.items()):
            # every recipe meets another kind at each seed
            kind = kinds[(i + seed) % len(kinds)]
            yield name, seed, None, kind
            yield name, seed, (7 * seed + 3 * i + 1) % recipe.classes, kind


def audited(recipe: Recipe, seed: int, without: int | None, kind: str) -> dict[str, Any]:
    """Train a model, audit it by probabilities, by labels alone and through a file, and return what was named."""
    model = recipe.train(seed, without)
    known = [float(a) for c, a in enumerate(recipe.accuracy(model)) if c != without]
    line: dict[str, Any] = {"classes": recipe.classes, "accuracy": round(sum(known) / len(known), 4)}
    for answers in ("probabilities", "labels"):
        report = audit(model, space_of(recipe), labels_only=answers == "labels", progress=False)
        line |= {answers: sorted(report.forgotten), f"{answers}_queries": report.queries}
    return line | {"kind_of_file": kind, "through_file": through_file(recipe, model, kind)}


def space_of(recipe: Recipe) -> InputSpace:
    """Return where a recipe's inputs live."""
    shape = recipe.shape
    return InputSpace.images(shape) if len(shape) == 3 else InputSpace.vectors(shape[0], 0.0, 1.0)


def through_file(recipe: Recipe, model: nn.Module, kind: str) -> list[int]:
    """Return the classes that the audit names when it reads the model, a recipe's, from a file of a kind of `KINDS`."""
    with tempfile.TemporaryDirectory() as folder:
        path = written(model, kind, recipe.shape, Path(folder))
        build = None if kind in ("TorchScript", "torch.export", "ONNX") else recipe.untrained
        return sorted(audit(path, space_of(recipe), factory=build, device="cpu", progress=False).forgotten)


def main() -> int:
    """Audit what is missing and return the exit status."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    known = {(line["recipe"], line["seed"], line["without"]) for line in map(json.loads, lines)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with one_thread(), path.open("a", encoding="utf-8") as file:
        for name, seed, without, kind in tqdm([each for each in wanted() if each[:3] not in known], disable=None):
            line = {"recipe": name, "seed": seed, "without": without}
            line |= audited(RECIPES[name], seed, without, kind)
            file.write(json.dumps(line) + "\n")
            file.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
