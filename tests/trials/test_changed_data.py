"""A reader's own data that change while a session runs: noticed, read anew, and never mixed with what was."""

import dataclasses
import os

import numpy as np
import pytest
from own_data import class_folders, idx_bytes, listed, pixels, write
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.data.datasets import stamp
from labelleak_lib.data.files import DataError
from labelleak_lib.trials import specification
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.specification import TrialSpec

N = 60
IMAGES, LABELS = pixels(N, 8), np.arange(N) % 2


@pytest.fixture(autouse=True)
def own(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("changes")):
        yield


def spec_of(path, **more):
    return TrialSpec.from_parameters(dataset=str(path), device="cpu", **more)


def folder(root):
    return class_folders(root / "d", IMAGES, np.where(LABELS, "dog", "cat"))


def parts(root):
    for i, part in enumerate(("train", "test")):
        class_folders(root / "d" / part, pixels(N, 8, seed=i), np.where(LABELS, "dog", "cat"))
    return root / "d"


def arrays(root, images=IMAGES):
    np.savez(root / "d.npz", images=images, labels=LABELS)
    return root / "d.npz"


def raw(root):
    write(root / "d" / "images.idx3", idx_bytes(IMAGES))
    write(root / "d" / "labels.idx1", idx_bytes(LABELS))
    return root / "d"


def another(path):
    """Put another image in the place of one."""
    path.write_bytes(
        next(file for file in sorted(path.parent.iterdir()) if file != path and file.suffix == ".png").read_bytes()
    )


CHANGES = {
    "an image added": (folder, lambda d: (d / "cat" / "new.png").write_bytes((d / "dog" / "001.png").read_bytes())),
    "an image removed": (folder, lambda d: (d / "cat" / "000.png").unlink()),
    "an image changed": (folder, lambda d: another(d / "cat" / "000.png")),
    "an image moved": (folder, lambda d: (d / "cat" / "000.png").rename(d / "dog" / "000.png")),
    "an image renamed": (folder, lambda d: (d / "cat" / "000.png").rename(d / "cat" / "zzz.png")),
    "a class renamed": (folder, lambda d: (d / "cat").rename(d / "zebra")),
    "a class added": (folder, lambda d: class_folders(d, pixels(30, 8, seed=9), ["emu"] * 30)),
    "a test image changed": (parts, lambda d: another(d / "test" / "cat" / "000.png")),
    "an array changed": (arrays, lambda d: arrays(d.parent, 255 - IMAGES)),
    "a list changed": (
        lambda root: listed(root / "d", IMAGES, LABELS),
        lambda d: d.write_text("\n".join(d.read_text().splitlines()[:-2])),
    ),
    "an image of a list changed": (
        lambda root: listed(root / "d", IMAGES, LABELS),
        lambda d: another(d.parent / "001.png"),
    ),
    "a raw file changed": (raw, lambda d: write(d / "images.idx3", idx_bytes(255 - IMAGES))),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGES)
def test_changed_files_are_read_anew_and_an_earlier_trial_keeps_its_own(tmp_path, kind):
    make, change = CHANGES[kind]
    path = make(tmp_path)
    before = spec_of(path)
    identity, images = before.original_id(), before.data.train_images.clone()
    assert spec_of(path).data is before.data, "what did not change is read once"
    change(path)
    after = spec_of(path)
    assert after.stamp != before.stamp and after.data is not before.data
    names = kind == "a class renamed"  # the pixels are the same in another order of the classes
    assert names or after.original_id() != identity
    assert before.original_id() == identity and np.array_equal(before.data.train_images, images)


@pytest.mark.parametrize("kind", CHANGES)
def test_a_trial_whose_data_changed_is_refused_where_they_are_read_again(tmp_path, kind):
    make, change = CHANGES[kind]
    path = make(tmp_path)
    spec = spec_of(path)
    change(path)
    for cache in (specification.cached_dataset, specification.fingerprint):
        cache.cache_clear()  # as in a worker process
    with pytest.raises(DataError, match="changed since this trial was specified; specify it again"):
        spec.original_id()


@pytest.mark.parametrize("make", [folder, parts, arrays, raw, lambda root: listed(root / "d", IMAGES, LABELS)])
def test_the_stamp_stays_where_nothing_changes_and_counts_time(tmp_path, make):
    path = make(tmp_path)
    first = stamp(str(path))
    assert first and stamp(str(path)) == first
    file = path if path.is_file() else next(file for file in sorted(path.rglob("*")) if file.is_file())
    os.utime(file, ns=(1, 1))
    assert stamp(str(path)) != first


@pytest.mark.parametrize("name", ["digits", "mnist", "glyphs5", "", "no/such/path"])
def test_named_data_have_no_stamp(name):
    assert stamp(name) == ""


def test_all_trials_of_a_grid_share_a_stamp_and_classes_may_be_named(tmp_path):
    grid = Grid(dataset=str(folder(tmp_path)), trials=3, forgotten=["dog"], methods=("FT",), device="cpu")
    specs = grid.specs()
    assert {spec.stamp for spec in specs} == {stamp(grid.dataset)} and {spec.forgotten for spec in specs} == {(1,)}
    assert Grid(dataset=grid.dataset, forgotten="dog", device="cpu").specs()[0] == specs[0]
    assert Grid(dataset=grid.dataset, forgotten=1, device="cpu").specs()[0] == specs[0]


def test_own_data_are_described_once_before_anything_is_trained(tmp_path, capsys):
    path = folder(tmp_path)
    (path / "notes.txt").write_text("x")
    for _ in range(3):
        spec_of(path)
    said = capsys.readouterr().err
    assert said.count("| 0 | cat | 18 | 6 | 6 |") == 1 and "skipped, being no images: 1 .txt" in said
    spec_of("digits")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("per_class", [10, 15, 20, 22, 24, 25, 30, 40, 50, 60])
def test_few_samples_for_the_heads_are_said(tmp_path, capsys, per_class):
    labels = np.repeat(["cat", "dog"], per_class)
    path = class_folders(tmp_path / "d", pixels(len(labels), 8), labels)
    if per_class < 20:
        with pytest.raises(ValueError, match="attacker pool of class 'cat'"):
            spec_of(path)
        return
    spec = spec_of(path)
    pool = min(spec.in_pool)
    used = spec.settings.attacks["dot_product"].recipe.samples
    said = f"auxiliary heads are trained on {used} samples each" in capsys.readouterr().err
    assert said == (pool < 5) and used == (5 if pool >= 5 else pool // 2)


def test_a_stamp_is_no_part_of_an_identity(tmp_path):
    spec = spec_of(folder(tmp_path), given=SMALL_SETTINGS)
    assert dataclasses.replace(spec, stamp="").original_id() == spec.original_id()
