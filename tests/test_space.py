"""Where inputs live: families of unrelated inputs, and smooth ones."""

import numpy as np
import pytest
import torch
from toys import rng

from labelleak_lib.space import FAMILIES, VECTOR_FAMILIES, InputSpace


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


@pytest.mark.parametrize("family", list(VECTOR_FAMILIES))
@pytest.mark.parametrize("length", [2, 30])
def test_unrelated_vectors_fill_their_box_and_differ(family, length):
    low, high = [float(-i) for i in range(length)], [2.0 * i + 1 for i in range(length)]
    space = InputSpace.vectors(length, low, high)
    drawn = space.unrelated(family, 200, rng(1))
    assert drawn.shape == (200, length) and space.holds(drawn)
    assert (drawn.amax(0) - drawn.amin(0) > 0.7 * (torch.tensor(high) - torch.tensor(low))).all()
    assert torch.equal(drawn, space.unrelated(family, 200, rng(1)))
    assert len(drawn.unique(dim=0)) > (3 if (family, length) == ("corners", 2) else 150)


@pytest.mark.parametrize("length", [3, 25, 60])
def test_a_smooth_vector_moves_its_features_in_groups(length):
    space = InputSpace.vectors(length, -1, 1)
    [points] = space.grid(5)
    assert points == min(25, length)
    z = torch.randn((4, points), generator=rng(0))
    x = space.smooth(z)
    assert x.shape == (4, length) and space.holds(x)
    torch.testing.assert_close(x.unique_consecutive(dim=1), -1 + 2 * torch.sigmoid(z))


def test_an_image_space_has_a_name_of_its_own():
    assert InputSpace.images([3, 20, 12], -1.0, 1.0) == InputSpace((3, 20, 12), -1.0, 1.0)
    with pytest.raises(ValueError, match=r"shape is \(20,\); it must be \(channels, height, width\)"):
        InputSpace.images((20,))


def test_no_box_holds_nan_or_what_is_outside():
    space = InputSpace.vectors(2, (0.0, 5.0), (1.0, 6.0))
    assert space.holds(torch.tensor([[0.0, 6.0], [1.0, 5.0]]))
    for outside in ([0.5, 1.0], [1.5, 5.5], [torch.nan, 5.5]):
        assert not space.holds(torch.tensor([outside]))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: InputSpace.vectors(), "length is None; it must be an integer"),
        (lambda: InputSpace.vectors(3, (0.0, 1.0), 2.0), "low is .*; it must be a number, or one a feature"),
        (lambda: InputSpace.vectors(2, 0.0, (1.0, 0.0)), "high is 0.0"),
        (
            lambda: InputSpace.vectors(sample=[1.0, 2.0]),
            r"sample is .*\(2,\).*; it must be finite numbers \(n, length\)",
        ),
        (lambda: InputSpace.vectors(sample=[[1.0, np.nan]]), "sample is"),
        (lambda: InputSpace.vectors(3, sample=[[1.0, 2.0]]), "sample is"),
        (lambda: InputSpace.vectors(3).unrelated("blobs", 2, rng()), "family is 'blobs'; it must be one of uniform, "),
    ],
)
def test_vectors_without_a_box_are_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


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
