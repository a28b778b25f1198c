"""Argument checks that answer with one sentence: the parameter, its value, what would be valid."""

import math
from numbers import Integral
from typing import Any

LONGEST = 200
"""Letters of a value that stand in a sentence at most."""


def one_line(error: BaseException) -> str:
    """Return an error's message on one line, to stand inside a sentence."""
    return " ".join(str(error).split())


def require(condition: object, parameter: str, value: Any, valid: str) -> None:
    """Raise ValueError naming `parameter`, its `value` and what is `valid`, unless `condition` holds."""
    if not condition:
        raise ValueError(f"{parameter} is {_shown(value)}; it must be {valid}")


def _shown(value: Any) -> str:
    """Return a value as it is written, cut and on one line where it is an array, a table or the like."""
    text = repr(value)
    if isinstance(value, str) or (len(text) <= LONGEST and "\n" not in text):
        return text
    whole = " ".join(text.split())
    return f"{whole[:LONGEST]} ..." if len(whole) > LONGEST else whole


def require_int(parameter: str, value: Any, *, low: int, high: int | None = None) -> None:
    """Raise ValueError unless `value` is an integer in [`low`, `high`] (no upper bound when `high` is None)."""
    valid = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    require(whole and value >= low and (high is None or value <= high), parameter, value, valid)


def require_number(
    parameter: str, value: Any, *, low: float = -math.inf, high: float = math.inf, above: float = -math.inf
) -> None:
    """Raise ValueError unless `value` is a finite number in [`low`, `high`] and greater than `above`."""
    bounds = [f"at least {low}"] * (low > -math.inf) + [f"above {above}"] * (above > -math.inf)
    bounds += [f"at most {high}"] * (high < math.inf)
    valid = "a finite number" + (" " + " and ".join(bounds) if bounds else "")
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    require(number and low <= value <= high and value > above, parameter, value, valid)


def require_choice(parameter: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    require(value in choices, parameter, value, "one of " + ", ".join(map(repr, choices)))
