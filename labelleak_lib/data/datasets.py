"""The data sets by name or by path, and their division into train, attacker pool and test."""

import contextlib
import hashlib
import os
from dataclasses import replace
from numbers import Integral
from pathlib import Path

import numpy as np
import torch

from labelleak_lib.data.base import Dataset, Layout, Source
from labelleak_lib.data.duplicates import said_of_duplicates
from labelleak_lib.data.files import DataError, default_data_dir
from labelleak_lib.data.split import split_indices
from labelleak_lib.files import UnwritableError, cache_dir
from labelleak_lib.registry import DATASETS, LAYOUTS

NAMES = tuple(DATASETS)
"""The data sets known by name, in the book's order."""
MIN_PER_CLASS = 5


def _read(dataset: str, data_dir: str | Path | None) -> tuple[str, Source]:
    if dataset in DATASETS:
        root = Path(data_dir).expanduser() if data_dir is not None else default_data_dir()
        if not root.is_dir() and root != cache_dir() / "data":
            raise DataError(f"the data folder {root} does not exist; create it, or unset data_dir and LABELLEAK_DATA")
        return dataset, DATASETS[dataset]().read(root)
    path = Path(os.path.expanduser(dataset))
    layout = _layout(dataset)
    if layout is None:
        if os.path.isfile(path):
            raise DataError(
                f"{path} is neither a folder nor an .npz, .csv, .tsv or .parquet file; give a folder of class folders, "
                "or one of these files"
            )
        raise DataError(
            f"dataset {dataset!r} is no known name ({', '.join(DATASETS)}) and no existing path; give one of these "
            "names, a folder of class folders, or an .npz file"
        )
    source = layout.read(path)
    test = source.test[0] if source.test else None
    seen = said_of_duplicates(source.images, source.labels, source.class_names, str(path), test)
    name = path.resolve().name if path.is_dir() else path.stem
    # nothing that is known of a named data set holds for a reader's own of that name
    return f"own-{name}" if name in DATASETS else name, replace(source, notes=(*source.notes, *seen))


def _layout(dataset: str) -> Layout | None:
    """Return the layout that takes a path; None for a known name, or where nothing is there or none takes it."""
    path = Path(os.path.expanduser(dataset))
    if not dataset or dataset in DATASETS or not os.path.exists(path):
        return None
    try:
        return next((layout for name in LAYOUTS if (layout := LAYOUTS[name]()).takes(path)), None)
    except OSError as error:
        raise DataError(
            f"{path} cannot be listed ({(error.strerror or 'no word').lower()}); make it readable"
        ) from error


def stamp(dataset: str) -> str:
    """Return a digest of names, sizes and times of the files that make a reader's own data set, read anew each time.

    Empty for a known name, and for a path that is no data set.
    """
    if (layout := _layout(dataset)) is None:
        return ""
    digest = hashlib.sha256()
    # what cannot be read is refused when it is loaded
    with contextlib.suppress(OSError):
        for path in layout.files(Path(os.path.expanduser(dataset))):
            there = path.stat() if path.exists() else None
            known = (there.st_size, there.st_mtime_ns) if there else ()
            digest.update(f"{path}\0{known}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]


def _check_counts(dataset: str, class_names: tuple[str, ...], labels: np.ndarray, needed: int) -> None:
    counts = np.bincount(labels, minlength=len(class_names))
    if len(counts) > len(class_names):
        last = len(class_names) - 1
        raise DataError(f"{dataset}: label {len(counts) - 1} is out of range 0 .. {last}; restore the original files")
    scarce = int(np.argmin(counts))
    if counts[scarce] < needed:
        raise DataError(
            f"{dataset}: class {class_names[scarce]!r} has {counts[scarce]} samples, at least {needed} are "
            "needed to make the parts train, pool and test; add samples or leave the class out"
        )


def load_dataset(dataset: str, *, data_dir: str | Path | None = None, split_seed: int = 0) -> Dataset:
    """Load a data set and divide it into train, attacker pool and test.

    Official test parts are kept whole, and the pool is a stratified share of the official training part. Without
    official parts, all three are stratified; train, pool and test of a reader's own data are 60/20/20.

    Parameters
    ----------
    dataset : str
        One of `NAMES`; or the path of a reader's own data in one of the registered `LAYOUTS`: class folders,
        with or without train and test above them; an ``.npz`` of images and labels; a list of paths; raw files.
    data_dir : str or Path, optional
        Where named data sets are looked up; :func:`default_data_dir` if None. What is not there is
        downloaded, unless ``LABELLEAK_OFFLINE=1``.
    split_seed : int
        Non-negative seed of the division; the same seed gives the same parts.

    Raises
    ------
    DataError
        When the data set is unknown, missing, damaged or unsuitable, or `split_seed` no non-negative integer.
    """
    if isinstance(split_seed, bool) or not isinstance(split_seed, Integral) or split_seed < 0:
        raise DataError(f"split_seed is {split_seed!r}; give a non-negative integer")
    try:
        name, source = _read(str(dataset), data_dir)
    except UnwritableError as error:
        raise DataError(f"{error}; free space there, or set LABELLEAK_CACHE to a writable folder") from error
    _check_counts(dataset, source.class_names, source.labels, MIN_PER_CLASS)
    shares = (source.pool_share,) if source.test is not None else (source.pool_share, source.test_share)
    indices = split_indices(source.labels, shares, split_seed)
    parts = [(source.images[part], source.labels[part]) for part in indices]
    if source.test is not None:
        _check_counts(dataset, source.class_names, source.test[1], 1)
        parts.append(source.test)
    tensors = []
    for images, labels in parts:
        tensors += [torch.from_numpy(np.ascontiguousarray(images)), torch.from_numpy(labels.astype(np.int64))]
    return Dataset(name, source.variant, source.class_names, *tensors, notes=source.notes)
