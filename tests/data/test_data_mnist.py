"""MNIST and Fashion-MNIST: packed, unpacked, damaged, downloaded, and the real files where there are any."""

import gzip
import hashlib
import struct
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch
import torchvision
from data_samples import NOWHERE, REAL, check_parts, isolate, needs, ten_classes

from labelleak_lib.data import files
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.files import DataError
from labelleak_lib.data.layouts.idx import idx as read_idx

IDX_FILES = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


@pytest.fixture(autouse=True)
def own_cache_and_no_network(tmp_path, monkeypatch):
    isolate(tmp_path, monkeypatch)


def idx(array):
    head = struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape)
    return head + array.tobytes()


def write_mnist(root, kind="MNIST", packed=True):
    """Write 120 training and 20 test images in the official format."""
    raw = root / kind / "raw"
    raw.mkdir(parents=True)
    arrays = (*ten_classes(12, 28, 28), *ten_classes(2, 28, 28, seed=1))
    for name, array in zip(IDX_FILES, arrays, strict=True):
        content = idx(array)
        (raw / (f"{name}.gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)
    return raw


@pytest.mark.parametrize(("name", "kind"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
@pytest.mark.parametrize("packed", [True, False])
def test_idx_files(tmp_path, name, kind, packed):
    raw = write_mnist(tmp_path / "data", kind, packed)
    before = sorted(raw.iterdir())
    dataset = load_dataset(name, data_dir=tmp_path / "data")
    assert dataset.variant == "official files"
    peer = getattr(torchvision.datasets, kind)
    assert dataset.class_names == (tuple("0123456789") if name == "mnist" else tuple(peer.classes))
    if not packed:  # which torchvision does not read
        assert torch.equal(dataset.test_images[:, 0], peer(tmp_path / "data", train=False).data)
    check_parts(dataset, (100, 20, 20), (1, 28, 28))
    assert sorted(raw.iterdir()) == before  # the folder may be read-only
    assert (tmp_path / "cache").exists() == packed


def test_the_data_folder_may_come_from_the_environment(tmp_path, monkeypatch):
    write_mnist(tmp_path / "data")
    monkeypatch.setenv("LABELLEAK_DATA", str(tmp_path / "data"))
    assert load_dataset("mnist").classes == 10


def test_changed_files_do_not_meet_a_stale_cache(tmp_path):
    raw = write_mnist(tmp_path / "data")
    first = load_dataset("mnist", data_dir=tmp_path / "data")
    images, _ = ten_classes(2, 28, 28, seed=7)
    (raw / f"{IDX_FILES[2]}.gz").write_bytes(gzip.compress(idx(images)))
    second = load_dataset("mnist", data_dir=tmp_path / "data")
    assert torch.equal(second.test_images[:, 0], torch.from_numpy(images))
    assert not torch.equal(first.test_images, second.test_images)


def test_the_second_load_unpacks_nothing(tmp_path, monkeypatch):
    write_mnist(tmp_path / "data")
    first = load_dataset("mnist", data_dir=tmp_path / "data")
    monkeypatch.setattr(gzip, "open", lambda *a, **k: pytest.fail("unpacked again"))
    assert torch.equal(load_dataset("mnist", data_dir=tmp_path / "data").pool_images, first.pool_images)


def test_an_unwritable_cache_is_named(tmp_path):
    write_mnist(tmp_path / "data")
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(DataError, match=r"ubyte could not be written .* set LABELLEAK_CACHE to a writable folder"):
        load_dataset("mnist", data_dir=tmp_path / "data")


def test_a_missing_idx_file_is_named(tmp_path):
    raw = write_mnist(tmp_path / "data")
    (raw / f"{IDX_FILES[3]}.gz").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte\.gz is missing"):
        load_dataset("mnist", data_dir=tmp_path / "data")


@pytest.mark.parametrize("damage", ["truncated", "flipped", "not gzip", "empty"])
def test_a_damaged_gz_is_named_and_not_cached(tmp_path, damage):
    raw = write_mnist(tmp_path / "data")
    path = raw / f"{IDX_FILES[0]}.gz"
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]
    path.write_bytes({"truncated": content[:middle], "flipped": flipped, "not gzip": b"text", "empty": b""}[damage])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte"):
        load_dataset("mnist", data_dir=tmp_path / "data")
    if damage != "empty":  # an empty stream is valid gzip
        assert not list((tmp_path / "cache").rglob("*images*"))


def test_a_gz_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    write_mnist(tmp_path / "data")
    monkeypatch.setattr(files, "MAX_BYTES", 50_000)
    with pytest.raises(DataError, match="unpacks to more than 50000 bytes"):
        load_dataset("mnist", data_dir=tmp_path / "data")


IMAGES, LABELS = ten_classes(12, 28, 28)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (0, b"\0\0\0\0" + idx(IMAGES)[4:], "magic number 2051"),
        (1, idx(IMAGES), "magic number 2049"),
        (0, idx(IMAGES)[:10], "magic number 2051"),
        (0, b"", "magic number 2051"),
        (0, idx(IMAGES[:, :20]), "28x28 images"),
        (0, idx(IMAGES)[:-1], "has 94095 bytes where its header announces 94096"),
        (1, idx(LABELS[:-1]), "120 images but train-labels-idx1-ubyte has 119 labels"),
        (1, idx(LABELS + 1), "label 10 is out of range"),
        (1, idx(np.where(LABELS == 3, 2, LABELS).astype(np.uint8)), "class '3' has 0 samples"),
        (3, idx(np.zeros(20, dtype=np.uint8)), "class '1' has 0 samples"),
    ],
)
def test_wrong_idx_contents_are_refused(tmp_path, file, content, message):
    raw = write_mnist(tmp_path / "data", packed=False)
    (raw / IDX_FILES[file]).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_dataset("mnist", data_dir=tmp_path / "data")


@pytest.fixture
def served(tmp_path):
    """A folder of packed files and the address at which a server on this machine offers it."""
    folder = write_mnist(tmp_path / "server")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_a_download_lands_in_the_cache_once(tmp_path, monkeypatch, served):
    folder, address = served
    monkeypatch.delenv("LABELLEAK_OFFLINE")
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [address])
    sums = [(path.name, hashlib.md5(path.read_bytes()).hexdigest()) for path in sorted(folder.iterdir())]
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", sums)
    (tmp_path / "data").mkdir()
    check_parts(load_dataset("mnist", data_dir=tmp_path / "data"), (100, 20, 20), (1, 28, 28))
    assert [path.name for path in (tmp_path / "cache" / "data").iterdir()] == ["MNIST"]
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [NOWHERE])
    assert load_dataset("mnist", data_dir=tmp_path / "data").classes == 10


@needs("MNIST", "FashionMNIST")
@pytest.mark.parametrize(("name", "mean"), [("mnist", 0.1307), ("fashion_mnist", 0.2860)])
def test_the_real_mnist_files(name, mean):
    dataset = load_dataset(name, data_dir=REAL)
    sizes = [len(part) for part in (dataset.train_labels, dataset.pool_labels, dataset.test_labels)]
    assert sizes == [50_000, 10_000, 10_000]
    images = torch.cat([dataset.train_images, dataset.pool_images])
    assert float(images.double().mean() / 255) == pytest.approx(mean, abs=5e-5)  # the constants known everywhere


@pytest.mark.parametrize(
    "array", [np.arange(3, dtype=np.uint8), np.ones((2, 3, 3), np.uint8)], ids=["labels", "images"]
)
def test_an_idx_file_that_ends_anywhere_is_refused_by_its_name(array, tmp_path):
    file, content = tmp_path / "short.idx", idx(array)
    for length in range(len(content)):
        file.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"short\.idx has \d+ bytes, not as many as its head announces"):
            read_idx(file)
