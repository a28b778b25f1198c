"""bfloat16 decides what float32 decides, stays inside the convolutions, and is left out where it does not pay."""

import copy

import pytest
import torch
from torch import nn
from toys import blobs, rng

from labelleak_lib.models import classifier, half_precision
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.half_precision import HalfPrecision, full_precision
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train

RESNET = ModelSpec("resnet18", 4, 1)


@pytest.fixture
def fast(monkeypatch):
    """Use bfloat16 on this processor too."""
    monkeypatch.setattr(half_precision, "_allowed", True)
    monkeypatch.setattr(half_precision, "is_fast", lambda device: True)


def learnt(samples, epochs):
    model = classifier.build(RESNET, seed=0)
    train(model, samples, Recipe(epochs=epochs, batch_size=16, lr=0.02), generator=rng(0))
    return model


def test_a_network_trained_in_bfloat16_decides_as_it_does_in_float32(fast):
    model, unseen = learnt(blobs(per_class=12, side=32), 6), blobs(per_class=50, seed=5, side=32)
    half = classifier.predict_proba(model, unseen.images)
    with full_precision():
        full = classifier.predict_proba(model, unseen.images)
    assert not torch.equal(half, full)
    assert (half.argmax(1) == full.argmax(1)).float().mean() >= 0.99
    assert (half - full).abs().mean() < 0.01
    assert (full.argmax(1) == unseen.labels).float().mean() > 0.5, "it has learnt something"


def test_gradients_point_the_way_of_float32s(fast):
    model, found = classifier.build(RESNET, seed=0), []
    images, labels = torch.rand((32, 1, 32, 32), generator=rng(3)), torch.arange(4).repeat(8)
    for context in (full_precision, torch.enable_grad):
        twin, x = copy.deepcopy(model), images.clone().requires_grad_(True)
        with context():
            nn.functional.cross_entropy(twin(x), labels).backward()
        gradients = [p.grad for p in twin.parameters()]
        assert {g.dtype for g in gradients} == {torch.float32}
        found.append(torch.cat([g.flatten() for g in [*gradients, x.grad]]))
    assert not torch.equal(*found)
    assert torch.nn.functional.cosine_similarity(*found, dim=0) > 0.9


def test_features_and_parameters_stay_in_float32(fast):
    model = learnt(blobs(per_class=4, side=32), 1)
    assert classifier.extract_features(model, blobs(per_class=4, side=32).images).dtype == torch.float32
    assert {v.dtype for v in model.state_dict().values()} == {torch.float32, torch.int64}  # counts of batch norm


def test_slow_processors_full_precision_and_double_inputs_are_left_alone(fast, monkeypatch):
    seen = []
    layer = HalfPrecision(nn.Linear(3, 3))
    layer[0].register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    x = torch.rand(2, 3)
    assert layer(x).dtype == torch.float32
    with full_precision():
        layer(x)
    monkeypatch.setattr(half_precision, "is_fast", lambda device: False)
    layer(x)
    monkeypatch.setattr(half_precision, "is_fast", lambda device: True)
    layer.double()(x.double())
    assert seen == [torch.bfloat16, torch.float32, torch.float32, torch.float64]


def test_full_precision_ends_with_its_block_even_after_an_error(fast):
    with pytest.raises(RuntimeError), full_precision():
        assert not half_precision._allowed
        raise RuntimeError
    assert half_precision._allowed
