"""Labels as people store them, made into class indices 0 .. C-1 with a name each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from labelleak_lib.data.class_names import LONGEST, in_order
from labelleak_lib.data.files import DataError


class Classes(NamedTuple):
    """Class indices int64 (N,), the names in their order, and what was understood, a sentence each."""

    indices: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def one_a_sample(raw: np.ndarray, samples: int, place: str) -> np.ndarray:
    """Return labels (N,) from those stored as (N,), as a column (N, 1), or one-hot (N, C).

    `place` is the file that a refusal names. DataError for another shape, several classes of one image, or numbers that
    are no integers.
    """
    labels = raw[:, 0] if raw.ndim == 2 and raw.shape[1] == 1 else raw
    if labels.ndim == 2 and len(labels) == samples and labels.dtype.kind in "iufb":
        hot = labels.astype(float)
        if not (np.isin(hot, (0, 1)).all() and (hot.sum(1) == 1).all()):
            raise DataError(f"{place}: labels of shape {raw.shape} are not one-hot; save one integer an image")
        return hot.argmax(1)
    if labels.shape != (samples,) or labels.dtype.kind not in "iuSU":
        raise DataError(
            f"{place}: labels are {raw.dtype} of shape {raw.shape}; save one integer or text for each of the "
            f"{samples} images"
        )
    return labels


def numbered(labels: np.ndarray, place: str, names: Sequence[str] | None = None) -> Classes:
    """Return the classes as numbers 0 .. C-1, in the order of their names; each original value is kept as a name.

    Parameters
    ----------
    labels : ndarray
        Integers or text (N,).
    place : str
        The file that a refusal names.
    names : sequence of str, optional
        What classes 0, 1, ... are called, where `labels` are indices.

    Raises
    ------
    DataError
        For negative, empty or very long labels, fewer than 2 classes, or `names` that do not fit.
    """
    values, indices = np.unique(labels, return_inverse=True)
    if labels.dtype.kind in "iu" and len(values) and values[0] < 0:
        raise DataError(f"{place}: label {values[0]} is out of range; number the classes from 0 on")
    if names is not None:
        return _named(labels, values, names, place)
    written = [_text(value, place) for value in values.tolist()]
    if len(set(written)) < len(written):
        raise DataError(f"{place}: two labels differ in characters alone that are no UTF-8; rename one of them")
    if len(written) < 2:
        raise DataError(f"{place}: labels name {len(written)} classes, at least 2 are needed; add another class")
    ordered = in_order(written)
    place_of = {name: i for i, name in enumerate(ordered)}
    numbers = np.array([place_of[name] for name in written])[indices.reshape(-1)]
    return Classes(numbers.astype(np.int64), tuple(ordered), renumbered(ordered))


def renumbered(names: Sequence[str]) -> tuple[str, ...]:
    """Say what the class indices are, where the `names` are whole numbers other than 0 .. C-1; names that look alike.

    >>> renumbered(["1", "2", "5"])
    ('labels 1 .. 5 became the class indices 0 .. 2; each class keeps its label as its name',)
    """
    notes = []
    if all(name.isdecimal() for name in names) and list(names) != list(map(str, range(len(names)))):
        notes.append(
            f"labels {names[0]} .. {names[-1]} became the class indices 0 .. {len(names) - 1}; each class keeps its "
            "label as its name"
        )
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(" ".join(name.split()).casefold(), []).append(name)
    alike = [same for same in folded.values() if len(same) > 1]
    notes += [
        f"classes {same[0]!r} and {same[1]!r} differ in case or spaces alone, and are two classes" for same in alike
    ]
    return tuple(notes)


def _named(labels: np.ndarray, values: np.ndarray, names: Sequence[str], place: str) -> Classes:
    written = [_text(name, place) for name in names]
    if labels.dtype.kind not in "iu" or len(set(written)) != len(written):
        raise DataError(f"{place}: class names {written[:5]} do not fit; save distinct names for labels 0 .. C-1")
    if len(values) < 2 or int(values[-1]) >= len(written):
        raise DataError(
            f"{place}: labels {values.min(initial=0)} .. {values.max(initial=0)} do not fit {len(written)} class "
            "names; save one name a class, for at least 2 classes"
        )
    return Classes(labels.astype(np.int64), tuple(written))


def _text(value: str | bytes | int, place: str) -> str:
    """Return a label as text; what is no UTF-8 in it is replaced."""
    text = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
    name = text.decode("utf-8", "replace")
    if not name.strip() or len(name) > LONGEST:
        raise DataError(f"{place}: a label is {name[:20]!r}; labels have 1 to {LONGEST} characters")
    return name
