"""Damaged, odd and hostile input: whatever it is, the answer is a data set, a model, or one sentence with the path."""

import gzip
import io
import os
import pickle
import warnings
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from own_data import class_folders, idx_bytes, listed
from PIL import Image
from toys import trained

from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.files import DataError
from labelleak_lib.data.labels import numbered, one_a_sample
from labelleak_lib.data.pixels import one_size
from labelleak_lib.models.checkpoints import load_checkpoint, save_checkpoint
from labelleak_lib.models.classifier import Classifier

MANY = settings(
    max_examples=1300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def edits():
    """Draw ways to damage a file: bytes set, a stretch cut out or repeated, the end lost, or everything replaced."""
    place = st.floats(0, 1, exclude_max=True)
    at_the_start = st.floats(0, 0.02)
    return st.one_of(
        st.lists(
            st.tuples(st.just("set"), st.one_of(place, at_the_start), st.integers(0, 255)), min_size=1, max_size=8
        ),
        st.lists(st.tuples(st.sampled_from(["cut", "repeat"]), place, st.integers(1, 64)), min_size=1, max_size=3),
        st.lists(st.tuples(st.just("end"), place, st.just(0)), min_size=1, max_size=1),
        st.lists(st.tuples(st.just("all"), st.just(0.0), st.binary(max_size=400)), min_size=1, max_size=1),
    )


def damage(content, changes):
    """Apply `changes` of `edits` to bytes."""
    data = bytearray(content)
    for kind, place, value in changes:
        start = int(place * len(data))
        if kind == "set" and data:
            data[start] = value
        elif kind == "cut":
            del data[start : start + value]
        elif kind == "repeat":
            data[start:start] = data[start : start + value]
        elif kind == "end":
            del data[start:]
        elif kind == "all":
            data = bytearray(value)
    return bytes(data)


def accepted(call, path):
    """Say whether `call` took the file; if not, its error must be one sentence that names `path`."""
    try:
        call()
    except ValueError as error:
        assert str(path) in str(error), error
        assert "\n" not in str(error), error
        return False
    return True


def array_file(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
LABELS = np.arange(60) % 3
NPZ = array_file(images=IMAGES, labels=LABELS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@MANY
@given(changes=edits())
@example(changes=[("cut", 0.0, 60)])
def test_a_damaged_npz_is_a_data_set_or_one_sentence(folder, changes):
    path = folder / "data.npz"
    path.write_bytes(damage(NPZ, changes))
    accepted(lambda: load_dataset(str(path)), path)


@pytest.fixture(scope="module")
def checkpoint(folder):
    save_checkpoint(trained(), folder / "whole.safetensors")
    return (folder / "whole.safetensors").read_bytes()


@MANY
@given(changes=edits())
def test_a_damaged_checkpoint_is_a_finite_model_or_one_sentence(folder, checkpoint, changes):
    path = folder / "damaged.safetensors"
    path.write_bytes(damage(checkpoint, changes))
    found = []
    if accepted(lambda: found.append(load_checkpoint(path)), path):
        assert isinstance(found[0], Classifier)
        assert all(value.isfinite().all() for value in found[0].state_dict().values())


@MANY
@given(header=st.one_of(st.binary(max_size=60), st.text(alphabet='{}[]":,0123456789aF_dtypeshape', max_size=60)))
def test_a_hostile_safetensors_header_is_one_sentence(folder, header):
    content = header.encode() if isinstance(header, str) else header
    path = folder / "hostile.safetensors"
    path.write_bytes(len(content).to_bytes(8, "little") + content)
    assert not accepted(lambda: load_checkpoint(path), path)


def picture(kind, mode):
    buffer = io.BytesIO()
    Image.fromarray(IMAGES[0]).resize((12, 12)).convert(mode).save(buffer, kind)
    return buffer.getvalue()


MODES = {"PNG": ("L", "RGBA", "P"), "JPEG": ("RGB", "CMYK"), "GIF": ("P",), "BMP": ("RGB",), "TIFF": ("L",)}
MODES |= {"PPM": ("RGB",), "WEBP": ("RGB",)}
PICTURES = {f"{kind}-{mode}": picture(kind, mode) for kind, modes in MODES.items() for mode in modes}


@pytest.fixture(scope="module")
def pictures(folder):
    """Two classes of five images; one of them is what a test replaces."""
    return class_folders(folder / "pictures", IMAGES[:10], np.repeat(["cat", "dog"], 5))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@MANY
@given(kind=st.sampled_from(sorted(PICTURES)), changes=edits())
def test_a_damaged_image_is_a_sample_or_one_sentence(pictures, kind, changes):
    path = pictures / "cat" / "000.png"
    path.write_bytes(damage(PICTURES[kind], changes))
    accepted(lambda: load_dataset(str(pictures)), path)


ARRAYS = st.one_of(
    st.sampled_from(
        [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64, np.bool_, np.float16, np.float32, float]
    ),
    st.sampled_from([np.complex64, "U1", "S2", "datetime64[s]"]),
)
SHAPES = st.one_of(
    st.sampled_from([(6, 8, 8), (6, 9, 12, 1), (6, 8, 8, 3), (6, 3, 8, 9), (6, 1, 8, 8), (6, 64), (6, 81), (6, 3072)]),
    st.lists(st.integers(0, 9), min_size=0, max_size=5).map(tuple),
)


@MANY
@given(dtype=ARRAYS, shape=SHAPES, seed=st.integers(0, 99), span=st.tuples(st.floats(-300, 300), st.floats(-1e5, 1e5)))
@example(dtype=np.uint16, shape=(6, 8, 8), seed=0, span=(0.0, 255.0))
@example(dtype=np.float32, shape=(6, 8, 8), seed=0, span=(np.nan, 1.0))
@example(dtype=np.float32, shape=(6, 8, 8), seed=0, span=(0.0, np.inf))
def test_pixels_of_any_kind_are_scaled_in_order_or_one_sentence(dtype, shape, seed, span):
    drawn = np.random.default_rng(seed).random(shape)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = (span[0] + drawn * (span[1] - span[0])).astype(dtype)
    found = []
    if accepted(lambda: found.append(one_size(images, "x.npz")), "x.npz"):
        pixels, notes = found[0]
        assert pixels.dtype == np.uint8 and pixels.shape[1] in (1, 3) and pixels.shape[2] == pixels.shape[3]
        # what spans less than a quarter of the range is said to be dark, or was scaled
        assert pixels.max() >= 60 or notes or images.dtype.kind == "b" or pixels.shape[2:] != images.shape[1:3]
        if images.shape[1:] == (8, 8):
            order = np.argsort(images, axis=None, kind="stable")
            assert (np.diff(pixels[:, 0].reshape(-1)[order].astype(int)) >= 0).all()


@settings(MANY, max_examples=2000)
@given(
    labels=st.one_of(
        st.lists(st.integers(-1, 12), max_size=12).map(lambda drawn: np.array(drawn, int)),
        st.lists(st.text(max_size=4), max_size=12).map(lambda drawn: np.array(drawn, "U4")),
        st.lists(st.integers(0, 2**63 - 1), max_size=8).map(lambda drawn: np.array(drawn, np.int64)),
        st.lists(st.sampled_from(["1", "01", "1.0", "10", "2", "x", "X", " x"]), max_size=9).map(np.array),
        st.lists(st.lists(st.integers(0, 1), min_size=3, max_size=3), max_size=9).map(np.array),
        st.lists(st.floats(), max_size=9).map(np.array),
    )
)
def test_labels_of_any_kind_keep_their_value_as_a_name_or_are_one_sentence(labels):
    found = []

    def read():
        found.append(flat := one_a_sample(labels, len(labels), "x.npz"))
        found.append(numbered(flat, "x.npz"))

    if accepted(read, "x.npz"):
        flat, classes = found
        assert [classes.names[c] for c in classes.indices] == [str(value) for value in flat.tolist()]
        assert set(classes.indices.tolist()) == set(range(len(classes.names)))
        if flat.dtype.kind == "i":
            assert (np.diff([int(name) for name in classes.names]) > 0).all()


@pytest.fixture(scope="module")
def lists(folder):
    """A list of ten images, as CSV and as Parquet, and the bytes of both."""
    file = listed(folder / "list", IMAGES[:10], np.repeat(["cat", "dog"], 5))
    pd.read_csv(file).to_parquet(file.with_suffix(".parquet"))
    return {path: path.read_bytes() for path in (file, file.with_suffix(".parquet"))}


@MANY
@given(changes=edits(), parquet=st.booleans())
def test_a_damaged_list_is_a_data_set_or_one_sentence(lists, changes, parquet):
    path = list(lists)[parquet]
    path.write_bytes(damage(lists[path], changes))
    accepted(lambda: load_dataset(str(path)), path)


RAW = {"images.idx3-ubyte": idx_bytes(IMAGES), "labels.idx1-ubyte": idx_bytes(LABELS)}


@pytest.fixture(scope="module")
def besides(tmp_path_factory):
    """A folder for either raw file, as it is and packed, with the other one already there."""
    found = {}
    for (name, other), packed in product(permutations(RAW), (False, True)):
        found[name, packed] = tmp_path_factory.mktemp("raw")
        (found[name, packed] / other).write_bytes(RAW[other])
    return found


@MANY
@given(changes=edits(), name=st.sampled_from(sorted(RAW)), packed=st.booleans())
def test_damaged_raw_files_are_a_data_set_or_one_sentence(besides, changes, name, packed):
    folder, content = besides[name, packed], gzip.compress(RAW[name], 1) if packed else RAW[name]
    (folder / (f"{name}.gz" if packed else name)).write_bytes(damage(content, changes))
    accepted(lambda: load_dataset(str(folder)), folder)


class Malicious:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("kind", ["npz", "pickle as npz", "pickle as safetensors", "object labels"])
def test_a_malicious_pickle_is_never_run(tmp_path, kind):
    trap, array = tmp_path / "ran", np.empty(60, dtype=object)
    array[:] = Malicious(trap)
    path = tmp_path / ("x.safetensors" if "safetensors" in kind else "x.npz")
    if kind == "npz":
        path.write_bytes(array_file(images=array, labels=LABELS))
    elif kind == "object labels":
        path.write_bytes(array_file(images=IMAGES, labels=array))
    else:
        path.write_bytes(pickle.dumps(Malicious(trap)))
    before = set(tmp_path.iterdir())
    with pytest.raises(ValueError, match=path.name):
        load_checkpoint(path) if path.suffix == ".safetensors" else load_dataset(str(path))
    assert set(tmp_path.iterdir()) == before, "nothing ran, nothing was written"


@pytest.mark.parametrize("label", [-1, 2**40, np.nan, np.inf])
def test_a_wrong_label_is_one_sentence(tmp_path, label):
    path = tmp_path / "labels.npz"
    path.write_bytes(array_file(images=IMAGES, labels=np.where(np.arange(60) == 7, label, LABELS)))
    with pytest.raises(DataError, match="label"):
        load_dataset(str(path))
