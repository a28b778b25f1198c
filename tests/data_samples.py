"""Stand-ins for the data sets known by name, small and made here."""

import numpy as np
import pytest
import torch
import torchvision

from labelleak_lib.data.files import default_data_dir

REAL = default_data_dir()
NOWHERE = "http://127.0.0.1:9/"  # the discard port: nothing answers there


def needs(*places):
    return pytest.mark.skipif(
        not all((REAL / place).exists() for place in places), reason=f"no {places[0]} in the data folder"
    )


def isolate(tmp_path, monkeypatch):
    """Give the test a cache of its own, and addresses at which nothing can be downloaded even if it is allowed."""
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{NOWHERE}x.tar.gz")
    mats = {part: [NOWHERE + part, f"{part}_32x32.mat", "0" * 32] for part in ("train", "test")}
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", mats)


def ten_classes(per_class, *shape, seed=0):
    """Make noise whose first value is the label, so that a mix-up of images and labels shows."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(10, dtype=np.uint8), per_class))
    images = np.random.default_rng(seed).integers(0, 256, (len(labels), *shape), dtype=np.uint8)
    images.reshape(len(labels), -1)[:, 0] = labels
    return images, labels


def check_parts(dataset, sizes, shape):
    """Check sizes, balance, types, and that images and labels stayed together."""
    parts = ((getattr(dataset, f"{p}_images"), getattr(dataset, f"{p}_labels")) for p in ("train", "pool", "test"))
    for (images, labels), size in zip(parts, sizes, strict=True):
        assert images.shape == (size, *shape) and images.dtype == torch.uint8
        assert torch.equal(torch.bincount(labels), torch.full((10,), size // 10))
        assert torch.equal(images[:, 0, 0, 0].long(), labels)
