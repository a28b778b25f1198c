"""What never-unlearned models give when they are audited: the null that a target is compared with.

The file comes with the library; `python -m labelleak_lib.audit.measuring` writes it.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from labelleak_lib.attacks.reach import relative_reach
from labelleak_lib.evidence import Floats, Ints
from labelleak_lib.results.intervals import clopper_pearson

FILE = Path(__file__).with_name("null.json")
ENOUGH = 19
"""Models from which on a p-value can be as small as 1 in 20."""
ALIKE = 2.5
"""Largest ratio of two numbers of classes that count as alike."""
FINITE = 1e6
"""What an infinite statistic is written as."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Never-unlearned models that are comparable with a target.

    Parameters
    ----------
    lowest : ndarray
        float (n,); the lowest relative reach of any class, of each model.
    alarms : int
        How many of them the rule accuses: some class is out of reach.
    classes : ndarray
        int (n,); their numbers of classes.
    datasets, architectures : tuple of str
        What they were trained on, and as what.
    inputs : int
        Random inputs after which they are compared; 0 stands for the whole search.
    most_answered : float
        Largest share of random inputs that any of them answers with one class.
    least_scale : float
        Smallest unit of relative reach, in nats, of any of them; NaN for labels alone.
    """

    lowest: Floats
    alarms: int
    classes: Ints
    datasets: tuple[str, ...]
    architectures: tuple[str, ...]
    inputs: int
    most_answered: float
    least_scale: float

    def __len__(self) -> int:
        return len(self.lowest)

    @property
    def interval(self) -> tuple[float, float]:
        """Clopper and Pearson's 95% interval of the rate of false alarms."""
        return clopper_pearson(self.alarms, len(self))

    def p_values(self, relative: ArrayLike) -> Floats:
        """Return the conformal p-value of each relative reach (C,): the rank among the models' lowest.

        A model's lowest class stands for it, so that the number of classes is allowed for: the smallest of a
        target's p-values is at most a with probability a at most, if it is exchangeable with these models.
        """
        below = self.lowest[None, :] <= np.nan_to_num(np.asarray(relative, dtype=np.float64), nan=np.inf)[:, None]
        return np.asarray((1 + below.sum(axis=1)) / (1 + len(self)))

    def sentence(self) -> str:
        """Say how often the rule accuses these models, and which they are."""
        low, high = self.interval
        counts = sorted(set(self.classes.tolist()))
        asked = f"after {self.inputs:,} random inputs" if self.inputs else "after the whole search"
        return (
            f"Measured on {len(self)} never-unlearned models ({', '.join(self.datasets)}; "
            f"{', '.join(self.architectures)}; {', '.join(map(str, counts))} classes), {asked}: "
            f"a class of {self.alarms} of them is out of reach "
            f"({100 * self.alarms / len(self):.1f}%, 95% interval {100 * low:.1f} to {100 * high:.1f}%)."
        )


@functools.cache
def content(path: Path = FILE) -> dict[str, list]:
    """Return the file's columns, one entry a model."""
    return dict(json.loads(path.read_text(encoding="utf-8"))["models"])


def comparable(classes: int, *, labels_only: bool, inputs: int = 0) -> Comparison:
    """Return the models whose number of classes is like the target's, or the nearest where these are fewer than 19.

    They are compared after the whole search, or after the largest number of random inputs that is not above `inputs`.
    """
    held = content()
    own = np.asarray(held["classes"])
    distance = np.abs(np.log(own / classes))
    alike = distance <= np.log(ALIKE) + 1e-9
    if alike.sum() < ENOUGH:
        nearest = np.sort(np.unique(distance))
        alike = distance <= next(d for d in nearest if (distance <= d).sum() >= ENOUGH)
    answers = "labels" if labels_only else "probabilities"
    looks = sorted(int(name.rpartition("_")[2]) for name in held if name.startswith(f"{answers}_"))
    look = max((n for n in looks if n <= inputs), default=looks[0]) if inputs else 0
    lowest = np.asarray(held[f"{answers}_{look}" if look else answers], dtype=np.float64)[alike]

    def names(column: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for name, taken in zip(held[column], alike, strict=True) if taken))

    scale = float(np.asarray(held["scale"])[alike].min())
    return Comparison(
        lowest, int((lowest <= 0).sum()), own[alike], names("dataset"), names("architecture"), look,
        float(np.asarray(held["most_answered"])[alike].max()), float("nan") if labels_only else scale,
    )  # fmt: skip


def lowest_relative(reach: ArrayLike) -> float:
    """Return the lowest relative reach of any class; `FINITE` where no class is reached, since no rule accuses then."""
    relative = relative_reach(reach)
    return float(np.clip(np.nan_to_num(relative, nan=np.inf).min(), -FINITE, FINITE))
