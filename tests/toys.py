"""Data, models and readings of them that are small enough to train in a moment."""

import contextlib
import functools

import numpy as np
import pytest
import torch
from torch import nn

from labelleak_lib.attacks.difference import Difference
from labelleak_lib.attacks.direct_probe import DirectProbe
from labelleak_lib.attacks.dot_product import DotProduct
from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.attacks.gradient_inversion import GradientInversion
from labelleak_lib.attacks.heads import HeadRecipe
from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.attacks.unread import RandomGuess, Trivial
from labelleak_lib.data.samples import Samples, join
from labelleak_lib.evidence import Evidence, HeadEvidence
from labelleak_lib.models import classifier
from labelleak_lib.models.access import BlackBox, WhiteBox, WhiteBoxWithSamples
from labelleak_lib.models.classifier import Classifier, ModelSpec
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.trials import specification
from labelleak_lib.trials.settings import Settings
from labelleak_lib.unlearning.amnesiac import Amnesiac
from labelleak_lib.unlearning.finetune import FineTune
from labelleak_lib.unlearning.negative_gradient import NegativeGradient
from labelleak_lib.unlearning.random_label import RandomLabel
from labelleak_lib.unlearning.retrain import Retrain

RECIPE = Recipe(epochs=8, batch_size=16, lr=0.05)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def blobs(classes=4, per_class=24, channels=1, seed=0, side=8):
    """Make noisy copies of one picture a class, all much alike; `seed` draws the noise alone."""
    common = torch.rand((channels, side, side), generator=rng(76))
    pictures = common + 0.1 * torch.randn((classes, channels, side, side), generator=rng(77))
    labels = torch.arange(classes).repeat(per_class)
    noise = 0.1 * torch.randn((len(labels), channels, side, side), generator=rng(seed))
    return Samples(((pictures[labels] + noise).clamp(0, 1) * 255).to(torch.uint8), labels)


def trained(classes=4, channels=1):
    """Train the small architecture on blobs, once a process; no test may change what it returns."""
    # the same model, however the numbers are given
    return _trained(classes, channels)


@functools.cache
def _trained(classes, channels):
    model = classifier.build(ModelSpec("small", classes, channels), seed=0)
    train(model, blobs(classes, channels=channels), RECIPE, generator=rng(0))
    model.zero_grad(set_to_none=True)
    return model


def linear(classes=4, shape=(1, 8, 8), seed=0, scale=1.0):
    """Build a classifier that is one linear layer on the pixels."""
    spec = ModelSpec("small", classes, shape[0])
    head = nn.Linear(int(np.prod(shape)), classes)
    with torch.no_grad():
        head.weight.copy_(scale * torch.randn(head.weight.shape, generator=rng(seed)))
        head.bias.copy_(scale * torch.randn(head.bias.shape, generator=rng(seed + 1)))
    return Classifier(spec, nn.Flatten(), head)


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same_state(first, second):
    """Say whether two state dicts hold the same bits."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def unrelated(n=60, channels=1, seed=5):
    return torch.randint(0, 256, (n, channels, 8, 8), generator=rng(seed)).to(torch.uint8)


def watched(method, model, retain, forget, recipe, *, generator):
    """Return `model` trained on both sets under the method's observation."""
    samples = join(retain, forget)
    forgotten = torch.arange(len(samples)) >= len(retain)
    return method.watch_training(model, samples, forgotten, method.original_recipe(recipe), generator=generator)


def grant(kind, model, *, forgotten=(), known=(0, 1), pool=None):
    """Return the access object of this kind around `model`; naming forgotten classes makes it `paper`."""
    if kind == "black_box":
        return BlackBox.of(model)
    if kind == "labels_only":
        return BlackBox.of(model, labels_only=True)
    if kind == "white_box":
        return WhiteBox(model)
    spec = model.spec
    pool = blobs(spec.classes, per_class=20, channels=spec.channels, seed=1) if pool is None else pool
    truth = frozenset(forgotten)
    known = frozenset(range(spec.classes)) - truth if truth else frozenset(known)
    return WhiteBoxWithSamples(model, pool, unrelated(channels=spec.channels), known, truth)


def head_evidence(source, label, value, classes, protocol="attacker"):
    """Wrap values (m,) of auxiliary heads as evidence."""
    value = np.asarray(value, float)
    heads = HeadEvidence(np.asarray(source), np.asarray(label), value, np.abs(value))
    return Evidence("dot_product", classes, np.zeros(classes), protocol, heads=heads)


def ipv_evidence(ipv):
    """Wrap inverted prediction vectors (C, C) as evidence."""
    ipv = np.asarray(ipv, float)
    return Evidence("whitebox_inversion", len(ipv), -ipv.max(1), ipv=ipv)


def same_evidence(first, second):
    """Say whether two pieces of evidence hold the same numbers."""

    def same(a, b):
        if isinstance(a, HeadEvidence):
            return all(same(getattr(a, n), getattr(b, n)) for n in ("source", "label", "value", "absolute_sum"))
        if isinstance(a, torch.Tensor):
            return torch.equal(a, b)
        return np.array_equal(a, b, equal_nan=True) if isinstance(a, np.ndarray) else a == b

    return all(same(getattr(first, name), getattr(second, name)) for name in vars(first))


SMALL_SETTINGS = Settings(
    RECIPE,
    {
        "RT": Retrain(RECIPE),
        "FT": FineTune(epochs=3, lr=0.1, batch_size=12),
        "RL": RandomLabel(epochs=2, lr=0.05, batch_size=12),
        "AU": Amnesiac(epochs=1, lr=0.05, batch_size=12),
        "NG": NegativeGradient(max_steps=10, margin=0.1),
    },
    {
        "dot_product": DotProduct(HeadRecipe(heads=10, samples=5, steps=10)),
        "difference": Difference(HeadRecipe(heads=10, samples=5, steps=10)),
        "whitebox_inversion": GradientInversion(steps=10, starts=2),
        "blackbox_inversion": GeneticInversion(population=8, generations=5, elites=2),
        "trivial": Trivial(),
        "random": RandomGuess(),
        "direct_probe": DirectProbe(),
        "random_inputs": RandomInputs(inputs=20),
    },
)


@contextlib.contextmanager
def small_trials(folder):
    """Make trials on blobs quick, with a cache of their own: yield the path of a data set of four classes."""
    samples = blobs(per_class=40)
    np.savez(folder / "toy.npz", images=samples.images[:, 0].numpy(), labels=samples.labels.numpy())
    caches = (specification.cached_dataset, specification.fingerprint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELLEAK_CACHE", str(folder / "cache"))
        patch.setattr(specification, "settings", lambda profile, architecture: SMALL_SETTINGS)
        for cache in caches:
            cache.cache_clear()
        yield str(folder / "toy.npz")
        for cache in caches:
            cache.cache_clear()
