"""The classes that a reader wants forgotten, by index or by name."""

from collections.abc import Sequence
from numbers import Integral

from labelleak_lib.checks import require, require_int
from labelleak_lib.command import nearest

Wish = Sequence[int | str] | int | str
"""One class or several, each by its index or its name."""


def chosen_classes(wish: Wish, names: Sequence[str]) -> tuple[int, ...]:
    """Return the sorted indices of the classes that are wished for.

    Parameters
    ----------
    wish : int, str or sequence of both
        An integer is an index, text is a name; text that is no name is a list of them with commas.
    names : sequence of str
        The classes' names, in the order of their indices.

    Raises
    ------
    ValueError
        If a class is unknown, none or all are wished for, or an integer could be the name of another class.

    Examples
    --------
    >>> chosen_classes("dog", ("cat", "dog")), chosen_classes([2, 0], ("a", "b", "c")), chosen_classes("c, 0", "abc")
    ((1,), (0, 2), (0, 2))
    """
    valid = isinstance(wish, str | Integral | Sequence) and not isinstance(wish, bytes)
    require(valid, "forgotten", wish, "a list of classes")
    asked = _parts(wish, names) if isinstance(wish, str) else wish if isinstance(wish, Sequence) else [wish]
    chosen = tuple(sorted({_index(c, names) for c in asked}))
    require(0 < len(chosen) < len(names), "forgotten", chosen, f"1 to {len(names) - 1} classes")
    return chosen


def _parts(wish: str, names: Sequence[str]) -> list[int | str]:
    """Return the classes that text lists with commas: names, and indices where no class has a number as its name."""
    if wish in names or not wish.strip("[]() "):
        return [wish]
    parts = [part.strip().strip("'\"") for part in wish.strip("[]() ").removesuffix(",").split(",")]
    numbers = any(name.isdecimal() for name in names)
    return [int(part) if part.isdecimal() and not numbers else part for part in parts]


def _index(wanted: object, names: Sequence[str]) -> int:
    if isinstance(wanted, str):
        close = f"{nearest(wanted, names)!r} is the nearest"
        require(wanted in names, "forgotten class", wanted, f"the name of a class, of which {close}, or an index")
        return list(names).index(wanted)
    ambiguous = _ambiguous(wanted, names)
    require_int("forgotten class", wanted, low=0, high=None if ambiguous else len(names) - 1)
    require(
        not ambiguous, "forgotten class", wanted,
        f"a name in quotes, such as {names[-1]!r}: the classes have numbers as names, which are not their indices",
    )  # fmt: skip
    return int(wanted)  # type: ignore[call-overload]


def _ambiguous(wanted: object, names: Sequence[str]) -> bool:
    """Tell whether an integer could be the name of another class than the one with this index."""
    meant = {int(name): c for c, name in enumerate(names) if name.removeprefix("-").isdecimal()}
    if len(meant) == len(names):
        return any(number != c for number, c in meant.items())
    return wanted in meant and meant[wanted] != wanted
