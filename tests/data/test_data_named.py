"""SVHN and CIFAR-10 in each of their copies, and what happens where a data set is nowhere to be found."""

import hashlib
import io
import lzma
import os
import pickle
import tarfile
import urllib.request

import numpy as np
import pytest
import torch
import torchvision
from data_samples import NOWHERE, REAL, check_parts, isolate, needs, ten_classes
from PIL import Image

from labelleak_lib.data import files
from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.files import DataError
from labelleak_lib.data.named.cifar10 import CLASSES


@pytest.fixture(autouse=True)
def own_cache_and_no_network(tmp_path, monkeypatch):
    isolate(tmp_path, monkeypatch)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "svhn", "cifar10"])
def test_a_failed_download_says_where_the_files_belong(tmp_path, monkeypatch, name):
    monkeypatch.delenv("LABELLEAK_OFFLINE")
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=f"{name} is not under .*/data and cannot be downloaded") as caught:
        load_dataset(name, data_dir=tmp_path / "data")
    assert "LABELLEAK_DATA" in str(caught.value) and "\n" not in str(caught.value)
    assert list((tmp_path / "cache" / "data").iterdir()) == []


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "svhn", "cifar10"])
@pytest.mark.parametrize("cached", [False, True])
def test_offline_nothing_is_downloaded(tmp_path, monkeypatch, name, cached):
    requests = []

    def fake_download(request, *args, **kwargs):
        requests.append(request)
        raise OSError("a download began")

    monkeypatch.setattr(urllib.request, "urlopen", fake_download)
    monkeypatch.setenv("LABELLEAK_OFFLINE", "1")
    data = tmp_path / "cache" / "data" if cached else tmp_path / "data"
    data.mkdir(parents=True)
    with pytest.raises(DataError, match=f"^{name} is not under {data} and LABELLEAK_OFFLINE forbids") as caught:
        load_dataset(name, data_dir=data)
    assert requests == []
    assert "LABELLEAK_DATA" in str(caught.value) and "\n" not in str(caught.value)
    monkeypatch.setenv("LABELLEAK_OFFLINE", "0")  # the fake stands where a download passes
    with pytest.raises(DataError, match="a download began"):
        load_dataset(name, data_dir=data)
    assert requests


def test_tests_are_offline():
    assert os.environ["LABELLEAK_OFFLINE"] == "1"


def write_svhn(folder, monkeypatch):
    from scipy.io import savemat

    folder.mkdir(parents=True)
    mats = {}
    for seed, (part, per_class) in enumerate((("train", 20), ("test", 3))):
        images, labels = ten_classes(per_class, 3, 32, 32, seed=seed)
        path = folder / f"{part}_32x32.mat"
        savemat(path, {"X": images.transpose(2, 3, 1, 0), "y": np.where(labels == 0, 10, labels)[:, None]})
        mats[part] = [NOWHERE, path.name, hashlib.md5(path.read_bytes()).hexdigest()]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", mats)


@pytest.mark.parametrize("folder", [".", "SVHN"])
def test_svhn_official_files(tmp_path, monkeypatch, folder):
    write_svhn(tmp_path / "data" / folder, monkeypatch)
    dataset = load_dataset("svhn", data_dir=tmp_path / "data")
    assert dataset.variant == "official files"
    check_parts(dataset, (180, 20, 30), (3, 32, 32))


def test_svhn_with_a_wrong_checksum_is_refused(tmp_path, monkeypatch):
    write_svhn(tmp_path / "data" / "SVHN", monkeypatch)
    with (tmp_path / "data" / "SVHN" / "test_32x32.mat").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(DataError, match=r"SVHN do not have the official checksums"):
        load_dataset("svhn", data_dir=tmp_path / "data")


def test_svhn_subset(tmp_path):
    (tmp_path / "SVHN").mkdir()
    images, labels = ten_classes(20, 32, 32, 3)
    np.savez(tmp_path / "SVHN" / "svhn-test-first10000.npz", images=images, labels=labels)
    dataset = load_dataset("svhn", data_dir=tmp_path)
    assert dataset.variant == "10,000-image subset, own split"
    check_parts(dataset, (140, 30, 30), (3, 32, 32))


def test_a_svhn_subset_of_another_shape_is_refused(tmp_path):
    (tmp_path / "SVHN").mkdir()
    images, labels = ten_classes(20, 28, 28, 3)
    np.savez(tmp_path / "SVHN" / "svhn-test-first10000.npz", images=images, labels=labels)
    with pytest.raises(DataError, match=r"svhn-test-first10000\.npz should hold"):
        load_dataset("svhn", data_dir=tmp_path)


def write_cifar10_batches(root, monkeypatch):
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for attribute, seed in (("train_list", 0), ("test_list", 1)):
        images, labels = ten_classes(20, 3, 32, 32, seed=seed)
        content = pickle.dumps({"data": images.reshape(200, 3072), "labels": labels.tolist()})
        (folder / attribute).write_bytes(content)
        known = [[attribute, hashlib.md5(content).hexdigest()]]
        monkeypatch.setattr(torchvision.datasets.CIFAR10, attribute, known)
    content = pickle.dumps({"label_names": list(CLASSES)})
    (folder / "batches.meta").write_bytes(content)
    meta = {"filename": "batches.meta", "key": "label_names", "md5": hashlib.md5(content).hexdigest()}
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "meta", meta)
    return folder


def test_cifar10_official_files(tmp_path, monkeypatch):
    write_cifar10_batches(tmp_path, monkeypatch)
    dataset = load_dataset("cifar10", data_dir=tmp_path)
    assert dataset.variant == "official files" and dataset.class_names == CLASSES
    check_parts(dataset, (180, 20, 200), (3, 32, 32))


@pytest.mark.parametrize("file", ["train_list", "test_list", "batches.meta"])
def test_nothing_is_unpickled_without_its_official_checksum(tmp_path, monkeypatch, file):
    folder = write_cifar10_batches(tmp_path, monkeypatch)
    (folder / file).write_bytes(b"cbuiltins\nexit\n(S'unpickled a stranger'\ntR.")
    with pytest.raises(DataError, match="official checksums"):
        load_dataset("cifar10", data_dir=tmp_path)


def jpeg(label, side=32):
    content = io.BytesIO()
    Image.new("RGB", (side, side), (label,) * 3).save(content, "JPEG", quality=100)
    return content.getvalue()


def write_cifar10_jpeg(root, extra=(), skip=()):
    """Write 10 training and 2 test images a class, all pixels of an image being its label."""
    root.mkdir(exist_ok=True)
    with tarfile.open(root / "cifar10-jpeg.tar.xz", "w:xz") as archive:
        members = [
            (f"{part}/{name}/{i:04}.jpg", jpeg(label))
            for part, count in (("test", 2), ("train", 10))
            for label, name in enumerate(CLASSES)
            for i in range(count)
            if (part, name) not in skip
        ]
        for name, content in [*members, *extra]:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("train/cat/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return root


def test_cifar10_jpeg_copy(tmp_path):
    strangers = [("../evil.jpg", jpeg(0)), ("train/cat/../dog/x.jpg", b""), ("train/cow/1.jpg", jpeg(0)), ("a", b"")]
    root = write_cifar10_jpeg(tmp_path / "data", extra=strangers)
    dataset = load_dataset("cifar10", data_dir=root)
    assert dataset.variant == "JPEG copy" and dataset.class_names == CLASSES
    check_parts(dataset, (90, 10, 20), (3, 32, 32))
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".npz"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "data"]


def test_cifar10_is_decoded_once_for_each_archive(tmp_path, monkeypatch):
    root = write_cifar10_jpeg(tmp_path / "data")
    first = load_dataset("cifar10", data_dir=root)
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "open", lambda *a, **k: pytest.fail("decoded again"))
        assert torch.equal(load_dataset("cifar10", data_dir=root).pool_images, first.pool_images)
    write_cifar10_jpeg(root, extra=[("test/cat/new.jpg", jpeg(3))])
    assert len(load_dataset("cifar10", data_dir=root).test_labels) == 21


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"extra": [("train/cat/broken.jpg", b"not a JPEG")]}, r"broken\.jpg is no readable JPEG"),
        ({"extra": [("train/cat/cut.jpg", jpeg(3)[:-200])]}, r"cut\.jpg is no readable JPEG"),
        ({"extra": [("train/cat/large.jpg", jpeg(3, side=64))]}, r"train/cat/large\.jpg is \(64, 64\), not 32x32"),
        ({"skip": [("test", "frog")]}, r"lacks whole classes under test/"),
    ],
)
def test_an_unsuitable_cifar10_archive_is_refused(tmp_path, arguments, message):
    with pytest.raises(DataError, match=message) as caught:
        load_dataset("cifar10", data_dir=write_cifar10_jpeg(tmp_path / "data", **arguments))
    assert "cifar10-jpeg.tar.xz" in str(caught.value)
    assert not list((tmp_path / "cache").rglob("*.npz"))


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_truncated_cifar10_archive_is_refused(tmp_path, keep):
    path = write_cifar10_jpeg(tmp_path / "data") / "cifar10-jpeg.tar.xz"
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(DataError, match=r"cifar10-jpeg\.tar\.xz is truncated or damaged"):
        load_dataset("cifar10", data_dir=tmp_path / "data")


def test_a_cifar10_archive_with_endless_padding_is_refused(tmp_path, monkeypatch):
    path = write_cifar10_jpeg(tmp_path / "data") / "cifar10-jpeg.tar.xz"
    plain = lzma.decompress(path.read_bytes())
    path.write_bytes(lzma.compress(plain + bytes(len(plain) + 10_000_000)))
    monkeypatch.setattr(files, "MAX_BYTES", 2 * len(plain))
    with pytest.raises(DataError, match="unpacks to more than"):
        load_dataset("cifar10", data_dir=tmp_path / "data")


def test_a_cifar10_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MAX_BYTES", 1000)
    with pytest.raises(DataError, match="unpacks to more than 1000 bytes"):
        load_dataset("cifar10", data_dir=write_cifar10_jpeg(tmp_path / "data"))


@needs("SVHN/svhn-test-first10000.npz")
def test_the_real_svhn_subset():
    dataset = load_dataset("svhn", data_dir=REAL)
    labels = torch.cat([dataset.train_labels, dataset.pool_labels, dataset.test_labels])
    assert torch.bincount(labels).tolist() == [684, 1968, 1590, 1104, 964, 909, 773, 767, 621, 620]
    assert [len(dataset.train_labels), len(dataset.pool_labels), len(dataset.test_labels)] == [7000, 1500, 1500]


@pytest.mark.slow
@needs("cifar10-jpeg.tar.xz")
def test_the_real_cifar10_jpeg_copy():
    dataset = load_dataset("cifar10", data_dir=REAL)
    for part, size in (("train", 4500), ("pool", 500), ("test", 1000)):
        assert torch.bincount(getattr(dataset, f"{part}_labels")).tolist() == [size] * 10
    images = torch.cat([dataset.train_images, dataset.pool_images]).double() / 255
    # CIFAR-10's well-known channel means; JPEG moves them by less than one grey level.
    assert images.mean((0, 2, 3)).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1 / 255)
