"""Where inputs live: families of unrelated inputs, and smooth ones."""

import numpy as np
import pytest
import torch
from toys import rng

from labelleak_lib.space import FAMILIES, InputSpace


@pytest.mark.parametrize("family", list(FAMILIES))
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 20, 12)])
@pytest.mark.parametrize("box", [(0.0, 1.0), (-2.0, 3.0)])
def test_unrelated_inputs_fill_their_box_and_differ(family, shape, box):
    space = InputSpace(shape, *box)
    drawn = space.unrelated(family, 60, rng(1))
    assert drawn.shape == (60, *shape) and drawn.dtype == torch.float32
    assert box[0] <= drawn.min() and drawn.max() <= box[1]
    assert len(drawn.flatten(1).unique(dim=0)) == 60
    # more than half of the box is used, and no channel is left out
    assert drawn.max() - drawn.min() > 0.5 * (box[1] - box[0])
    assert torch.equal(drawn, space.unrelated(family, 60, rng(1)))
    assert not torch.equal(drawn, space.unrelated(family, 60, rng(2)))


def test_the_inputs_drawn_for_a_seed_are_those_of_the_records():
    """Records name no digest of these functions: the sums were read off when the records were made."""
    sums = {name: float(InputSpace((1, 28, 28)).unrelated(name, 40, rng(0)).double().sum()) for name in FAMILIES}
    assert sums == pytest.approx(DRAWN, rel=1e-5)


DRAWN = {"blobs": 15561.029, "shapes": 10178.562, "gratings": 14263.065, "photos": 13580.347, "noise": 15757.764}


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (1, 4, 16)])
def test_a_smooth_input_is_its_grid_interpolated(shape):
    space = InputSpace(shape, -1.0, 2.0)
    grid = space.grid(5)
    assert grid == (shape[0], min(5, shape[1]), min(5, shape[2]))
    z = torch.randn((3, *grid), generator=rng(0)) * 4
    x = space.smooth(z)
    assert x.shape == (3, *shape) and x.min() >= -1 and x.max() <= 2
    constant = space.smooth(torch.zeros((1, *grid)))
    torch.testing.assert_close(constant, torch.full((1, *shape), 0.5))
    # bilinear interpolation by hand along one row of the finest case: a grid as fine as the image is the image
    fine = InputSpace(shape, -1.0, 2.0).smooth(torch.randn((2, *shape), generator=rng(1)))
    torch.testing.assert_close(fine, -1 + 3 * torch.sigmoid(torch.randn((2, *shape), generator=rng(1))))


def test_a_smooth_input_has_no_fine_detail():
    space = InputSpace((1, 28, 28))
    smooth = space.smooth(8 * torch.randn((50, 1, 5, 5), generator=rng(0))).numpy()
    noise = space.unrelated("noise", 50, rng(0)).numpy()

    def fine_share(images):
        power = np.abs(np.fft.rfft2(images - images.mean((2, 3), keepdims=True))) ** 2
        return power[:, :, 7:22].sum() / power.sum()

    assert fine_share(smooth) < 0.05 < 0.4 < fine_share(noise)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (((1, 8),), r"shape is \(1, 8\); it must be \(channels, height, width\)"),
        (((1, 0, 8),), "shape is 0"),
        (((1, 8, 8), 1.0, 1.0), r"high is 1.0; it must be .*above 1"),
    ],
)
def test_a_space_that_holds_no_input_is_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        InputSpace(*arguments)


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="family is 'clouds'; it must be one of blobs, "):
        InputSpace((1, 8, 8)).unrelated("clouds", 3, rng())
