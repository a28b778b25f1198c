"""What a run will take, told before it starts: from a few steps of training that are timed here."""

import sys
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.trials.grid import Wanted
from labelleak_lib.trials.originals import untrained
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread

WORTH_TELLING = 60.0
"""Seconds."""
TIMED = 4
"""Steps."""
TRAININGS_A_MODEL = 2
"""Making a model is reckoned as one training, and all attacks on it as another: what records of the long runs say."""


def steps(recipe: Recipe, samples: int) -> int:
    """Return how many steps a training takes.

    >>> steps(Recipe(epochs=2, batch_size=10, min_steps=0), 25), steps(Recipe(epochs=1, batch_size=10, min_steps=7), 25)
    (6, 7)
    """
    return max(recipe.min_steps, recipe.epochs * -(-samples // recipe.batch_size))


def seconds_a_step(spec: TrialSpec) -> float:
    """Return the seconds that a step of a trial's training takes here on one thread."""
    recipe, everything = spec.settings.recipe, spec.part("train")
    batch = everything.where(torch.arange(len(everything)) < recipe.batch_size)

    def taken(count: int) -> float:
        model, start = untrained(spec), time.perf_counter()
        train(model, batch, replace(recipe, epochs=1, min_steps=count), generator=make_generator(0, "cost"))
        return time.perf_counter() - start

    with one_thread():
        taken(1)  # what is done once a process does not count
        # nor does what is done once a training
        return max(0.0, min(taken(TIMED + 1), taken(TIMED + 1)) - taken(1)) / TIMED


def reckoned(cells: Sequence[Wanted], jobs: int) -> float:
    """Return roughly how many seconds cells take: a training for each model, and as long again for its attacks."""
    spec, models = cells[0].spec, {cell.original for cell in cells} | {cell.model for cell in cells}
    whole = steps(spec.settings.recipe, len(spec.part("train"))) * seconds_a_step(spec)
    return TRAININGS_A_MODEL * len(models) * whole / min(jobs, len({cell.original for cell in cells}))


def tell(cells: Sequence[Wanted], jobs: int) -> None:
    """Say on standard error what a run will take, where that is more than a minute."""
    seconds = reckoned(cells, jobs)
    if seconds > WORTH_TELLING:
        span = f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.0f} hours"
        models = len({cell.model for cell in cells})
        print(f"{cells[0].spec.data.name}: {models} models to unlearn and attack, roughly {span}", file=sys.stderr)
