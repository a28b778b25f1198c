"""A folder with one folder of images a class."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from labelleak_lib.data.base import Source
from labelleak_lib.data.class_names import in_order
from labelleak_lib.data.files import DataError
from labelleak_lib.data.folders import below, class_files, said_of_skipped
from labelleak_lib.data.labels import numbered
from labelleak_lib.data.pictures import Picture, read_pictures
from labelleak_lib.registry import LAYOUTS


@LAYOUTS.register("class folders")
class ClassFolders:
    """``root/<class>/<image>``."""

    order = 90

    def takes(self, path: Path) -> bool:
        """Take every folder that no other layout takes."""
        return path.is_dir()

    def read(self, path: Path) -> Source:
        """Read the images of every class; the classes' order is that of people who count."""
        classes, skipped = class_files(path)
        if len(classes) < 2:
            raise DataError(f"{path} has {len(classes)} class folders, at least 2 are needed; make one folder a class")
        names = in_order(classes)
        pictures = [Picture(str(file), file) for name in names for file in classes[name]]
        images, notes = read_pictures(pictures)
        labels = np.array([name for name in names for _ in classes[name]])
        found = numbered(labels, str(path))
        said = (*said_of_skipped(skipped), *notes, *found.notes)
        return Source("own split of a folder", found.names, images, found.indices, notes=said)

    def files(self, path: Path) -> Iterable[Path]:
        """List the files of the folder and of its class folders."""
        return below(path, 1)
