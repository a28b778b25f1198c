"""A reader's own ``.npz`` file: what is accepted, how it is brought to one shape, and what is refused."""

import zipfile

import numpy as np
import pytest

from labelleak_lib.data import files
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.files import DataError
from labelleak_lib.data.layouts.arrays import Arrays

RNG = np.random.default_rng(0)
read_npz = Arrays().read


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))


def save_npz(path, **changes):
    arrays = {"images": RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8), "labels": np.arange(12) % 2} | changes
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def test_an_npz(tmp_path):
    dataset = load_dataset(str(save_npz(tmp_path / "mine.npz")))
    assert (dataset.name, dataset.variant) == ("mine", "own split of an npz file")
    assert dataset.class_names == ("0", "1") and (dataset.channels, dataset.side) == (1, 28)
    assert len(dataset.pool_labels) == len(dataset.test_labels) == 2


@pytest.mark.parametrize(
    ("shape", "expected"), [((12, 9, 9), (1, 8, 8)), ((12, 40, 30, 1), (1, 28, 28)), ((12, 20, 50, 3), (3, 32, 32))]
)
def test_npz_images_are_brought_to_one_side(tmp_path, shape, expected):
    images = np.full(shape, 9, dtype=np.uint8)
    images[..., -1:] = 9 + (len(shape) == 4 and shape[3] == 3)  # else three equal channels would be read as grey
    source = read_npz(save_npz(tmp_path / "x.npz", images=images))
    assert source.images.shape[1:] == expected and np.all(source.images[:, 0] == 9)


def test_npz_colour_channels_keep_their_order(tmp_path):
    images = RNG.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    source = read_npz(save_npz(tmp_path / "x.npz", images=images))
    assert np.array_equal(source.images[3, 1], images[3, :, :, 1])


@pytest.mark.parametrize(
    ("dtype", "top"), [(np.float16, 1.0), (np.float32, 1.0), (np.float64, 1.0), (np.uint16, 65535), (np.uint8, 255)]
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
        ({"images": np.full((12, 28, 28), 70000)}, "unknown range"),
        ({"images": np.full((12, 28, 28), "a")}, "dtype <U1"),
        ({"images": np.zeros((12, 28, 28), dtype=complex)}, "dtype complex128"),
        ({"images": np.zeros((12, 28), dtype=np.uint8)}, "shape"),
        ({"images": np.zeros((12, 2, 28, 28), dtype=np.uint8)}, r"save \(N, H, W\)"),
        ({"images": np.zeros((12, 28, 28), dtype=np.uint8)}, "hold the same 6 images"),
        ({"images": np.zeros((12, 7, 28), dtype=np.uint8)}, "7x28"),
        ({"images": np.array([{}] * 12, dtype=object)}, "not purely numeric"),
        ({"images": None}, "no array 'images'"),
        ({"labels": None}, "no array 'labels'"),
        ({"labels": np.arange(11) % 2}, "12 images"),
        ({"labels": np.arange(12) % 2 * 1.0}, "float64"),
        ({"labels": np.arange(12) % 2 == 0}, "bool"),
        ({"labels": np.zeros(12, dtype=int)}, "1 classes, at least 2"),
        ({"labels": np.arange(12) % 2 - 1}, "label -1 is out of range"),
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
    monkeypatch.setattr(files, "MAX_BYTES", 999_999)
    monkeypatch.setattr(np, "load", lambda *a, **k: pytest.fail("loaded"))
    with pytest.raises(DataError, match=r"big\.npz unpacks to .* bytes"):
        load_dataset(str(path))


def test_another_kind_of_file_is_refused(tmp_path):
    (tmp_path / "images.tar").write_bytes(b"")
    with pytest.raises(DataError, match=r"images\.tar is neither a folder nor an \.npz"):
        load_dataset(str(tmp_path / "images.tar"))
