"""A folder of train and test folders, each with one folder of images a class."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labelleak_lib.data.base import Source
from labelleak_lib.data.files import DataError
from labelleak_lib.data.folders import below, class_files, listing, said_of_skipped
from labelleak_lib.data.labels import numbered
from labelleak_lib.data.pictures import Picture, read_pictures
from labelleak_lib.data.splits import of_parts, part_of
from labelleak_lib.registry import LAYOUTS


@LAYOUTS.register("split folders")
class SplitFolders:
    """``root/train/<class>/<image>``, with ``val`` (``valid``, ``validation``) or ``test`` or both beside it."""

    order = 10

    def takes(self, path: Path) -> bool:
        """Take a folder that holds a train folder with folders in it."""
        if not path.is_dir():
            return False
        train = [folder for folder in path.iterdir() if part_of(folder.name) == "train" and folder.is_dir()]
        return any(inner.is_dir() and not inner.name.startswith(".") for folder in train for inner in folder.iterdir())

    def read(self, path: Path) -> Source:
        """Read all parts together, so that their images get one shape."""
        top = listing(path)
        if strange := [inner for inner in (*top.folders, *top.images) if part_of(inner.name) is None]:
            raise DataError(f"{strange[0]} lies beside a train folder; leave train, val and test folders alone there")
        pictures: list[Picture] = []
        labels: list[str] = []
        sizes: dict[str, int] = {}
        skipped: Counter[str] = top.skipped
        for folder in top.folders:
            part = part_of(folder.name) or ""
            if part in sizes:
                raise DataError(f"{path} has two {part} folders, one of them {folder.name}; keep one")
            classes, left_out = class_files(folder)
            skipped.update(left_out)
            found = [(Picture(str(file), file), name) for name in sorted(classes) for file in classes[name]]
            pictures += [picture for picture, _ in found]
            labels += [name for _, name in found]
            sizes[part] = len(found)
        if not pictures:
            raise DataError(f"{path} holds no class folders in its parts; make one folder a class in each")
        images, notes = read_pictures(pictures)
        known = numbered(np.array(labels), str(path))
        said = (*said_of_skipped(skipped), *notes, *known.notes)
        return of_parts(sizes, images, known._replace(notes=said), "a folder", str(path))

    def files(self, path: Path) -> Iterable[Path]:
        """List the files of the parts and of their class folders."""
        return below(path, 2)
