"""What lies in a folder of images: images, folders, and what is skipped, by its kind."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from labelleak_lib.data.files import DataError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
"""Pillow's formats that are known by their first bytes, whatever a file is called."""
BY_SUFFIX = {
    ".avif": "AVIF", ".jp2": "JPEG2000", ".j2k": "JPEG2000", ".jpc": "JPEG2000", ".jpf": "JPEG2000",
    ".jpx": "JPEG2000", ".j2c": "JPEG2000", ".ico": "ICO", ".cur": "CUR", ".icns": "ICNS", ".dib": "DIB",
    ".pcx": "PCX", ".dcx": "DCX", ".tga": "TGA", ".icb": "TGA", ".vda": "TGA", ".vst": "TGA", ".sgi": "SGI",
    ".rgb": "SGI", ".rgba": "SGI", ".bw": "SGI", ".ras": "SUN", ".xbm": "XBM", ".xpm": "XPM", ".msp": "MSP",
    ".qoi": "QOI", ".dds": "DDS", ".psd": "PSD", ".fit": "FITS", ".fits": "FITS", ".fli": "FLI",
    ".flc": "FLI", ".pxr": "PIXAR", ".blp": "BLP", ".ftc": "FTEX", ".ftu": "FTEX", ".gbr": "GBR",
}  # fmt: skip
"""The format of a suffix whose first bytes say too little, or that is rare; tried beside `FORMATS`."""
SUFFIXES = frozenset({
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pbm", ".pgm",
    ".ppm", ".pnm", ".pfm", *BY_SUFFIX,
})  # fmt: skip
"""Suffixes of images; formats that Pillow hands to other programs, or cannot decode by itself, are none of them."""
_OF_SYSTEMS = frozenset({
    "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "$recycle.bin", "lost+found",
    "system volume information", "__pycache__",
})  # fmt: skip


class Listing(NamedTuple):
    """The images and folders directly in a folder, by name, and what else was there: how many of each kind."""

    images: list[Path]
    folders: list[Path]
    skipped: Counter[str]


def listing(folder: Path) -> Listing:
    """List a folder; links are followed.

    DataError for a link to nothing, an image that is no plain file, or a folder that cannot be listed.
    """
    found = Listing([], [], Counter())
    try:
        inside = sorted(folder.iterdir())
        for path in inside:
            kind = _kind(path)
            if kind == "image":
                found.images.append(path)
            elif kind == "folder":
                found.folders.append(path)
            else:
                found.skipped[kind] += 1
    except OSError as error:
        raise DataError(
            f"{folder} cannot be listed ({(error.strerror or 'no word').lower()}); make it readable"
        ) from error
    return found


def _kind(path: Path) -> str:
    suffix = path.suffix.lower()
    if path.name.lower() in _OF_SYSTEMS:
        return "of the system"
    if path.name.startswith("."):
        return "hidden"
    if path.is_symlink() and not path.exists():
        raise DataError(f"{path} is a link to nothing, or to itself; remove it or mend it")
    if path.is_dir():
        return "folder"
    if suffix not in SUFFIXES:
        return suffix or "without a suffix"
    if not path.is_file():
        raise DataError(f"{path} is no plain file; remove it")
    return "image"


def said_of_skipped(skipped: Counter[str]) -> tuple[str, ...]:
    """Say how many files and folders were skipped, and why.

    >>> said_of_skipped(Counter({".txt": 2, "hidden": 1}))
    ('skipped, being no images: 2 .txt, 1 hidden',)
    """
    counts = ", ".join(
        f"{count} {kind}" for kind, count in sorted(skipped.items(), key=lambda pair: (-pair[1], pair[0]))
    )
    return (f"skipped, being no images: {counts}",) if counts else ()


def class_files(root: Path) -> tuple[dict[str, list[Path]], Counter[str]]:
    """List the images of each class folder of `root`, and what was skipped, refusing to guess any label.

    DataError for images outside class folders, nested folders, an empty class folder, or one folder under two names.
    """
    top = listing(root)
    if top.images:
        raise DataError(
            f"{top.images[0]} lies outside any class folder, so it has no label; move it into {root}/<class>/, or give "
            "a .csv list of paths and labels"
        )
    classes, skipped, places = {}, top.skipped, dict[Path, Path]()
    for folder in top.folders:
        inside = listing(folder)
        if inside.folders:
            raise DataError(
                f"{inside.folders[0]} is a folder within a class folder; give the folder that holds one folder a "
                "class, with the images directly in them"
            )
        if not inside.images:
            there = said_of_skipped(inside.skipped)
            raise DataError(
                f"the class folder {folder} holds no images{' (' + there[0] + ')' if there else ''}; add some "
                f"({', '.join(sorted(SUFFIXES - BY_SUFFIX.keys()))})"
            )
        if (place := folder.resolve()) in places:
            raise DataError(f"{folder} and {places[place]} are one folder under two names; remove one of them")
        places[place] = folder
        classes[folder.name] = inside.images
        skipped.update(inside.skipped)
    return classes, skipped


def below(root: Path, depth: int) -> Iterable[Path]:
    """Yield every file in `root` and in the folders down to `depth` floors below it; none that is hidden."""
    for path in sorted(root.iterdir()):
        if path.name.startswith("."):
            continue
        if not path.is_dir():
            yield path
        elif depth:
            yield from below(path, depth - 1)
