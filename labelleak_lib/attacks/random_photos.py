"""Ask the black box about crops of photographs."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.registry import ATTACKS


@ATTACKS.register("random_photos")
@dataclass(frozen=True)
class RandomPhotos(RandomInputs):
    """As `RandomInputs`, with random crops of the two photographs that scikit-learn carries."""

    title: ClassVar[str] = "photo crops"
    order: ClassVar[int] = 11

    def draw(self, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """Return float `(inputs, *shape)` in [0, 1]: square crops of 32 to 256 pixels, scaled to the input's side."""
        from sklearn.datasets import load_sample_images

        photos = [torch.from_numpy(p.copy()).permute(2, 0, 1).float() / 255 for p in load_sample_images().images]
        return torch.stack([_crop(photos[i % len(photos)], shape, generator) for i in range(self.inputs)])


def _crop(photo: Tensor, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    side = int(torch.randint(32, 257, (1,), generator=generator))
    top, left = (int(torch.randint(photo.shape[i] - side + 1, (1,), generator=generator)) for i in (1, 2))
    crop = photo[None, :, top : top + side, left : left + side]
    scaled = torch.nn.functional.interpolate(crop, shape[1:], mode="area")[0].clamp(0, 1)
    return scaled if shape[0] == 3 else scaled.mean(0, keepdim=True).expand(shape[0], -1, -1)
