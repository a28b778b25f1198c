"""The dense products give what torch's own convolutions give: values, gradients, and the whole of ResNet18."""

import copy

import pytest
import torch
from torch import nn

from labelleak_lib.models.classifier import ModelSpec, build
from labelleak_lib.models.tap_exact import TapExactConv2d, skip_padding_taps


@pytest.mark.parametrize("side", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_values_and_gradients_are_those_of_the_plain_convolution(side, stride):
    torch.manual_seed(0)
    plain = nn.Conv2d(5, 7, 3, stride=stride, padding=1, bias=False).double()
    holder = nn.Sequential(copy.deepcopy(plain))
    skip_padding_taps(holder)
    assert type(holder[0]) is TapExactConv2d
    inputs = [torch.randn(4, 5, side, side, dtype=torch.float64, requires_grad=True) for _ in range(1)]
    inputs.append(inputs[0].detach().clone().requires_grad_(True))
    outputs = [layer(x) for layer, x in zip((plain, holder[0]), inputs, strict=True)]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-12, atol=1e-12)
    weight = torch.randn(outputs[0].shape, dtype=torch.float64)
    for output in outputs:
        (output * weight).sum().backward()
    torch.testing.assert_close(inputs[1].grad, inputs[0].grad, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(holder[0].weight.grad, plain.weight.grad, rtol=1e-12, atol=1e-12)


def test_other_convolutions_are_left_alone():
    kinds = {
        "bias": nn.Conv2d(2, 2, 3, padding=1),
        "grouped": nn.Conv2d(2, 2, 3, padding=1, groups=2, bias=False),
        "dilated": nn.Conv2d(2, 2, 3, padding=1, dilation=2, bias=False),
        "unpadded": nn.Conv2d(2, 2, 3, bias=False),
        "reflecting": nn.Conv2d(2, 2, 3, padding=1, bias=False, padding_mode="reflect"),
        "wide": nn.Conv2d(2, 2, 5, padding=2, bias=False),
    }
    holder = nn.ModuleDict(kinds)
    skip_padding_taps(holder)
    assert all(type(module) is nn.Conv2d for module in holder.values())


def test_resnet18_is_torchvisions_network():
    from torchvision.models import resnet18

    ours = build(ModelSpec("resnet18", 10, 3), seed=0).eval()
    reference = resnet18(weights=None, num_classes=10).eval()
    state = {name.removeprefix("features.1."): value for name, value in ours.state_dict().items()}
    state = {name.replace("head.", "fc."): value for name, value in state.items()}
    reference.load_state_dict(state)
    images = torch.rand((16, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = reference((images - 0.5) * 4)
        found = ours(images)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * float(expected.abs().max().clamp_min(1)))
    assert (found.argmax(1) == expected.argmax(1)).all()


@pytest.mark.parametrize("side", [1, 2])
def test_gradients_have_their_kernels_memory_layout(side):
    layer = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False)).to(memory_format=torch.channels_last)
    skip_padding_taps(layer)
    layer(torch.rand(4, 8, side, side)).sum().backward()
    weight = layer[0].weight
    assert weight.grad.stride() == weight.stride() != weight.contiguous().stride()
