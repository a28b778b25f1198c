"""Images that have nothing to do with any task."""

import torch
from torch import Tensor


def smooth_noise(n: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    """Draw `n` smooth random blobs: float `(n, *shape)` in [0, 1], 4x4 to 10x10 uniform noise upsampled bilinearly."""
    sizes = [size for size in range(4, 11) if size <= shape[1]]
    parts = []
    for i, size in enumerate(sizes):
        drawn = torch.rand((len(range(i, n, len(sizes))), shape[0], size, size), generator=generator)
        parts.append(torch.nn.functional.interpolate(drawn, shape[1:], mode="bilinear", align_corners=False))
    return torch.cat(parts)
