"""Parts of a split that a reader's data come with: train, validation, test."""

from collections.abc import Mapping

import numpy as np

from labelleak_lib.data.base import Source
from labelleak_lib.data.files import DataError
from labelleak_lib.data.labels import Classes

_WORDS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip


def part_of(word: str) -> str | None:
    """Return which part a word names: "train", "val", "test", or None.

    >>> part_of("Validation"), part_of("cat")
    ('val', None)
    """
    return _WORDS.get(word.lower())


def of_parts(sizes: Mapping[str, int], images: np.ndarray, classes: Classes, of: str, place: str) -> Source:
    """Return the source of images whose parts stand one behind the other.

    What is given as test stays test; without one, the validation part is. Train, and a validation part beside a test
    part, are divided into train and attacker pool. One part alone is divided into all three.

    Parameters
    ----------
    sizes : mapping
        Number of images of each part, in order; "" is a part without a name.
    images, classes
        uint8 (N, channels, side, side) and what is known of the labels, all parts together.
    of, place : str
        For the variant's name ("a folder"), and for refusals.

    Raises
    ------
    DataError
        For a test part beside no other, a part without a name beside others, or classes that are not in every part.
    """
    ends = np.cumsum(list(sizes.values()))
    rows = {part: np.arange(end - size, end) for (part, size), end in zip(sizes.items(), ends, strict=True)}
    rows = {part: held for part, held in rows.items() if len(held)}
    if len(rows) > 1 and ("" in rows or "train" not in rows):
        raise DataError(f"{place} has parts {', '.join(map(repr, rows))}; name one of them train")
    if len(rows) < 2:
        return Source(f"own split of {of}", classes.names, images, classes.indices, notes=classes.notes)
    held_out = "test" if "test" in rows else "val"
    present = {part: set(classes.indices[held].tolist()) for part, held in rows.items()}
    for part, held in present.items():
        if odd := sorted(present["train"] ^ held):
            side = "train" if odd[0] in present["train"] else part
            raise DataError(
                f"{place}: class {classes.names[odd[0]]!r} is in {side} but not in "
                f"{part if side == 'train' else 'train'}; give every part the same classes"
            )
    notes = classes.notes
    train = rows["train"]
    if held_out == "test" and "val" in rows:
        train = np.concatenate([train, rows["val"]])
        notes = (*notes, f"the {len(rows['val'])} validation images are joined to the training images")
    elif held_out == "val":
        notes = (*notes, f"the {len(rows['val'])} validation images are the test part, since there is no other")
    test = rows[held_out]
    return Source(
        f"given split of {of}", classes.names, images[train], classes.indices[train],
        test=(images[test], classes.indices[test]), notes=notes,
    )  # fmt: skip
