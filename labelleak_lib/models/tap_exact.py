"""Convolutions that skip the taps which only ever meet padding.

On 32x32 images torchvision's ResNet18 ends in maps of 2x2 and 1x1 pixels. A padded 3x3 kernel has nine taps, but on
2x2 maps only four of them meet a pixel at each position and on 1x1 maps one; the convolution pays for all nine. Here
those layers are the equivalent dense product over the taps that meet data: the same parameters, the same state dict,
the same function.
"""

from typing import Any

import torch
from torch import Tensor, nn

Window = tuple[slice, slice]


class _Windows(torch.autograd.Function):
    """Windows of a kernel, as one matrix of a window's output channels after the other's.

    The gradient has the kernel's own memory layout; autograd's would have another, and each step of an optimiser
    would then read and write the largest layers crosswise.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, windows: list[Window]) -> Tensor:
        ctx.windows, ctx.like = windows, torch.empty_like(weight, device="meta")
        return torch.cat([weight[:, :, rows, columns] for rows, columns in windows]).flatten(1)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        whole = torch.zeros_like(ctx.like, device=gradient.device)
        side = ctx.windows[0][0].stop - ctx.windows[0][0].start
        parts = gradient.unflatten(1, (-1, side, side)).chunk(len(ctx.windows))
        for (rows, columns), part in reversed(list(zip(ctx.windows, parts, strict=True))):
            whole[:, :, rows, columns] += part
        return whole, None


class TapExactConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 that is a dense product on inputs of 1x1 and 2x2 pixels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of float (n, channels, height, width)."""
        side = input.shape[2]
        if input.shape[3] != side or side > 2:
            return super().forward(input)
        positions = range(0, side, self.stride[0])
        # the window at (i, j) starts one pixel above and left of it, so pixel (a, b) meets tap (a - i + 1, b - j + 1)
        starts = [slice(1 - i, 1 - i + side) for i in positions]
        windows = [(rows, columns) for rows in starts for columns in starts]
        out = nn.functional.linear(input.flatten(1), _Windows.apply(self.weight, windows))
        return out.view(len(input), len(windows), self.out_channels).transpose(1, 2).unflatten(2, (len(positions), -1))


def skip_padding_taps(module: nn.Module) -> None:
    """Turn every bias-free, padded 3x3 convolution inside `module` into a `TapExactConv2d`, in place."""
    for child in module.modules():
        plain = type(child) is nn.Conv2d and child.bias is None and child.groups == 1 and child.dilation == (1, 1)
        if plain and child.kernel_size == (3, 3) and child.padding == (1, 1) and child.padding_mode == "zeros":
            child.__class__ = TapExactConv2d
