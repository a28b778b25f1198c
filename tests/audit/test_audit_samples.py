"""An auditor's own folder of samples is read as a data set's is, at the shape of the model."""

import numpy as np
import pytest
from PIL import Image

from labelleak_lib.audit.samples import as_samples
from labelleak_lib.space import InputSpace

RAMP = np.tile(np.linspace(0, 65535, 16).astype(np.uint16), (16, 1))
EIGHT = Image.fromarray((RAMP // 257).astype(np.uint8))


def folder(tmp_path, save):
    for name in ("0", "1"):
        (tmp_path / name).mkdir()
        save(tmp_path / name)
    return tmp_path


def read(root, space=(1, 16, 16)):
    inputs, labels = as_samples(root, InputSpace(space), 2)
    return inputs.numpy(), labels.tolist()


@pytest.mark.parametrize("name", ["a.png", "a.tga", "a.pcx", "a.bmp", "a.tiff", "a.pgm"])
def test_every_suffix_that_a_data_set_may_have_is_read(tmp_path, name):
    found, labels = read(folder(tmp_path, lambda place: EIGHT.save(place / name)))
    assert labels == [0, 1] and np.abs(found[0, 0] - RAMP / 65535).max() < 0.01


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path):
    found, _ = read(folder(tmp_path, lambda place: Image.fromarray(RAMP).save(place / "a.png")))
    assert np.abs(found[0, 0] - RAMP / 65535).max() < 0.01


@pytest.mark.parametrize("image", [EIGHT, Image.fromarray(RAMP)], ids=["8 bits", "16 bits"])
def test_an_orientation_mark_is_followed(tmp_path, image):
    mark = Image.Exif()
    mark[0x0112] = 3
    found, _ = read(folder(tmp_path, lambda place: image.save(place / "a.png", exif=mark)))
    assert np.abs(found[0, 0] - RAMP[::-1, ::-1] / 65535).max() < 0.01


def test_the_model_decides_shape_and_channels_also_below_what_a_data_set_needs(tmp_path):
    root = folder(tmp_path, lambda place: Image.new("RGB", (5, 4), (255, 0, 0)).save(place / "a.png"))
    found, _ = read(root, (3, 6, 9))
    assert found.shape == (2, 3, 6, 9) and (found[:, 0] == 1).all() and (found[:, 1:] == 0).all()


def test_classes_are_numbered_as_those_of_a_data_set(tmp_path):
    for name, value in {"1.5": 200, "-1": 100}.items():
        (tmp_path / name).mkdir()
        Image.new("L", (16, 16), value).save(tmp_path / name / "a.png")
    found, labels = read(tmp_path)
    values = (255 * found[:, 0, 0, 0]).round().tolist()
    assert dict(zip(labels, values, strict=True)) == {0: 100, 1: 200}
