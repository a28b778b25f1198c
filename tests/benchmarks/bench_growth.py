"""How cost grows with the work: the slope of log time, or log memory, on log size. 1 is proportional."""

import re
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.attacks.gradient_inversion import GradientInversion
from labelleak_lib.attacks.heads import HeadRecipe, fit_heads
from labelleak_lib.models import classifier
from labelleak_lib.models.access import BlackBox, WhiteBox
from labelleak_lib.models.classifier import ModelSpec

SUBJECT = "growth of cost"
LIMIT = 1.15


def rng():
    return torch.Generator().manual_seed(0)


def lenet(classes):
    return classifier.build(ModelSpec("lenet", classes, 1), seed=0).eval()


def heads(m):
    phi, labels = torch.rand((m, 50, 84), generator=rng()), torch.zeros((m, 50), dtype=torch.long)
    return fit_heads(phi, labels, HeadRecipe().draw_start(m, 10, 84, rng()), steps=20, lr=0.1, momentum=0.9)


def gradient_classes(c):
    return GradientInversion(steps=10, starts=5).evidence(WhiteBox(lenet(c)), generator=rng())


def genetic_classes(c):
    return GeneticInversion(50, 6).evidence(BlackBox.of(lenet(c)), generator=rng())


def population(n):
    return GeneticInversion(n, 6).evidence(BlackBox.of(lenet(10)), generator=rng())


def side(pixels):
    """Search on a linear model, whose own cost is proportional to the pixels."""
    with torch.random.fork_rng():
        layer = nn.Linear(pixels**2, 10)

    def answer(images):
        with torch.no_grad():
            return torch.softmax(layer(images.flatten(1)), 1)

    return GeneticInversion(50, 12).evidence(BlackBox(answer, 10, (1, pixels, pixels)), generator=rng())


# name: function, sizes, and how much work one more unit of size is (pixels go with the square of the side)
GROWTH = {
    "auxiliary heads, 100 to 10000": (heads, (100, 1000, 10000), 1),
    "white-box inversion, 10 to 100 classes": (gradient_classes, (10, 30, 100), 1),
    "black-box inversion, 10 to 100 classes": (genetic_classes, (10, 30, 100), 1),
    "black-box inversion, population 50 to 800": (population, (50, 200, 800), 1),
    "black-box inversion, image side 16 to 128, by pixel": (side, (16, 45, 128), 2),
}


def slope(sizes, costs, power=1):
    return float(np.polyfit(np.log(sizes) * power, np.log(costs), 1)[0])


@pytest.mark.parametrize("name", GROWTH)
def test_time(enter, name):
    function, sizes, power = GROWTH[name]

    def seconds(size):
        function(size)
        runs = []
        for _ in range(3):
            begin = time.process_time()
            function(size)
            runs.append(time.process_time() - begin)
        return min(runs)

    enter(
        lambda: [seconds(size) for size in sizes], subject=SUBJECT, name=name, role="at_most", rounds=1, target=LIMIT,
        unit="as exponent", value=lambda costs: slope(sizes, costs, power),
        quality=lambda costs: " / ".join(f"{cost:.3g} s" for cost in costs),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["auxiliary heads, 100 to 10000", "black-box inversion, 10 to 100 classes"])
def test_memory(enter, name):
    """Read the largest resident size of a process of its own, less that of one that computes the smallest size."""
    function, (smallest, *sizes), _ = GROWTH[name]

    def peak(size):
        code = f"import bench_growth; bench_growth.{function.__name__}({size}); print(open('/proc/self/status').read())"
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {code}", "tests/benchmarks"]
        status = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        # not getrusage, which counts the process that started this one too
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    def more():
        least = peak(smallest)
        return [peak(size) - least for size in sizes]

    enter(
        more, subject=SUBJECT, name=f"{name}: memory", role="at_most", rounds=1, wall=True, target=LIMIT,
        unit="as exponent", value=lambda found: slope([size - smallest for size in sizes], found),
        quality=lambda found: " / ".join(f"{megabytes:.0f} MiB" for megabytes in found),
    )  # fmt: skip
