"""Damaged and hostile files: whatever their bytes, the answer is a data set, a model, or one sentence with the path."""

import io
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from toys import trained

from labelleak_lib.data.datasets import load_dataset
from labelleak_lib.data.files import DataError
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
    """Two classes of eight images; one of them is what a test replaces."""
    for name in ("cat", "dog"):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(8):
            Image.fromarray(IMAGES[i]).save(folder / "pictures" / name / f"{i}.png")
    return folder / "pictures"


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@MANY
@given(kind=st.sampled_from(sorted(PICTURES)), changes=edits())
def test_a_damaged_image_is_a_sample_or_one_sentence(pictures, kind, changes):
    path = pictures / "cat" / "0.png"
    path.write_bytes(damage(PICTURES[kind], changes))
    accepted(lambda: load_dataset(str(pictures)), path)


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
