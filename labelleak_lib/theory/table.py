"""The table that every check of the theory chapter fills."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class Check:
    """One claim and its measurement.

    Attributes
    ----------
    equation : str
        The paper's equation number, or its section.
    claim : str
    predicted, measured, tolerance : float
        The claim holds where measured is within tolerance of predicted.
    expected : bool
        Whether the claim should hold; False where an assumption that it needs is broken.
    features : str
        The features it is checked on: ``exact``, the dial that is turned, or ``any``.
    """

    equation: str
    claim: str
    predicted: float
    measured: float
    tolerance: float
    expected: bool = True
    features: str = "exact"

    @property
    def holds(self) -> bool:
        """Whether measured lies within tolerance of predicted."""
        return bool(abs(self.measured - self.predicted) <= self.tolerance)


def as_table(checks: Sequence[Check]) -> pd.DataFrame:
    """Return one row a check: equation, features, claim, predicted, measured, tolerance, holds, expected."""
    columns = ["equation", "features", "claim", "predicted", "measured", "tolerance", "holds", "expected"]
    table = pd.DataFrame([[getattr(check, name) for name in columns] for check in checks], columns=columns)
    numbers = ["predicted", "measured", "tolerance"]
    return table.astype(dict.fromkeys(numbers, float))
