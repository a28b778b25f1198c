"""What a data set is, in words, before anything is trained on it."""

import torch

from labelleak_lib.data.base import Dataset
from labelleak_lib.data.class_names import escaped, visible


def class_table(dataset: Dataset) -> str:
    """Return the classes as a Markdown table: index, name, and the number of images of each part."""
    parts = ("train", "pool", "test")
    counts = [torch.bincount(getattr(dataset, f"{part}_labels"), minlength=dataset.classes).tolist() for part in parts]
    rows = [f"| {c} | {escaped(name)} | {' | '.join(f'{part[c]:,}' for part in counts)} |"
            for c, name in enumerate(dataset.class_names)]  # fmt: skip
    return "\n".join(["| index | class | train | attacker pool | test |", "|---:|:---|---:|---:|---:|", *rows])


def noted(dataset: Dataset) -> str:
    """Return what a reader should know of their own files, one bullet a note; empty where there is none."""
    return "\n".join(f"- {escaped(note)}" for note in dataset.notes)


def described(dataset: Dataset) -> str:
    """Return how a reader's own data set was understood: its shape, what to know, and the table of its classes."""
    colour = "grey" if dataset.channels == 1 else "colour"
    first = (
        f"{visible(dataset.name)} ({dataset.variant}): {dataset.classes} classes, {colour} images of "
        f"{dataset.side}x{dataset.side}."
    )
    return "\n".join([first, *(f"- {visible(note)}" for note in dataset.notes), "", class_table(dataset)])
