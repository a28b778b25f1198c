"""White-box inversion, beside MIFace of the adversarial robustness toolbox."""

import numpy as np
import pytest
import torch
from art.attacks.inference.model_inversion import MIFace
from art.estimators.classification import PyTorchClassifier
from torch import nn

from labelleak_lib.attacks.gradient_inversion import GradientInversion
from labelleak_lib.models.access import WhiteBox

CLASSES, STARTS, STEPS = 10, 5, 300
SUBJECT = "white-box inversion, LeNet"


@pytest.fixture
def reached(target, retained):
    """Return a function that counts the retained classes of which an image of ours has probability 0.99."""

    def count(images):
        with torch.no_grad():
            probability = torch.softmax(target(torch.as_tensor(images)), 1)
        best = probability.view(CLASSES, -1, CLASSES).amax(1).diagonal()[retained]
        return f"{int((best >= 0.99).sum())} of {len(retained)} classes at 0.99"

    return count


def test_ours(enter, target, retained, reached):
    attack = GradientInversion(steps=STEPS, starts=STARTS)
    found = enter(
        lambda: attack.evidence(WhiteBox(target), generator=torch.Generator().manual_seed(0)),
        subject=SUBJECT, name="this library", role="ours", quality=lambda found: reached(found.inverted),
        note=f"{CLASSES} classes, {STARTS} starts, {STEPS} steps", rounds=7,
    )  # fmt: skip
    assert (found.ipv.diagonal()[retained] >= 0.99).all()


def test_passes_alone(enter, target):
    aim = torch.arange(CLASSES).repeat_interleave(STARTS)

    def passes():
        x = torch.rand((len(aim), *target.spec.shape), requires_grad=True)
        for _ in range(STEPS):
            torch.autograd.grad(nn.functional.cross_entropy(target(x), aim, reduction="sum"), x)

    enter(passes, subject=SUBJECT, name="its passes alone", role="bare", target=1.25, rounds=7)


def test_miface(enter, target, reached):
    shape, labels = target.spec.shape, np.repeat(np.arange(CLASSES), STARTS)
    classifier = PyTorchClassifier(
        target, nn.CrossEntropyLoss(), shape, CLASSES, clip_values=(0.0, 1.0), device_type="cpu"
    )
    # A threshold of 1 keeps every image active to the end: the same number of gradients.
    attack = MIFace(
        classifier, max_iter=STEPS, window_length=STEPS, threshold=1.0, learning_rate=0.1, batch_size=len(labels),
        verbose=False,
    )  # fmt: skip
    start = np.random.default_rng(0).random((len(labels), *shape), dtype=np.float32)
    enter(
        lambda: attack.infer(start.copy(), labels), subject=SUBJECT, name="ART, MIFace", role="peer", target=5,
        rounds=2, quality=reached,
    )  # fmt: skip
