"""The data sets' common interface: the division into parts, and the checks before it."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelleak_lib.data import files
from labelleak_lib.data.datasets import NAMES, load_dataset
from labelleak_lib.data.files import DataError, default_data_dir
from labelleak_lib.data.split import split_indices
from labelleak_lib.files import ROOT, UnwritableError, cache_dir, replacing
from labelleak_lib.registry import DATASETS


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))


@given(
    sizes=st.lists(st.integers(5, 60), min_size=2, max_size=6),
    shares=st.sampled_from([(0.2, 0.2), (0.3, 0.2), (0.15, 0.15), (0.1,), (1 / 6,)]),
    seed=st.integers(0, 2**32),
    order=st.randoms(use_true_random=False),
)
def test_parts_are_disjoint_cover_everything_and_keep_each_class_share(sizes, shares, seed, order):
    labels = [c for c, size in enumerate(sizes) for _ in range(size)]
    order.shuffle(labels)
    labels = np.array(labels)
    parts = split_indices(labels, shares, seed)
    assert len(parts) == len(shares) + 1
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    for part, share in zip(parts[1:], shares, strict=True):
        counts = np.bincount(labels[part], minlength=len(sizes))
        assert np.all(np.abs(counts - share * np.array(sizes)) <= 1)
    for part in parts:
        assert set(labels[part]) == set(range(len(sizes)))


@given(size=st.integers(20, 200), classes=st.integers(2, 7), share=st.sampled_from([0.1, 0.15, 1 / 6, 0.2]))
def test_a_share_is_met_over_all_samples_to_the_nearest_integer(size, classes, share):
    labels = np.repeat(np.arange(classes), size)
    _, pool = split_indices(labels, (share,), 0)
    assert abs(len(pool) - share * size * classes) <= 0.5 + 1e-9


def test_the_seed_decides_the_division():
    labels = np.repeat(np.arange(4), 25)
    first, again, other = (split_indices(labels, (0.2, 0.2), seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[1], other[1])


def test_digits():
    from sklearn.datasets import load_digits

    digits = load_dataset("digits")
    assert (digits.name, digits.variant) == ("digits", "scikit-learn 8x8 digits")
    assert (digits.classes, digits.channels, digits.side) == (10, 1, 8)
    assert digits.class_names == tuple("0123456789")
    sizes = [len(part) for part in (digits.train_labels, digits.pool_labels, digits.test_labels)]
    assert sizes == [1797 - 539 - 359, 539, 359]  # 50%, 30% and 20% of 1797
    images = torch.cat([digits.train_images, digits.pool_images, digits.test_images])
    labels = torch.cat([digits.train_labels, digits.pool_labels, digits.test_labels])
    assert images.dtype == torch.uint8 and labels.dtype == torch.int64
    bundled = load_digits()

    def rows(sixteenths, targets):
        return sorted(map(tuple, np.c_[sixteenths.reshape(1797, 64), targets].astype(int).tolist()))

    sixteenths = np.rint(images.numpy() * (16 / 255))
    assert int(images.max()) == 255
    assert rows(sixteenths, labels.numpy()) == rows(bundled.data, bundled.target)


def test_the_names_stand_in_the_books_order():
    assert NAMES[:5] == ("digits", "mnist", "fashion_mnist", "svhn", "cifar10")
    assert [DATASETS[name].order for name in NAMES] == [*range(5), *range(10, 15)]
    assert [DATASETS[name].title for name in NAMES[:5]] == ["digits", "MNIST", "Fashion-MNIST", "SVHN", "CIFAR-10"]


STRIPES = """
import numpy as np

from labelleak_lib.data.base import Source
from labelleak_lib.registry import DATASETS


@DATASETS.register("stripes")
class Stripes:
    title, order = "Stripes", 2.5

    def read(self, root):
        labels = np.arange(50) % 2
        return Source("made here", ("dark", "bright"), np.full((50, 1, 8, 8), 9, np.uint8), labels)
"""
A_NEW_FILE = "import labelleak_lib.data.named as named; named.__path__.append({folder!r})"
ANOTHER_PACKAGE = "import sys; sys.path.append({folder!r}); import stripes"


@pytest.mark.parametrize("start", [A_NEW_FILE, ANOTHER_PACKAGE], ids=["a new file", "another package"])
def test_a_data_set_becomes_known_by_one_file(tmp_path, start):
    (tmp_path / "stripes.py").write_text(STRIPES)
    program = f"{start.format(folder=str(tmp_path))}\nfrom labelleak_lib.data.datasets import NAMES, load_dataset\n"
    program += "stripes = load_dataset('stripes')\nprint(*NAMES, stripes.class_names, len(stripes.train_labels))"
    answer = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    names = "digits mnist fashion_mnist stripes svhn cifar10 glyphs5 glyphs10 glyphs26 glyphs62 glyphs100"
    assert answer.stdout == f"{names} ('dark', 'bright') 30\n", answer.stderr


def test_printing_a_data_set_does_not_print_its_pixels():
    assert "tensor" not in repr(load_dataset("digits"))


@pytest.mark.parametrize("seed", [-1, 0.5, True, "0"])
def test_an_unusable_seed_is_refused(seed):
    with pytest.raises(DataError, match="split_seed"):
        load_dataset("digits", split_seed=seed)


def test_any_integer_type_is_a_seed():
    a, b = load_dataset("digits", split_seed=np.int64(5)), load_dataset("digits", split_seed=5)
    assert torch.equal(a.pool_images, b.pool_images)


@pytest.mark.parametrize("name", ["imagenet", "MNIST", "", "./nowhere/cats", "missing.npz", "x" * 5000])
def test_an_unknown_name_lists_the_known_ones(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="digits, mnist, fashion_mnist, svhn, cifar10"):
        load_dataset(name)


def test_a_missing_data_folder_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        load_dataset("mnist", data_dir=tmp_path / "nowhere")


def test_folders_follow_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLEAK_DATA", str(tmp_path / "here"))
    assert default_data_dir() == tmp_path / "here"
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("LABELLEAK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "labelleak"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "labelleak"


def test_the_default_folder_is_the_cache_where_no_copies_lie_beside_the_project(tmp_path, monkeypatch):
    monkeypatch.delenv("LABELLEAK_DATA", raising=False)
    monkeypatch.setattr(files, "ROOT", tmp_path / "project")
    assert default_data_dir() == tmp_path / "cache" / "data"
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert default_data_dir() == tmp_path / "shared" / "data"


def test_a_broken_write_leaves_nothing_behind(tmp_path):
    def fail():
        with replacing(tmp_path / "new" / "file.bin") as file:
            file.write(b"half")
            raise KeyError("interrupted")

    with pytest.raises(KeyError):
        fail()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnwritableError, match="file/x could not be written"), replacing(tmp_path / "file" / "x"):
        pass
