"""An auditor's own labelled samples, brought to the shape of the model."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelleak_lib.checks import require
from labelleak_lib.data.class_names import in_order
from labelleak_lib.data.files import load_arrays
from labelleak_lib.data.folders import SUFFIXES
from labelleak_lib.data.pictures import Picture, read_pictures
from labelleak_lib.data.samples import Samples
from labelleak_lib.files import as_path
from labelleak_lib.space import InputSpace

MOST = 200
"""Images of a class that are read from a folder at most."""


def as_samples(samples: Any, space: InputSpace, classes: int) -> tuple[Tensor, Tensor]:
    """Return float32 inputs `(n, *shape)` in the box and int64 labels (n,).

    `samples` are `Samples`, a pair (inputs, labels) of arrays, a folder of class folders, or an ``.npz`` with `inputs`
    and `labels`. Bytes are scaled to the box; floats have to lie in it.
    """
    if isinstance(samples, str | Path):
        path = as_path(samples)
        require(path.exists(), "samples", str(path), "an existing folder of class folders, or .npz file")
        samples = read_folder(path, space, classes) if path.is_dir() else tuple(load_arrays(path, ("inputs", "labels")))
    if isinstance(samples, Samples):
        samples = (samples.images, samples.labels)
    require(isinstance(samples, tuple) and len(samples) == 2, "samples", type(samples).__name__, "(inputs, labels)")
    raw, labels = torch.as_tensor(samples[0]), torch.as_tensor(samples[1])
    inputs = space.within(raw.float() / 255) if raw.dtype == torch.uint8 else raw.float()
    require(tuple(inputs.shape[1:]) == space.shape, "samples", f"of shape {tuple(raw.shape)}", f"(n, *{space.shape})")
    require(
        space.holds(inputs), "samples", f"in [{float(inputs.min())}, {float(inputs.max())}]", "inside the model's box"
    )
    fits = labels.shape == (len(inputs),) and not labels.is_floating_point() and len(labels) > 0
    require(
        fits, "labels", f"{labels.dtype} of shape {tuple(labels.shape)}", f"an integer for each of {len(inputs)} inputs"
    )
    least, most = int(labels.min()), int(labels.max())
    require(least >= 0 and most < classes, "labels", f"from {least} to {most}", f"from 0 to {classes - 1}")
    return inputs, labels.long()


def read_folder(root: Path, space: InputSpace, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (uint8 images `(n, *shape)`, labels (n,)) of ``root/<class>/<image>``, stretched to the model's shape.

    A folder's name is its class where all names are numbers below `classes`; else there is one folder for each class,
    in the order of their names, numbers in them counting as numbers.
    """
    require(len(space.shape) == 3 and space.shape[0] in (1, 3), "samples", str(root), "an .npz file, for such inputs")
    names = in_order(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    numbers = all(name.isdecimal() and int(name) < classes for name in names)
    require(
        names and (numbers or len(names) == classes), "samples", f"{root} with {len(names)} class folders", str(classes)
    )
    pictures, labels = list[Picture](), list[int]()
    for i, name in enumerate(names):
        files = [root / name / file for file in in_order(path.name for path in (root / name).iterdir())]
        files = [path for path in files if path.suffix.lower() in SUFFIXES and path.name[0] != "."][:MOST]
        pictures += [Picture(str(path), path) for path in files]
        labels += [int(name) if numbers else i] * len(files)
    require(pictures, "samples", f"{root} without images", f"images ({', '.join(sorted(SUFFIXES))})")
    channels, height, width = space.shape
    return read_pictures(pictures, (channels, height, width))[0], np.asarray(labels)
