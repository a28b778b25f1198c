"""A reader's own images: what is accepted, how it is brought to one shape, and what is refused."""

import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from labelleak_lib import data_files
from labelleak_lib.data import DataError, load_dataset
from labelleak_lib.data_folders import canonical_side, read_folder, read_npz

RNG = np.random.default_rng(0)


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


def save_npz(path, **changes):
    arrays = {"images": np.stack([grey() for _ in range(12)]), "labels": np.arange(12) % 2} | changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


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
    sizes = [
        torch.bincount(part).tolist()
        for part in (dataset.train_labels, dataset.pool_labels, dataset.test_labels)
    ]
    assert sizes == [[4, 4], [1, 1], [1, 1]]
    assert dataset.train_images.dtype == torch.uint8 and dataset.train_labels.dtype == torch.int64


def test_images_of_the_canonical_side_keep_their_pixels_and_labels(pets):
    source = read_folder(pets)
    for image, label, path in zip(source.images, source.labels, sorted(pets.glob("*/*.png")), strict=True):
        assert np.array_equal(image[0], np.asarray(Image.open(path)))
        assert source.class_names[label] == path.parent.name


def test_a_folder_and_an_npz_of_the_same_images_agree(pets, tmp_path):
    source = read_folder(pets)
    again = read_npz(save_npz(tmp_path / "pets.npz", images=source.images[:, 0], labels=source.labels))
    assert np.array_equal(again.images, source.images) and np.array_equal(again.labels, source.labels)


@pytest.mark.parametrize(
    ("side", "is_grey", "expected"),
    [(8, True, 8), (19, False, 8), (20, True, 28), (20, False, 32), (500, True, 28)],
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
    assert (
        np.abs(image[0, 2:-2, 2:-2].astype(int) - 127.5).max() < 3
    )  # nearest or skipping would give 0 or 255


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
    image = one_image(tmp_path, white)
    assert len(image) == channels and np.all(image == 51)


def test_cmyk_is_converted(tmp_path):
    image = one_image(tmp_path, Image.new("CMYK", (32, 32), (0, 255, 255, 0)), name="x.jpg")
    assert np.allclose(image.mean((1, 2)), [255, 0, 0], atol=4)


def test_a_palette_and_a_bilevel_image(tmp_path):
    palette = Image.fromarray(np.full((32, 32, 3), (10, 200, 30), dtype=np.uint8)).quantize(4)
    assert one_image(tmp_path / "p", palette).mean((1, 2)).tolist() == [10, 200, 30]
    assert np.all(one_image(tmp_path / "1", Image.new("1", (28, 28), 1)) == 255)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_of_unknown_range_are_refused(tmp_path, dtype):
    with pytest.raises(DataError, match="unknown range"):
        one_image(tmp_path, Image.fromarray(np.ones((28, 28), dtype=dtype)), name="x.tiff")


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


def test_an_npz(tmp_path):
    dataset = load_dataset(str(save_npz(tmp_path / "mine.npz")))
    assert (dataset.name, dataset.variant) == ("mine", "own split of an npz file")
    assert dataset.class_names == ("0", "1") and (dataset.channels, dataset.side) == (1, 28)
    assert len(dataset.pool_labels) == len(dataset.test_labels) == 2


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((12, 9, 9), (1, 8, 8)), ((12, 40, 30, 1), (1, 28, 28)), ((12, 20, 50, 3), (3, 32, 32))],
)
def test_npz_images_are_brought_to_one_side(tmp_path, shape, expected):
    source = read_npz(save_npz(tmp_path / "x.npz", images=np.full(shape, 9, dtype=np.uint8)))
    assert source.images.shape[1:] == expected and np.all(source.images == 9)


def test_npz_colour_channels_keep_their_order(tmp_path):
    images = np.stack([colour() for _ in range(12)])
    source = read_npz(save_npz(tmp_path / "x.npz", images=images))
    assert np.array_equal(source.images[3, 1], images[3, :, :, 1])


@pytest.mark.parametrize(
    ("dtype", "top"),
    [(np.float16, 1.0), (np.float32, 1.0), (np.float64, 1.0), (np.uint16, 65535), (np.uint8, 255)],
)
def test_npz_pixels_are_scaled_to_eight_bits(tmp_path, dtype, top):
    images = np.zeros((12, 28, 28), dtype=dtype)
    images[:, 0, 0], images[:, 0, 1] = top, np.asarray(top * 0.4).astype(dtype)
    source = read_npz(save_npz(tmp_path / "x.npz", images=images))
    assert source.images.dtype == np.uint8
    assert source.images[0, 0, 0, :3].tolist() == [255, 102, 0]


with_nan = np.zeros((12, 28, 28))
with_nan[3, 4, 5] = np.nan


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.full((12, 28, 28), 1.01)}, r"scale them to \[0, 1\]"),
        ({"images": np.full((12, 28, 28), -0.1)}, r"scale them to \[0, 1\]"),
        ({"images": with_nan}, r"scale them to \[0, 1\]"),
        ({"images": np.zeros((12, 28, 28), dtype=np.int64)}, "dtype int64"),
        ({"images": np.zeros((12, 28, 28), dtype=complex)}, "dtype complex128"),
        ({"images": np.zeros((12, 28), dtype=np.uint8)}, "shape"),
        ({"images": np.zeros((12, 3, 28, 28), dtype=np.uint8)}, r"save \(N, H, W\)"),
        ({"images": np.zeros((12, 7, 28), dtype=np.uint8)}, "7x28"),
        ({"images": np.array([{}] * 12, dtype=object)}, "not purely numeric"),
        ({"images": None}, "no array 'images'"),
        ({"labels": None}, "no array 'labels'"),
        ({"labels": np.arange(11) % 2}, "12 images"),
        ({"labels": np.arange(12) % 2 * 1.0}, "float64"),
        ({"labels": np.arange(12) % 2 == 0}, "bool"),
        ({"labels": np.zeros(12, dtype=int)}, "1 classes, at least 2"),
        ({"labels": np.arange(12) % 2 - 1}, "label -1 is out of range"),
        ({"labels": np.arange(12) % 2 * 2}, "class 1 has no samples"),
        ({"labels": np.arange(12) % 2 + 1}, "class 0 has no samples"),
        ({"labels": np.array([0] * 8 + [1] * 4)}, "class '1' has 4 samples, at least 5"),
    ],
)
def test_an_unsuitable_npz_is_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(str(save_npz(tmp_path / "bad.npz", **changes)))
    assert "bad.npz" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 100, 3000])
def test_a_truncated_npz_is_refused(tmp_path, cut):
    path = save_npz(tmp_path / "cut.npz")
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"cut\.npz is not a readable \.npz"):
        load_dataset(str(path))


def test_an_npz_with_damaged_contents_is_refused(tmp_path):
    path = save_npz(tmp_path / "flipped.npz")
    content = bytearray(path.read_bytes())
    content[2000] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"flipped\.npz holds an array that is damaged"):
        load_dataset(str(path))


def test_an_npz_entry_that_is_no_array_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images", b"text")
        archive.writestr("labels", b"text")
    with pytest.raises(DataError, match="'images' that is no array"):
        load_dataset(str(tmp_path / "x.npz"))


def test_an_npz_that_unpacks_to_too_much_is_refused_before_loading(tmp_path, monkeypatch):
    path = tmp_path / "big.npz"
    np.savez_compressed(path, images=np.zeros((100, 100, 100), dtype=np.uint8), labels=np.arange(100) % 2)
    monkeypatch.setattr(data_files, "MAX_BYTES", 999_999)
    monkeypatch.setattr(np, "load", lambda *a, **k: pytest.fail("loaded"))
    with pytest.raises(DataError, match=r"big\.npz unpacks to .* bytes"):
        load_dataset(str(path))


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "images.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"images\.tar is neither a folder nor an \.npz"):
        load_dataset(str(tmp_path / "images.tar"))
