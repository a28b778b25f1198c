"""The data sets' common interface: the division into parts, and the checks before it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelleak_lib.data import files
from labelleak_lib.data.datasets import NAMES, Dataset, load_dataset, require_samples, split_indices
from labelleak_lib.data.files import DataError, cache_dir, default_data_dir


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path / "cache"))


def toy(pool_labels, classes=3) -> Dataset:
    def part(labels):
        return torch.zeros(len(labels), 1, 8, 8, dtype=torch.uint8), torch.tensor(labels)

    names = tuple("abcdef"[:classes])
    return Dataset("toy", "made up", names, *part([0, 1, 2]), *part(pool_labels), *part([0, 1, 2]))


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


def test_the_names_are_the_contract_s():
    assert NAMES == ("digits", "mnist", "fashion_mnist", "svhn", "cifar10")


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


def test_require_samples_counts_every_class_of_the_part():
    labels = [0] * 5 + [1] * 4 + [2] * 6
    require_samples(toy(labels), 4)
    with pytest.raises(DataError, match=r"toy: class 'b' has 4 samples in the pool part, 5 are needed; .* at most 4"):
        require_samples(toy(labels), 5)
    with pytest.raises(DataError, match=r"class 'a' has 1 samples in the train part"):
        require_samples(toy(labels), 2, part="train")


def test_require_samples_sees_a_class_without_any():
    with pytest.raises(DataError, match="class 'd' has 0 samples"):
        require_samples(toy([0, 1, 2], classes=4), 1)


def test_require_samples_names_the_parts_it_knows():
    with pytest.raises(DataError, match="train, pool, test"):
        require_samples(toy([0, 1, 2]), 1, part="validation")


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
        with files.replacing(tmp_path / "new" / "file.bin") as file:
            file.write(b"half")
            raise KeyError("interrupted")

    with pytest.raises(KeyError):
        fail()
    assert list((tmp_path / "new").iterdir()) == []


def test_an_unwritable_cache_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="LABELLEAK_CACHE"), files.replacing(tmp_path / "file" / "x"):
        pass
