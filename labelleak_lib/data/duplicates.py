"""The same image in two classes, two classes of the same images, and test images that were trained on."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from labelleak_lib.data.files import DataError


def said_of_duplicates(
    images: np.ndarray, labels: np.ndarray, names: Sequence[str], place: str, test: np.ndarray | None = None
) -> tuple[str, ...]:
    """Say how many images stand in several classes, and how many `test` images are training images too.

    Images are compared as they were read, pixel by pixel. DataError where two classes hold the same images.
    """
    digests = _digests(images)
    holders: dict[bytes, set[int]] = {}
    by_class = [Counter[bytes]() for _ in names]
    for digest, label in zip(digests, labels.tolist(), strict=True):
        holders.setdefault(digest, set()).add(label)
        by_class[label][digest] += 1
    first: dict[frozenset[tuple[bytes, int]], int] = {}
    for label, counts in enumerate(by_class):
        twin = first.setdefault(frozenset(counts.items()), label)
        if counts and twin != label:
            raise DataError(
                f"{place}: classes {names[twin]!r} and {names[label]!r} hold the same {counts.total()} images; "
                "remove one of them"
            )
    shared = [sorted(held) for held in holders.values() if len(held) > 1]
    notes = []
    if shared:
        pair = " and ".join(repr(names[label]) for label in shared[0][:2])
        count = "1 image stands" if len(shared) == 1 else f"{len(shared)} images stand"
        notes.append(f"{count} in several classes, for example in {pair}: no model can tell which is meant")
    if test is not None and (seen := sum(digest in holders for digest in _digests(test))):
        notes.append(f"{seen} of {len(test)} test images are among the training images: accuracy will look too high")
    return tuple(notes)


def _digests(images: np.ndarray) -> list[bytes]:
    return [hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest() for image in images]
