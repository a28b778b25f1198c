"""The page on a reader's own data: layouts, what the loader says and sees, and refusals, all as the code gives them."""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from labelleak_lib.authoring.layout_examples import ACCEPTED, REFUSED, Example, tree
from labelleak_lib.data.base import Dataset
from labelleak_lib.data.class_names import escaped
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.describing import class_table
from labelleak_lib.data.files import DataError
from labelleak_lib.data.folders import BY_SUFFIX, SUFFIXES
from labelleak_lib.data.layouts.arrays import KINDS
from labelleak_lib.data.layouts.path_list import COLUMNS
from labelleak_lib.figures.own_data import seen


def own_data_page(output_dir: Path) -> None:
    """Write `your_own_data.md` and its pictures, `own_data_N.png`, to `output_dir`, which is made if missing."""
    output_dir.mkdir(parents=True, exist_ok=True)
    parts = [shown(example, output_dir, number) for number, example in enumerate(ACCEPTED)]
    rows = [f"| {example.title} | {escaped(refusal(example))} |" for example in REFUSED]
    refused = "\n".join(["## What is refused\n", "| what is brought | what is said |", "|:---|:---|", *rows])
    (output_dir / "your_own_data.md").write_text("\n\n".join([*parts, refused, names()]) + "\n", encoding="utf-8")


def shown(example: Example, output_dir: Path, number: int) -> str:
    """Return the Markdown of an accepted example: its files, what the loader says, and a picture of what it saw."""
    with tempfile.TemporaryDirectory() as folder:
        path = example.write(Path(folder) / "data")
        loaded, listing = load_dataset(str(path)), tree(path)
    figure = seen(*everything(loaded), loaded.class_names)
    picture = output_dir / f"own_data_{number}.png"
    figure.savefig(picture, dpi=110)
    plt.close(figure)
    colour = "grey" if loaded.channels == 1 else "colour"
    alternative = f"The first images of each class, one row a class: {', '.join(loaded.class_names)}"
    notes = "\n".join(f"- {escaped(note)}" for note in loaded.notes)
    parts = [
        f"## {example.title}", example.text, f"```text\n{listing}\n```",
        f"{loaded.variant[0].upper()}{loaded.variant[1:]}, {loaded.classes} classes, {colour}, "
        f"{loaded.side}x{loaded.side} pixels.", notes, class_table(loaded),
        f"![{escaped(alternative)}]({output_dir.name}/{picture.name})",
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def everything(loaded: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of all parts, train first."""
    parts = ("train", "pool", "test")
    images, labels = ([getattr(loaded, f"{part}_{kind}") for part in parts] for kind in ("images", "labels"))
    return torch.cat(images).numpy(), torch.cat(labels).numpy()


def refusal(example: Example) -> str:
    """Return the sentence with which an example is refused, its folder called `data`; ValueError if it is accepted."""
    with tempfile.TemporaryDirectory() as folder:
        path = example.write(Path(folder) / "data")
        try:
            load_dataset(str(path))
        except DataError as error:
            return str(error).replace(f"{Path(folder)}/", "")
    raise ValueError(f"{example.title} is accepted; it must be refused")


def names() -> str:
    """Return the tables of names that the loader understands: of columns, arrays and image files."""
    rows = [f"| a list's column of {meaning}s | {_coded(found)} |" for meaning, found in COLUMNS.items()]
    rows += [f"| an array of {kind} | {_coded(sorted(found))} |" for kind, found in KINDS.items()]
    rows += [
        f"| an image file | {_coded(sorted(SUFFIXES - BY_SUFFIX.keys()))}, and rarer {_coded(sorted(BY_SUFFIX))} |"
    ]
    head = "## Names that are understood\n\nIn any case, and in arrays with a part of the split before or behind: "
    example = "`train_images`, `x_test`.\n"
    return "\n".join([head + example, "| what | names |", "|:---|:---|", *rows])


def _coded(found: object) -> str:
    return ", ".join(f"`{name}`" for name in found)  # type: ignore[attr-defined]
