"""A reader's own folder of images: what is accepted, how it is brought to one shape, and what is refused."""

import numpy as np
import pytest
import torch
from PIL import Image

from labelleak_lib.data.base import canonical_side
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.files import DataError
from labelleak_lib.data.layouts.arrays import Arrays
from labelleak_lib.data.layouts.class_folders import ClassFolders

RNG = np.random.default_rng(0)
read_folder, read_npz = ClassFolders().read, Arrays().read


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))


def grey(side=28):
    return RNG.integers(0, 256, (side, side), dtype=np.uint8)


def colour(side=32):
    return RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture
def pets(tmp_path):
    """Two classes of six grey 28x28 images."""
    for name in ("dog", "cat"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            Image.fromarray(grey()).save(tmp_path / "pets" / name / f"{i}.png")
    return tmp_path / "pets"


def one_image(tmp_path, image, name="x.png", other=None):
    """Read a folder of two classes with one image each, and return the first class's image."""
    for label, content in (("a", image), ("b", other if other is not None else image)):
        (tmp_path / "one" / label).mkdir(parents=True)
        content.save(tmp_path / "one" / label / name)
    return read_folder(tmp_path / "one").images[0]


def test_a_folder_of_class_folders(pets):
    (pets / ".git").mkdir()
    (pets / "README.txt").write_text("not an image")
    (pets / "cat" / ".hidden.png").write_text("no image")
    (pets / "cat" / "notes.txt").write_text("not an image")
    dataset = load_dataset(str(pets))
    assert (dataset.name, dataset.variant) == ("pets", "own split of a folder")
    assert dataset.class_names == ("cat", "dog")
    assert (dataset.channels, dataset.side) == (1, 28)
    sizes = [torch.bincount(part).tolist() for part in (dataset.train_labels, dataset.pool_labels, dataset.test_labels)]
    assert sizes == [[4, 4], [1, 1], [1, 1]]
    assert dataset.train_images.dtype == torch.uint8 and dataset.train_labels.dtype == torch.int64


def test_images_of_the_canonical_side_keep_their_pixels_and_labels(pets):
    source = read_folder(pets)
    for image, label, path in zip(source.images, source.labels, sorted(pets.glob("*/*.png")), strict=True):
        assert np.array_equal(image[0], np.asarray(Image.open(path)))
        assert source.class_names[label] == path.parent.name


def test_a_folder_and_an_npz_of_the_same_images_agree(pets, tmp_path):
    source = read_folder(pets)
    np.savez(tmp_path / "pets.npz", images=source.images[:, 0], labels=source.labels)
    again = read_npz(tmp_path / "pets.npz")
    assert np.array_equal(again.images, source.images) and np.array_equal(again.labels, source.labels)


@pytest.mark.parametrize(
    ("side", "is_grey", "expected"), [(8, True, 8), (19, False, 8), (20, True, 28), (20, False, 32), (500, True, 28)]
)
def test_canonical_side(side, is_grey, expected):
    assert canonical_side(side, is_grey) == expected


def test_one_colour_image_makes_all_of_them_colour(tmp_path):
    value = np.full((40, 40), 7, dtype=np.uint8)
    image = one_image(tmp_path, Image.fromarray(value), other=Image.fromarray(colour(40)))
    assert image.shape == (3, 32, 32) and np.all(image == 7)


def test_resizing_averages_and_does_not_alias(tmp_path):
    board = np.indices((56, 56)).sum(0) % 2 * 255
    image = one_image(tmp_path, Image.fromarray(board.astype(np.uint8)))
    assert image.shape == (1, 28, 28)
    assert np.abs(image[0, 2:-2, 2:-2].astype(int) - 127.5).max() < 3  # nearest or skipping would give 0 or 255


def test_colour_channels_keep_their_order(tmp_path):
    red = np.zeros((32, 32, 3), dtype=np.uint8)
    red[..., 0] = 200
    assert one_image(tmp_path, Image.fromarray(red)).mean((1, 2)).tolist() == [200, 0, 0]


def test_sixteen_bits_are_scaled(tmp_path):
    deep = np.full((28, 28), 128 * 257, dtype=np.uint16)
    deep[0, 0] = 65535
    image = one_image(tmp_path, Image.fromarray(deep))
    assert image[0, 0, 0] == 255 and image[0, 5, 5] == 128


def test_big_endian_sixteen_bits_are_scaled(tmp_path):
    deep = np.full((28, 28), 128 * 257, dtype=">u2")
    assert np.all(one_image(tmp_path, Image.fromarray(deep), name="x.tiff") == 128)


@pytest.mark.parametrize(("mode", "channels"), [("LA", 1), ("RGBA", 3)])
def test_transparency_is_composited_on_black(tmp_path, mode, channels):
    white = Image.new(mode, (32, 32), (255,) * channels + (51,))
    image = one_image(tmp_path, white, other=Image.fromarray(colour()) if channels == 3 else white)
    assert len(image) == channels and np.all(image == 51)


def test_cmyk_is_converted(tmp_path):
    image = one_image(tmp_path, Image.new("CMYK", (32, 32), (0, 255, 255, 0)), name="x.jpg")
    assert np.allclose(image.mean((1, 2)), [255, 0, 0], atol=4)


def test_a_palette_and_a_bilevel_image(tmp_path):
    palette = Image.fromarray(np.full((32, 32, 3), (10, 200, 30), dtype=np.uint8)).quantize(4)
    assert one_image(tmp_path / "p", palette).mean((1, 2)).tolist() == [10, 200, 30]
    assert np.all(one_image(tmp_path / "1", Image.new("1", (28, 28), 1)) == 255)


@pytest.mark.parametrize(("dtype", "value", "said"), [
    (np.float32, 1.5, "floating-point images span 1.5"), (np.float32, 300, "floating-point"),
    (np.float32, np.nan, "without NaN"), (np.float32, -0.1, "floating-point"), (np.int32, 70000, "unknown range"),
    (np.int32, -1, "unknown range"),
])  # fmt: skip
def test_pixels_of_unknown_range_are_refused(tmp_path, dtype, value, said):
    with pytest.raises(DataError, match=rf"x\.tiff.* {said}"):
        one_image(tmp_path, Image.fromarray(np.full((28, 28), value, dtype=dtype)), name="x.tiff")


def test_a_tiny_image_is_named(pets):
    Image.fromarray(grey()[:7]).save(pets / "cat" / "tiny.png")
    with pytest.raises(DataError, match=r"tiny\.png has a side of 7 pixels"):
        load_dataset(str(pets))


@pytest.mark.parametrize("content", [b"", b"not an image", "truncated"])
def test_a_damaged_image_is_named(pets, content):
    whole = (pets / "dog" / "3.png").read_bytes()
    (pets / "dog" / "3.png").write_bytes(whole[: len(whole) // 2] if content == "truncated" else content)
    with pytest.raises(DataError, match=r"3\.png is not a readable image"):
        load_dataset(str(pets))


def test_a_decompression_bomb_is_refused(pets, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 28 * 28 - 1)
    with pytest.raises(DataError, match="too many pixels"):
        load_dataset(str(pets))


def test_unlabelled_images_are_refused(pets):
    Image.fromarray(grey()).save(pets / "loose.png")
    with pytest.raises(DataError, match=r"loose\.png lies outside any class folder"):
        load_dataset(str(pets))


def test_an_empty_class_folder_is_refused(pets):
    (pets / "bird").mkdir()
    with pytest.raises(DataError, match=r"bird holds no images"):
        load_dataset(str(pets))


def test_nested_folders_are_refused(pets):
    with pytest.raises(DataError, match=r"cat is a folder within a class folder"):
        load_dataset(str(pets.parent))


def test_a_single_class_folder_is_refused(pets):
    (pets / "cat").rename(pets / ".cat")
    with pytest.raises(DataError, match="has 1 class folders, at least 2"):
        load_dataset(str(pets))


def test_too_few_samples_of_a_class_are_refused(pets):
    for i in range(2):
        (pets / "dog" / f"{i}.png").unlink()
    with pytest.raises(DataError, match="class 'dog' has 4 samples, at least 5"):
        load_dataset(str(pets))
