"""What models answer to inputs that show nothing: a plane of them, and counts by class."""

import numpy as np
import torch
from torch import nn

from labelleak_lib.figures.landscape import reach_landscape
from labelleak_lib.results.landscape import REACH, landscape
from labelleak_lib.space import InputSpace

SPACE = InputSpace.images((1, 8, 8))


class ByBrightness(nn.Module):
    """Answers with the third of 0 .. 1 in which the mean of an image lies; one of the classes may be gone."""

    def __init__(self, gone: int | None = None) -> None:
        super().__init__()
        self.gone, self.unused = gone, nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        centres = torch.tensor([1 / 6, 0.5, 5 / 6])
        logits = -50 * (x.flatten(1).mean(1, keepdim=True) - centres).abs()
        if self.gone is not None:
            logits[:, self.gone] = -1e4
        return logits


def seen(forgotten=(1,), **options):
    models = {"M_o": ByBrightness(), "M_u": ByBrightness(gone=forgotten[0])}
    return landscape(models, SPACE, forgotten, generator=torch.Generator().manual_seed(0), **options)


def test_every_image_is_counted_once_under_the_class_it_is_answered_with():
    found = seen(inputs=400)
    assert found.counts["M_o"].sum() == found.counts["M_u"].sum() == 400
    assert found.counts["M_o"][1] > 0 == found.counts["M_u"][1]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([SPACE.unrelated(family, 100, generator) for family in SPACE.families])
    thirds = np.digitize(drawn.flatten(1).mean(1).numpy(), [1 / 3, 2 / 3])
    assert found.counts["M_o"].tolist() == np.bincount(thirds, minlength=3).tolist()


def test_the_plane_holds_its_corners_where_it_says_and_the_model_s_own_answers():
    found = seen(side=81)
    steps = np.linspace(*REACH, 81)
    zero, one = np.abs(steps).argmin(), np.abs(steps - 1).argmin()
    model = ByBrightness()
    own = model(torch.from_numpy(found.corners)).argmax(1).tolist()
    plane = found.answers["M_o"]
    assert [plane[zero, zero], plane[zero, one], plane[one, zero]] == own and own[0] == 1
    a, b, c = torch.from_numpy(found.corners)
    middle = (a + 0.5 * (b - a) + 0.5 * (c - a)).clamp(0, 1)
    half = np.abs(steps - 0.5).argmin()
    assert plane[half, half] == int(model(middle[None]).argmax())
    assert (found.answers["M_u"] != 1).all()


def test_no_point_of_the_plane_leaves_the_box():
    asked = []

    class Listening(ByBrightness):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            asked.append((float(x.min()), float(x.max())))
            return super().forward(x)

    landscape({"M_o": Listening()}, SPACE, (1,), generator=torch.Generator().manual_seed(0), inputs=400, side=21)
    assert len(asked) >= 2 and min(low for low, _ in asked) >= 0 and max(high for _, high in asked) <= 1


def test_a_class_that_no_image_reaches_has_a_corner_that_comes_nearest():
    models = {"M_o": ByBrightness(gone=1), "M_u": ByBrightness(gone=1)}
    found = landscape(models, SPACE, (1,), generator=torch.Generator().manual_seed(0), inputs=40, side=5)
    assert found.corners.shape == (3, 1, 8, 8) and found.counts["M_o"][1] == 0


def test_the_picture_gives_the_forgotten_class_a_colour_of_its_own_and_a_bar_as_high_as_its_count():
    found = seen(inputs=400, side=21)
    figure = reach_landscape(found.images, found.corners, found.answers, found.counts, ["dark", "grey", "bright"], (1,))
    above, below = figure.axes[1:3], figure.axes[4:6]
    assert [ax.get_title() for ax in above] == ["M_o", "M_u"]
    for ax, counts in zip(below, found.counts.values(), strict=True):
        assert [bar.get_height() for bar in ax.patches] == counts.tolist()
    colours = {bar.get_facecolor() for bar in below[0].patches}
    assert len(colours) == 3
    assert below[0].patches[1].get_facecolor()[:3] == tuple(figure.legends[0].get_patches()[0].get_facecolor()[:3])
