"""Other readings of what the paper leaves open, one at a time: what each makes of the published rates.

Run as `python -m labelleak_lib.trials.sensitivity --dataset mnist --trials 3`; it runs what is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from labelleak_lib.attacks.difference import Difference
from labelleak_lib.attacks.dot_product import DotProduct
from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.attacks.gradient_inversion import GradientInversion
from labelleak_lib.checks import require_int
from labelleak_lib.command import one_sentence
from labelleak_lib.data.samples import Samples
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.names import AS_RUN
from labelleak_lib.trials.engine import run
from labelleak_lib.trials.grid import Grid, Wanted
from labelleak_lib.trials.known import Known
from labelleak_lib.trials.settings import Settings, settings
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store
from labelleak_lib.unlearning.negative_gradient import NegativeGradient

SENSITIVITY = COMMITTED / "sensitivity"
TRAINING_SAMPLES = "training samples"


class ClippedInversion(GradientInversion):
    """White-box inversion whose images are clipped to [0, 1] at every step."""

    def _objective(self, model: nn.Module, x: Tensor, aim: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            x.clamp_(0, 1)
        return super()._objective(model, x, aim)


@dataclass(frozen=True)
class InTraining(TrialSpec):
    """A trial whose attacker holds samples that the target was trained on."""

    def part(self, name: str) -> Samples:
        """Return the samples of a part; the training data in place of the pool."""
        return super().part("train" if name == "pool" else name)


def readings(architecture: str) -> dict[str, Settings]:
    """Return every reading's settings, by what it changes; only attacks that it touches are run, on all methods."""
    full = settings("paper", architecture)
    dot, difference = full.attacks["dot_product"], full.attacks["difference"]
    white, black = full.attacks["whitebox_inversion"], full.attacks["blackbox_inversion"]
    assert isinstance(dot, DotProduct)
    recipe = dot.recipe

    def heads(**changed: Any) -> dict[str, Any]:
        other = replace(recipe, **changed)
        return {"dot_product": DotProduct(other), "difference": Difference(other)}

    published: dict[str, Any] = {
        "dot_product": dot, "difference": difference, "whitebox_inversion": white, "blackbox_inversion": black,
    }  # fmt: skip
    unbounded = NegativeGradient(clip_norm=1e6, keep=0.0, ceiling=1e6, margin=1.0, lr=0.01)
    changed: dict[str, dict[str, Any]] = {
        AS_RUN: published,
        "10 steps a head": heads(steps=10),
        "1,000 steps a head": heads(steps=1000),
        "10 samples a head": heads(samples=10),
        "heads without momentum": heads(momentum=0.0),
        "heads from zero": heads(start="zero"),
        TRAINING_SAMPLES: heads(),
        "clipped inversion": {"whitebox_inversion": ClippedInversion(**vars(white))},
        "plain gradient steps": {"whitebox_inversion": replace(white, optimizer="sgd")},  # type: ignore[type-var]
        "population 20 in 50 generations": {"blackbox_inversion": GeneticInversion(population=20, generations=50)},
    }
    found = {name: Settings(full.recipe, full.methods, attacks) for name, attacks in changed.items()}
    found["unbounded NG"] = Settings(full.recipe, {**full.methods, "NG": unbounded}, published)
    return found


def cells(reading: str, given: Settings, dataset: str, trial: int) -> list[Wanted]:
    """Return the cells of one trial under a reading, one and three forgotten classes."""
    methods = ("NG",) if reading == "unbounded NG" else tuple(given.methods)
    grid = Grid(dataset, 1, first=trial, ks=(1, 3), methods=methods, profile="paper", given=given)
    if reading != TRAINING_SAMPLES:
        return grid.cells()
    return [cell._replace(spec=InTraining(**vars(cell.spec))) for cell in grid.cells()]


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of a data set and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.sensitivity", description=__doc__)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--store", type=as_path, default=SENSITIVITY)
    chosen = parser.parse_args(arguments)
    require_int("trials", chosen.trials, low=1)
    architecture = Grid(chosen.dataset).specs()[0].model_spec.architecture
    for trial in range(chosen.trials):
        for reading, given in readings(architecture).items():
            store = Store(chosen.store / reading.replace(" ", "_").replace(",", ""))
            wanted = cells(reading, given, chosen.dataset, trial)
            run(wanted, store, Known.of(store.read(chosen.dataset)))
            store.fold(chosen.dataset, thin=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
