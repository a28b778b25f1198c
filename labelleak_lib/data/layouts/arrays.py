"""An ``.npz`` of arrays, under the names that published collections give them."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labelleak_lib.data.base import Source
from labelleak_lib.data.files import DataError, array_names, load_arrays
from labelleak_lib.data.labels import numbered, one_a_sample
from labelleak_lib.data.pixels import one_size
from labelleak_lib.data.splits import of_parts, part_of
from labelleak_lib.registry import LAYOUTS

KINDS = {
    "images": frozenset({"images", "image", "imgs", "x", "data", "pixels", "inputs"}),
    "labels": frozenset({"labels", "label", "y", "target", "targets", "classes"}),
    "names": frozenset({"classnames", "labelnames", "targetnames"}),
}
"""What an array's name, without its part of the split, says that it holds."""


@LAYOUTS.register("arrays")
class Arrays:
    """``images`` and ``labels``, or the like, with or without a part of the split in the name (``x_train``)."""

    order = 50

    def takes(self, path: Path) -> bool:
        """Take every ``.npz`` file."""
        return path.is_file() and path.suffix.lower() == ".npz"

    def read(self, path: Path) -> Source:
        """Read images and labels of each part that is there."""
        stored = array_names(path)
        meant = understood(stored, path)
        parts = [part for kind, part in meant if kind == "images"]
        keys = [meant[kind, part] for part in parts for kind in ("images", "labels")]
        named = [key for (kind, _), key in meant.items() if kind == "names"]
        arrays = load_arrays(path, [*keys, *named])
        pixels, labels = arrays[0 : len(keys) : 2], arrays[1 : len(keys) : 2]
        flat = [one_a_sample(y, len(x), str(path)) for x, y in zip(pixels, labels, strict=True)]
        if (
            len({x.shape[1:] for x in pixels}) > 1
            or len({(x.dtype, y.dtype.kind) for x, y in zip(pixels, flat, strict=True)}) > 1
        ):
            raise DataError(f"{path}: images or labels of its parts differ in shape or dtype; save them alike")
        images, notes = one_size(np.concatenate(pixels), str(path))
        names = arrays[-1].tolist() if named else None
        found = numbered(np.concatenate(flat), str(path), names)
        ignored = sorted(set(stored) - {*keys, *named})
        said = (f"arrays that are not read: {', '.join(ignored)}",) if ignored else ()
        sizes = dict(zip(parts, map(len, pixels), strict=True))
        return of_parts(sizes, images, found._replace(notes=(*said, *notes, *found.notes)), "an npz file", str(path))

    def files(self, path: Path) -> Iterable[Path]:
        """List the file itself."""
        return [path]


def understood(stored: list[str], path: Path) -> dict[tuple[str, str], str]:
    """Return the array of each kind and part ("" where there is one), as its name says.

    DataError where images lack labels, or the other way round, or two names mean the same.
    """
    meant: dict[tuple[str, str], str] = {}
    for key in stored:
        words = [word for word in re.split(r"[_\s.-]+", key.lower()) if word]
        parts = [part for word in words if (part := part_of(word))]
        rest = "".join(word for word in words if not part_of(word))
        kind = next((kind for kind, names in KINDS.items() if rest in names), None)
        if kind is None or len(parts) > 1:
            continue
        place = (kind, parts[0] if parts else "")
        if place in meant:
            raise DataError(f"{path} has arrays {meant[place]!r} and {key!r}, which mean the same; keep one of them")
        meant[place] = key
    found = {part: [kind for kind in ("images", "labels") if (kind, part) in meant] for _, part in meant}
    for part, kinds in found.items():
        if len(kinds) == 1:
            there, lacking = meant[kinds[0], part], "labels" if kinds == ["images"] else "images"
            raise DataError(
                f"{path} has {there!r} but no array {lacking!r} for it (it has {stored}); save images and labels"
            )
    if not any(found.values()):
        raise DataError(f"{path} has no array 'images' (it has {stored}); save images and labels")
    return meant
