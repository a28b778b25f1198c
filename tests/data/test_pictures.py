"""Image files as people have them: depth, colour, orientation, frames, suffixes, and what else lies in a folder."""

import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from own_data import class_folders, labels_of, pixels, write
from PIL import Image

from labelleak_lib.data.datasets import load_dataset, stamp
from labelleak_lib.data.files import DataError
from labelleak_lib.data.folders import SUFFIXES
from labelleak_lib.data.layouts.class_folders import ClassFolders
from labelleak_lib.data.pixels import range_of

GREY = pixels(1)[0]
RED = np.full((28, 28, 3), (200, 0, 0), np.uint8)


def read(tmp_path, *images, name="x.png", **options):
    """Read a folder of two classes that both hold `images`."""
    for label in "ab":
        (tmp_path / "d" / label).mkdir(parents=True)
        for i, image in enumerate(images):
            image.save(tmp_path / "d" / label / f"{i}{name}", **options)
    return ClassFolders().read(tmp_path / "d")


def said(source):
    return "; ".join(source.notes)


DEPTHS = [
    (np.uint8, 255, ".png", 255), (np.uint8, 200, ".bmp", 255), (bool, 1, ".png", 1), (bool, 1, ".tif", 1),
    (np.uint16, 65535, ".png", 65535), (np.uint16, 65535, ".tif", 65535), (np.uint16, 40000, ".png", 65535),
    (np.uint16, 16383, ".png", 16383), (np.uint16, 4095, ".png", 4095), (np.uint16, 4000, ".tif", 4095),
    (np.uint16, 1023, ".png", 1023), (np.uint16, 255, ".png", 255), (np.uint16, 240, ".tif", 255),
    (np.int32, 255, ".tif", 255), (np.int32, 65535, ".tif", 65535), (np.int32, 4095, ".tif", 4095),
    (np.float32, 1.0, ".tif", 1), (np.float32, 0.5, ".tif", 1), (np.float32, 255.0, ".tif", 255),
    (np.float32, 130.0, ".tif", 255),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "top", "suffix", "white"), DEPTHS, ids=str)
def test_a_depth_is_scaled_by_the_range_that_its_pixels_span(tmp_path, dtype, top, suffix, white):
    values = np.linspace(0, top, 28 * 28).reshape(28, 28)
    values = values >= 0.5 if dtype is bool else values.astype(dtype)
    source = read(tmp_path, Image.fromarray(values), name=suffix)
    expected = values.astype(float) * 255 / white
    assert np.abs(source.images[0, 0] - expected).max() <= 0.5 + 1e-3
    known = white in (1, 65535) or dtype is np.uint8
    assert ("are taken for" in said(source)) == (not known)


def png(row, bits, colour):
    """Return a PNG of 28 equal rows of 28 pixels; `colour` is the format's code, 0 grey and 2 colour."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 28, 28, bits, colour, 0, 0, 0))
    packed = zlib.compress((b"\0" + row) * 28)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_png_of_few_bits_keeps_its_range(tmp_path, bits):
    for label in "ab":
        write(tmp_path / label / "x.png", png(b"\xff" * -(-28 * bits // 8), bits, 0))
    assert (ClassFolders().read(tmp_path).images == 255).all()


@pytest.mark.parametrize("top", [65535, 40000, 16384, 16000, 4095, 1023, 255, 100, 1, 0])
def test_sixteen_bits_of_colour_that_would_be_black_are_refused(tmp_path, top):
    for label in "ab":
        write(tmp_path / label / "x.png", png(struct.pack(">3H", top, 0, 0) * 28, 16, 2))
    if top >= 16384:
        assert ClassFolders().read(tmp_path).images.max() == top >> 8
    else:
        with pytest.raises(DataError, match=r"x\.png has 16 bits a colour"):
            ClassFolders().read(tmp_path)


@pytest.mark.parametrize(("low", "high", "kind", "bits"), [
    (-1, 5, "i", 16), (-1, 255, "i", 32), (0, 65536, "i", 32), (0, 1e9, "u", 32), (-0.1, 1, "f", 32),
    (0, 1.01, "f", 32), (0, 100, "f", 64), (0, 256, "f", 32), (np.nan, np.nan, "f", 32),
    (0, np.inf, "f", 32), (-5, 5, "f", 16), (-128, 127, "i", 8),
])  # fmt: skip
def test_a_range_that_cannot_be_known_is_one_sentence(low, high, kind, bits):
    with pytest.raises(DataError, match=r"^x\.npz.* span ") as caught:
        range_of(low, high, kind, bits, "x.npz")
    assert "\n" not in str(caught.value) and f"{low:.6g} .. {high:.6g}" in str(caught.value)


MODES = [
    ("L", GREY, ".png"), ("RGB", GREY, ".png"), ("RGBA", GREY, ".png"), ("P", GREY, ".png"), ("LA", GREY, ".png"),
    ("RGB", GREY, ".bmp"), ("RGB", GREY, ".tif"), ("RGB", GREY, ".ppm"), ("P", GREY, ".gif"), ("RGB", GREY, ".tga"),
    ("RGB", GREY, ".pcx"), ("RGBA", GREY, ".tga"),
]  # fmt: skip


@pytest.mark.parametrize(("mode", "image", "suffix"), MODES, ids=str)
def test_a_grey_picture_is_grey_however_it_is_stored(tmp_path, mode, image, suffix):
    source = read(tmp_path, Image.fromarray(image).convert(mode), name=suffix)
    assert source.images.shape == (2, 1, 28, 28) and np.array_equal(source.images[0, 0], image)
    assert ("stored as colour" in said(source)) == (mode not in ("L", "LA"))


@pytest.mark.parametrize(("mode", "image", "suffix"), MODES, ids=str)
def test_one_really_coloured_picture_makes_all_colour(tmp_path, mode, image, suffix):
    root = class_folders(tmp_path / "d", [GREY, RED], "ab")
    Image.fromarray(image).convert(mode).save(root / "a" / f"other{suffix}")
    source = ClassFolders().read(root)
    assert source.images.shape == (3, 3, 32, 32) and "stored as colour" not in said(source)
    assert (source.images[2] == np.array([200, 0, 0])[:, None, None]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_the_orientation_of_exif_is_applied(tmp_path, orientation, suffix):
    # bright in the upper left corner once it is shown upright
    upright = np.full((28, 28), 20, np.uint8)
    upright[:14, :14] = 220
    transposes = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's, each the inverse of what the viewer does
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(transposes[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = read(tmp_path, stored, name=suffix, exif=exif)
    assert np.abs(source.images[0, 0].astype(int) - upright).mean() < 6
    assert ("images turned as their EXIF orientation says: 2" in said(source)) == (orientation > 1)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".png", ".webp"])
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_of_several_frames_the_first_is_read_and_said(tmp_path, suffix, frames):
    first, *others = (Image.fromarray(image) for image in pixels(frames))
    more = {"save_all": True, "append_images": others} if others else {}
    lossless = {"lossless": True} if suffix == ".webp" else {}
    source = read(tmp_path, first, name=suffix, **more, **lossless)
    assert (
        np.abs(source.images[0, 0].astype(int) - pixels(frames)[0]).max() <= (suffix == ".gif" or suffix == ".webp") * 8
    )
    assert ("files of several frames or pages, of which the first is read: 2" in said(source)) == (frames > 1)


WRITABLE = sorted(
    (suffix, kind) for suffix, kind in Image.registered_extensions().items()
    if suffix in SUFFIXES and kind in Image.SAVE and kind not in ("ICNS", "XBM", "MSP", "PSD", "FITS", "BLP")
)  # fmt: skip


@pytest.mark.parametrize(("suffix", "kind"), WRITABLE)
def test_every_suffix_of_an_image_is_read(tmp_path, suffix, kind):
    smooth = np.add.outer(np.arange(32) * 4, np.arange(32) * 4).astype(np.uint8)
    image = Image.fromarray(smooth.astype(np.float32) / 255 if suffix == ".pfm" else smooth)
    source = read(tmp_path, image.convert("RGB") if kind == "QOI" else image, name=suffix)
    assert source.images.shape == (2, 1, 28, 28)
    expected = np.asarray(Image.fromarray(smooth).resize((28, 28), Image.Resampling.BILINEAR)).astype(int)
    lossy = kind in ("JPEG", "MPO", "JPEG2000", "AVIF", "WEBP")
    assert np.abs(source.images[0, 0] - expected).mean() <= (3 if lossy else 0)


@pytest.mark.parametrize("name", ["x.eps", "x.ps", "x.pdf", "x.svg", "x.wmf", "x.heic", "x.mp4", "x.npy", "x", "x.txt"])
def test_what_is_no_image_of_a_safe_format_is_counted_and_said(tmp_path, name):
    root = class_folders(tmp_path / "d", pixels(), labels_of())
    (root / "0" / name).write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    source = ClassFolders().read(root)
    assert len(source.images) == 12
    assert f"skipped, being no images: 1 {Path(name).suffix or 'without a suffix'}" in said(source)


SKIPPED = [
    "Thumbs.db", "0/Thumbs.db", ".DS_Store", "1/.DS_Store", "desktop.ini", "0/desktop.ini",
    "0/.ipynb_checkpoints/x.png", ".ipynb_checkpoints/x.png", "__MACOSX/0/x.png", "0/__MACOSX/x.png",
    "notes.txt", "0/labels.csv", ".hidden.png",
    "@eaDir/x.png", "0/._001.png", "__pycache__/x.pyc",
]  # fmt: skip


@pytest.mark.parametrize("name", SKIPPED)
def test_hidden_and_system_files_are_skipped_and_counted(tmp_path, name):
    root = class_folders(tmp_path / "d", pixels(), labels_of())
    before = ClassFolders().read(root)
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(b"not an image")
    source = ClassFolders().read(root)
    assert np.array_equal(source.images, before.images) and source.class_names == ("0", "1")
    assert "skipped, being no images: 1 " in said(source) and before.notes == ()


@pytest.mark.parametrize(("height", "width"), [
    (28, 28), (8, 8), (9, 40), (40, 9), (19, 300), (20, 21), (64, 48), (200, 8), (8, 200), (33, 32), (512, 256),
])  # fmt: skip
def test_images_that_are_not_square_are_stretched(tmp_path, height, width):
    half = np.zeros((height, width), np.uint8)
    half[:, width // 2 :] = 255
    source = read(tmp_path, Image.fromarray(half))
    side = 8 if min(height, width) < 20 else 28
    assert source.images.shape == (2, 1, side, side)
    assert source.images[0, 0, :, 0].max() == 0 and source.images[0, 0, :, -1].min() == 255


@pytest.mark.parametrize("sides", [(8, 8, 50), (28, 30), (100, 20, 20), (8, 9), (300, 28, 28), (64, 64, 8),
(20, 8, 20),
                                   (16, 16, 17), (40, 8, 8), (32, 33, 34)])  # fmt: skip
def test_mixed_sizes_are_brought_to_that_of_the_median(tmp_path, sides):
    source = read(tmp_path, *(Image.fromarray(pixels(1, side)[0]) for side in sides))
    assert source.images.shape[2] == (8 if np.median(sides) < 20 else 28)


def link_cases(root):
    """Return, by kind of link, the link, its target, and the refusal or None."""
    outside = class_folders(root.parent / "outside", pixels(3, seed=5), "xxx")
    return {
        "an image": (root / "0" / "more.png", outside / "x" / "000.png", None),
        "a class folder": (root / "linked", outside / "x", None),
        "a text file": (root / "0" / "more.txt", root.parent / "nothing", "more.txt is a link to nothing"),
        "a lost image": (root / "0" / "lost.png", root.parent / "nothing.png", "lost.png is a link to nothing"),
        "a lost class": (root / "lost", root.parent / "nothing", "lost is a link to nothing"),
        "an image to itself": (
            root / "0" / "self.png",
            root / "0" / "self.png",
            "self.png is a link to nothing, or to",
        ),
        "a class to itself": (root / "self", root / "self", "self is a link to nothing, or to itself"),
        "the folder itself": (root / "loop", root, "is a folder within a class folder"),
        "a loop below": (root / "0" / "loop", root, "is a folder within a class folder"),
        "another class": (root / "again", root / "0", "are one folder under two names"),
        "a folder as image": (root / "0" / "x.png", outside / "x", "is a folder within a class folder"),
    }


@pytest.mark.parametrize("kind", [
    "an image", "a class folder", "a text file", "a lost image", "a lost class", "an image to itself",
    "a class to itself", "the folder itself", "a loop below", "another class", "a folder as image",
])  # fmt: skip
def test_links_are_followed_and_lost_ones_named(tmp_path, kind):
    root = class_folders(tmp_path / "d", pixels(), labels_of())
    link, target, refusal = link_cases(root)[kind]
    os.symlink(target, link)
    if refusal:
        with pytest.raises(DataError, match=refusal):
            load_dataset(str(root))
    else:
        assert len(ClassFolders().read(root).images) in (13, 15)


def test_a_pipe_is_never_opened(tmp_path):
    root = class_folders(tmp_path / "d", pixels(), labels_of())
    os.mkfifo(root / "0" / "pipe.png")
    with pytest.raises(DataError, match=r"pipe\.png is no plain file"):
        load_dataset(str(root))


@pytest.mark.parametrize("what", ["d", "d/0", "d/0/000.png"])
def test_what_may_not_be_read_is_named(tmp_path, monkeypatch, what):
    root = class_folders(tmp_path / "d", pixels(), labels_of())
    place = tmp_path / what

    def refuse(original):
        def guarded(path, *arguments, **options):
            if Path(path) == place:
                raise PermissionError(13, "Permission denied", str(path))
            return original(path, *arguments, **options)

        return guarded

    monkeypatch.setattr(Path, "iterdir", refuse(Path.iterdir))
    monkeypatch.setattr("PIL.Image.builtins.open", refuse(open))
    with pytest.raises(DataError, match=rf"{place.name}.*(?i:permission denied)"):
        load_dataset(str(root))
    if what != "d":
        assert stamp(str(root)), "it is noticed later that the files became readable"


@pytest.mark.parametrize(("counts", "refusal"), [
    ((6, 4), "class '1' has 4 samples, at least 5"), ((6, 1), "class '1' has 1 samples"), ((4, 4), "class '0' has 4"),
    ((5, 2, 9), "class '1' has 2"), ((1, 1, 1), "class '0' has 1"), ((9, 9, 3), "class '2' has 3"),
    ((60, 4), "class '1' has 4"), ((3, 60), "class '0' has 3"), ((5, 5, 5, 1), "class '3' has 1"),
    ((2, 2), "class '0' has 2"), ((5, 5), None), ((5, 60), None),
])  # fmt: skip
def test_a_class_that_is_nearly_empty_is_refused_with_the_number_needed(tmp_path, counts, refusal):
    labels = np.repeat(np.arange(len(counts)), counts)
    root = class_folders(tmp_path / "d", pixels(len(labels), 8), labels)
    if refusal is None:
        assert load_dataset(str(root)).classes == len(counts)
    else:
        with pytest.raises(DataError, match=refusal):
            load_dataset(str(root))


@pytest.mark.parametrize("shared", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_images_that_stand_in_two_classes_are_counted(tmp_path, shared, suffix):
    images = pixels(12, 8)
    images[6 : 6 + shared] = images[:shared]
    root = class_folders(tmp_path / "d", images, np.repeat(["cat", "dog"], 6), suffix)
    notes = " ".join(load_dataset(str(root)).notes)
    assert (f"{shared} images stand in several classes" in notes) == (shared > 1)
    assert ("1 image stands in several classes" in notes) == (shared == 1)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tga", ".ppm", ".pgm", ".gif", ".pcx", ".sgi", ".dib"])
def test_two_classes_of_the_same_images_are_refused(tmp_path, suffix):
    images = np.concatenate([pixels(6, 8), pixels(6, 8)[::-1]])
    root = class_folders(tmp_path / "d", images, np.repeat(["cat", "dog"], 6), suffix)
    with pytest.raises(DataError, match="classes 'cat' and 'dog' hold the same 6 images; remove one of them"):
        load_dataset(str(root))
