"""Convolutions that skip the taps which only ever meet padding.

On 32x32 images torchvision's ResNet18 ends in maps of 2x2 and 1x1 pixels. A padded 3x3 kernel has nine taps, but on
2x2 maps only four of them meet a pixel at each position and on 1x1 maps one; the convolution pays for all nine. Here
those layers are the equivalent dense product over the taps that meet data: the same parameters, the same state dict,
the same function.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TapExactConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 that is a dense product on inputs of 1x1 and 2x2 pixels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of float (n, channels, height, width)."""
        side = input.shape[2]
        if input.shape[3] != side or side > 2:
            return super().forward(input)
        positions = range(0, side, self.stride[0])
        # the window at (i, j) starts one pixel above and left of it, so pixel (a, b) meets tap (a - i + 1, b - j + 1)
        taps = [self.weight[:, :, 1 - i : 1 - i + side, 1 - j : 1 - j + side] for i in positions for j in positions]
        dense = taps[0] if len(taps) == 1 else torch.cat(taps)
        out = nn.functional.linear(input.flatten(1), dense.flatten(1))
        return out.view(len(input), len(taps), self.out_channels).transpose(1, 2).unflatten(2, (len(positions), -1))


def skip_padding_taps(module: nn.Module) -> None:
    """Turn every bias-free, padded 3x3 convolution inside `module` into a `TapExactConv2d`, in place."""
    for child in module.modules():
        plain = type(child) is nn.Conv2d and child.bias is None and child.groups == 1 and child.dilation == (1, 1)
        if plain and child.kernel_size == (3, 3) and child.padding == (1, 1) and child.padding_mode == "zeros":
            child.__class__ = TapExactConv2d
