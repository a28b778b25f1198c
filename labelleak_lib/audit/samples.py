"""An auditor's own labelled samples, brought to the shape of the model."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from labelleak_lib.checks import require
from labelleak_lib.data.files import DataError, load_arrays
from labelleak_lib.data.folders import FORMATS, SUFFIXES
from labelleak_lib.data.samples import Samples
from labelleak_lib.space import InputSpace

MOST = 200
"""Images of a class that are read from a folder at most."""


def as_samples(samples: Any, space: InputSpace, classes: int) -> tuple[Tensor, Tensor]:
    """Return float32 inputs `(n, *shape)` in the box and int64 labels (n,).

    `samples` are `Samples`, a pair (inputs, labels) of arrays, a folder of class folders, or an ``.npz`` with `inputs`
    and `labels`. Bytes are scaled to the box; floats have to lie in it.
    """
    if isinstance(samples, str | Path):
        path = Path(samples)
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
    folders = sorted((p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")), key=natural)
    names = [folder.name for folder in folders]
    numbers = all(name.isdecimal() and int(name) < classes for name in names)
    require(
        folders and (numbers or len(folders) == classes),
        "samples",
        f"{root} with {len(folders)} class folders",
        str(classes),
    )
    images, labels = [], []
    for i, folder in enumerate(folders):
        files = [path for path in sorted(folder.iterdir(), key=natural) if path.suffix.lower() in SUFFIXES][:MOST]
        images += [_image(path, space.shape) for path in files]
        labels += [int(folder.name) if numbers else i] * len(files)
    require(images, "samples", f"{root} without images", f"images ({', '.join(sorted(SUFFIXES))})")
    return np.stack(images), np.asarray(labels)


def natural(path: Path) -> tuple[tuple[int, str], ...]:
    """Return the key by which names with numbers sort as people count: 2 before 10."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name) if part)


def _image(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        with Image.open(path, formats=FORMATS) as image:
            plain = image.convert("L" if shape[0] == 1 else "RGB")
            resized = np.asarray(plain.resize((shape[2], shape[1]), Image.Resampling.BILINEAR))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} is not a readable image ({error}); remove it or replace it") from error
    return resized[None] if shape[0] == 1 else resized.transpose(2, 0, 1)
