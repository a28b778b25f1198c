"""The made-up data of the page on a reader's own data: every layout on disk, and what is refused."""

import csv
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PER_CLASS = 25
SHAPES = ("circle", "square", "cross")
COLOURS = ((230, 80, 60), (70, 190, 90), (80, 130, 240))
Pixels = NDArray[np.uint8]


class Example(NamedTuple):
    """What a reader may bring: a title, a sentence, and what writes it below a folder and returns its path."""

    title: str
    text: str
    write: Callable[[Path], Path]


def drawn(shape: str, i: int, *, colour: bool = False, side: int = 28, seed: int = 0) -> Pixels:
    """Draw the i-th image of a shape, white or in its colour on black with noise: uint8 (side, side) or (..., 3)."""
    rng = np.random.default_rng([SHAPES.index(shape), i, seed])
    x, y, r = *rng.uniform(0.4, 0.6, 2) * side, rng.uniform(0.2, 0.35) * side
    image = Image.new("RGB", (side, side))
    draw, fill = ImageDraw.Draw(image), COLOURS[SHAPES.index(shape)] if colour else (255, 255, 255)
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill)
    else:
        draw.line((x - r, y - r, x + r, y + r), fill, 4)
        draw.line((x - r, y + r, x + r, y - r), fill, 4)
    noisy = np.asarray(image, float) + rng.normal(0, 8, (side, side, 3 if colour else 1))
    pixels = noisy.clip(0, 255).astype(np.uint8)
    return pixels if colour else pixels[..., 0]


def images_of(n: int = PER_CLASS, *, colour: bool = False, side: int = 28, seed: int = 0) -> tuple[Pixels, list[str]]:
    """Return n images of each shape, class behind class, and the shapes' names."""
    pairs = [(drawn(shape, i, colour=colour, side=side, seed=seed), shape) for shape in SHAPES for i in range(n)]
    return np.stack([pixels for pixels, _ in pairs]), [shape for _, shape in pairs]


def class_folders(root: Path, n: int = PER_CLASS, *, colour: bool = False, seed: int = 0) -> Path:
    """Write root/<class>/<number>.png."""
    images, names = images_of(n, colour=colour, seed=seed)
    for i, (pixels, name) in enumerate(zip(images, names, strict=True)):
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / name / f"{i % n:02}.png")
    return root


def _with_litter(root: Path) -> Path:
    class_folders(root)
    (root / ".DS_Store").write_bytes(b"x")
    (root / "notes.txt").write_text("drawn by code", encoding="utf-8")
    pixels = Image.fromarray(drawn("cross", 99))
    pixels.convert("RGB").save(root / "cross" / "grey as colour.bmp")
    return root


def _split(root: Path) -> Path:
    for seed, (part, n) in enumerate((("train", 30), ("val", 6), ("test", 8))):
        class_folders(root / part, n, colour=True, seed=seed)
    return root


def _list(root: Path) -> Path:
    images, names = images_of()
    (root / "scans").mkdir(parents=True)
    rows = [["filename", "label", "split"]]
    for i, (pixels, name) in enumerate(zip(images, names, strict=True)):
        Image.fromarray(pixels).save(root / "scans" / f"{i:03}.png")
        rows.append([f"scans/{i:03}.png", name, "test" if i % 5 == 0 else "train"])
    with (root / "scans.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return root / "scans.csv"


def _medical(root: Path) -> Path:
    root.mkdir(parents=True)
    arrays: dict[str, NDArray[np.generic]] = {}
    for seed, (part, n) in enumerate((("train", 30), ("val", 6), ("test", 8))):
        images, names = images_of(n, seed=seed)
        arrays[f"{part}_images"], arrays[f"{part}_labels"] = images, np.array([[SHAPES.index(name)] for name in names])
    np.savez(root / "shapes.npz", **arrays)  # type: ignore[arg-type]
    return root / "shapes.npz"


def _twelve_bits(root: Path) -> Path:
    root.mkdir(parents=True)
    images, names = images_of()
    labels = np.array([10 * (SHAPES.index(name) + 1) for name in names])
    np.savez(root / "sensor.npz", x=images.astype(np.uint16) * 16, y=labels)
    return root / "sensor.npz"


def _raw(root: Path) -> Path:
    root.mkdir(parents=True)
    for seed, (part, n) in enumerate((("train", 30), ("t10k", 8))):
        images, names = images_of(n, seed=seed)
        labels = np.array([SHAPES.index(name) for name in names], np.uint8)
        for kind, array in (("images-idx3-ubyte", images), ("labels-idx1-ubyte", labels)):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            (root / f"{part}-{kind}").write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes())
    return root


def _batches(root: Path) -> Path:
    root.mkdir(parents=True)
    for seed, (name, n) in enumerate((("data_batch_1.bin", 30), ("test_batch.bin", 8))):
        images, names = images_of(n, colour=True, side=32, seed=seed)
        labels = np.array([[SHAPES.index(name)] for name in names], np.uint8)
        (root / name).write_bytes(np.hstack([labels, images.transpose(0, 3, 1, 2).reshape(len(images), -1)]).tobytes())
    (root / "batches.meta.txt").write_text("\n".join(SHAPES), encoding="utf-8")
    return root


ACCEPTED = (
    Example("Class folders", "One folder of images a class.", lambda root: _with_litter(root / "shapes")),
    Example(
        "Train, validation and test folders", "The split that is there is used.", lambda root: _split(root / "shapes")
    ),
    Example("A list of paths", "CSV, TSV or Parquet; in Parquet an image's bytes may stand for its path.", _list),
    Example("Arrays of a benchmark collection", "Each part of the split under its own names.", _medical),
    Example("Arrays of a sensor", "Sixteen bits of which twelve are used, and labels with gaps.", _twelve_bits),
    Example("Raw idx files", "As MNIST and its kin are published, packed or not.", lambda root: _raw(root / "shapes")),
    Example("Binary batches", "As CIFAR-10 and CIFAR-100 are published.", lambda root: _batches(root / "batches")),
)
"""Every layout, with a data set that is accepted."""


def _changed(change: Callable[[Path], object]) -> Callable[[Path], Path]:
    """Return a function that writes class folders, five images each, and changes them."""

    def write(root: Path) -> Path:
        change(class_folders(root / "shapes", 5))
        return root / "shapes"

    return write


def _saved(**arrays: NDArray[np.generic]) -> Callable[[Path], Path]:
    def write(root: Path) -> Path:
        root.mkdir(parents=True, exist_ok=True)
        np.savez(root / "shapes.npz", **arrays)  # type: ignore[arg-type]
        return root / "shapes.npz"

    return write


def _pickled(root: Path) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "data_batch_1").write_bytes(pickle.dumps({}))
    return root


def _unlisted(root: Path) -> Path:
    path = _list(root)
    path.write_text("filename,label\nscans/lost.png,circle\n", encoding="utf-8")
    return path


_IMAGES = images_of(5)[0]
_LABELS = np.repeat(np.arange(3), 5)
REFUSED = (
    Example("An image outside any class", "", _changed(lambda d: (d / "cross" / "00.png").rename(d / "lost.png"))),
    Example("Folders in a class", "", _changed(lambda d: (d / "cross" / "more").mkdir())),
    Example("A class that is nearly empty", "", _changed(lambda d: _emptied(d / "cross"))),
    Example("A damaged image", "", _changed(lambda d: (d / "cross" / "00.png").write_bytes(b"damaged"))),
    Example("A link to nothing", "", _changed(lambda d: (d / "cross" / "x.png").symlink_to(d / "lost.png"))),
    Example("A class twice", "", _changed(lambda d: _copied(d / "cross", d / "cross again"))),
    Example("A class that is not in every part", "", lambda root: _without(_split(root / "shapes"))),
    Example("A path that is not there", "", _unlisted),
    Example("Floats of unknown range", "", _saved(images=_IMAGES / 16, labels=_LABELS)),
    Example("Labels below 0", "", _saved(images=_IMAGES, labels=_LABELS - 1)),
    Example("Images without labels", "", _saved(train_images=_IMAGES)),
    Example("Pickled batches", "", lambda root: _pickled(root / "cifar-10-batches-py")),
)
"""What is refused, each for its own reason."""


def _copied(source: Path, target: Path) -> None:
    target.mkdir()
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())


def _emptied(folder: Path) -> None:
    for path in sorted(folder.iterdir())[2:]:
        path.unlink()


def _without(root: Path) -> Path:
    for path in (root / "test" / "cross").iterdir():
        path.unlink()
    (root / "test" / "cross").rmdir()
    return root


def tree(path: Path, most: int = 2) -> str:
    """Return a listing of a folder, `most` files and how many more; of an ``.npz`` or a list, what it holds."""
    root = path.parent if path.is_file() else path
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            held = [f"    {name}  {arrays[name].dtype} {arrays[name].shape}" for name in arrays.files]
    elif path.is_file():
        held = [f"    {line}" for line in path.read_text(encoding="utf-8").splitlines()[: most + 1]] + ["    ..."]
    else:
        held = []
    return "\n".join([f"{root.name}/" if path.is_dir() else path.name, *held, *_lines(root, path, most)])


def _lines(folder: Path, skipped: Path, most: int, depth: int = 0) -> Iterator[str]:
    indent = "    " * (depth + skipped.is_dir())
    inside = sorted(p for p in folder.iterdir() if p != skipped)
    files = [p.name for p in inside if not p.is_dir()]
    for sub in (p for p in inside if p.is_dir()):
        yield f"{indent}{sub.name}/"
        yield from _lines(sub, skipped, most, depth + 1)
    shown = files if len(files) <= most + 2 else files[:most]
    yield from (f"{indent}{name}" for name in shown)
    if len(files) > len(shown):
        yield f"{indent}... {len(files) - len(shown)} more"
