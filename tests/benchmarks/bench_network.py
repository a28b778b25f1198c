"""ResNet18 on 32x32 images, beside torchvision's network run as it comes."""

import contextlib

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import resnet18

from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.half_precision import full_precision, is_fast
from labelleak_lib.models.training import parameter_groups

SHAPE, SIDE, FORWARD = (3, 32, 32), 2048, "ResNet18 forward, batch 1024"
EAGER, OURS, FULL = "torchvision, eager float32", "this library", "this library, float32 only"
CONTESTANTS = {OURS: ("ours", contextlib.nullcontext), FULL: ("peer", full_precision), EAGER: ("peer", None)}


def network(name):
    if name == EAGER:
        return resnet18(num_classes=10)
    return classifier.build(ModelSpec("resnet18", 10, 3), seed=0)


def operations():
    """Return the floating-point operations of one image's forward pass through the network as published."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        resnet18(num_classes=10).eval()(torch.rand((1, *SHAPE)))
    return counter.get_total_flops()


def enter_passes(enter, benchmark, name, subject, run, images, work, goal):
    """File images per second, and the share of operations that the machine's own matrix product reaches."""
    role, context = CONTESTANTS[name]
    with (context or contextlib.nullcontext)():
        enter(run, subject=subject, name=name, role=role, target=goal if name == EAGER else None, rounds=9)
    rate = images / benchmark.stats.stats.min
    benchmark.extra_info |= {"quality": f"{rate:.0f} images/s, {rate * work / 1e9:.0f} GFLOP/s"}


@pytest.mark.parametrize("name", CONTESTANTS)
def test_forward(enter, benchmark, name):
    model, x = network(name).eval(), torch.rand((1024, *SHAPE))

    @torch.no_grad()
    def run():
        model(x)

    # four times as fast only where bfloat16 is multiplied in hardware
    goal = 4 if is_fast(x.device) else None
    enter_passes(enter, benchmark, name, FORWARD, run, len(x), operations(), goal)


def convolutions(model, x):
    """Return the convolutions of a network, each with the input that it has."""
    calls = []
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    hooks = [layer.register_forward_hook(lambda layer, given, _: calls.append((layer, given[0]))) for layer in layers]
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    assert len(calls) == 20
    return calls


def test_convolutions_alone(enter, benchmark):
    """Compute nothing of the forward pass but its convolutions, one after the other, on the inputs that they have."""
    x = torch.rand((1024, *SHAPE))
    calls = convolutions(network(OURS).eval(), x)
    fast = is_fast(x.device)

    @torch.no_grad()
    def run():
        with torch.autocast("cpu", torch.bfloat16, enabled=fast):
            for layer, given in calls:
                layer(given)

    enter(run, subject=FORWARD, name="its convolutions alone", role="bare", rounds=9)


@pytest.mark.parametrize("batch", [128, 512])
def test_convolutions_of_a_step_alone(enter, benchmark, batch):
    """Compute nothing of training but each convolution and its two products backwards (the first layer's is one)."""
    x, steps = torch.rand((batch, *SHAPE)), 512 // batch
    calls = [(layer, given.requires_grad_(given.shape[1] > 3)) for layer, given in convolutions(network(OURS), x)]
    with torch.no_grad():
        slopes = [torch.rand_like(layer(given)) for layer, given in calls]
    fast = is_fast(x.device)

    def run():
        for _ in range(steps):
            for (layer, given), slope in zip(calls, slopes, strict=True):
                wanted = [layer.weight, *([given] if given.requires_grad else [])]
                with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                    output = layer(given)
                torch.autograd.grad(output, wanted, slope.to(output.dtype))

    subject = f"ResNet18 training, batch {batch}"
    enter(run, subject=subject, name="its convolutions alone, forwards and backwards", role="bare", rounds=9)


@pytest.mark.parametrize("batch", [128, 512])
@pytest.mark.parametrize("name", CONTESTANTS)
def test_training(enter, benchmark, name, batch):
    model, x = network(name).train(), torch.rand((batch, *SHAPE))
    labels, steps = torch.arange(batch) % 10, 512 // batch
    parameters = model.parameters() if name == EAGER else parameter_groups(model)
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9)

    def run():
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), labels).backward()
            optimizer.step()

    subject = f"ResNet18 training, batch {batch}"
    # a step's backward pass takes two products for each one of the forward pass
    enter_passes(enter, benchmark, name, subject, run, batch * steps, 3 * operations(), 2.3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_matrix_product_of_this_machine(enter, benchmark, dtype):
    a = torch.rand((SIDE, SIDE)).to(dtype)
    name = str(dtype).removeprefix("torch.")
    enter(lambda: a @ a, subject="matrix product, 2048 x 2048", name=name, role="aside", rounds=5)
    benchmark.extra_info["quality"] = f"{2 * SIDE**3 / benchmark.stats.stats.min / 1e9:.0f} GFLOP/s"
