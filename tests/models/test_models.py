"""Architectures: shapes, torchvision's and textbook forms, seeds, devices, the layout of the flat head."""

import numpy as np
import pytest
import torch
import torchvision
from scipy.special import softmax
from torch import nn
from toys import blobs, linear, rng, same_state, snapshot, trained

from labelleak_lib.data.samples import to_input
from labelleak_lib.models import classifier
from labelleak_lib.models.architectures import default_architecture, layers
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.models.devices import resolve_device
from labelleak_lib.registry import ARCHITECTURES


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [3, 12])
def test_every_architecture_maps_images_to_features_and_those_to_logits(architecture, channels, classes):
    spec = ModelSpec(architecture, classes, channels)
    model = classifier.build(spec, seed=0).eval()
    images = torch.rand((2, *spec.shape), generator=rng())
    with torch.no_grad():
        features = model.features(images)
        assert features.shape == (2, model.head.in_features)
        assert model(images).shape == (2, classes)
        assert torch.equal(model(images), model.head(features))


@pytest.mark.parametrize(("channels", "parameters"), [(1, 61_706), (3, 61_706 + 2 * 25 * 6)])
def test_lenet_has_the_textbook_number_of_parameters(channels, parameters):
    model = classifier.build(ModelSpec("lenet", 10, channels), seed=0)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_lenet_equals_the_textbook_order_of_rectifying_before_pooling():
    model = classifier.build(ModelSpec("lenet", 10, 1), seed=3).eval()
    conv1, conv2, *dense = [m for m in model.features if isinstance(m, nn.Conv2d | nn.Linear)]
    x = torch.rand((4, 1, 28, 28), generator=rng())
    with torch.no_grad():
        textbook = nn.functional.max_pool2d(conv1((x - 0.5) * 4).relu(), 2)
        textbook = nn.functional.max_pool2d(conv2(textbook).relu(), 2).flatten(1)
        for layer in dense:
            textbook = layer(textbook).relu()
        torch.testing.assert_close(model.features(x), textbook, rtol=1e-5, atol=1e-6)


def test_resnet18_is_torchvisions_network_with_its_own_stem():
    model = classifier.build(ModelSpec("resnet18", 10, 3), seed=0).eval()
    peer = torchvision.models.resnet18(weights=None, num_classes=10).eval()
    state = {name.removeprefix("features.1."): value for name, value in model.state_dict().items()}
    state = {name.replace("head.", "fc."): value for name, value in state.items()}
    peer.load_state_dict(state)
    x = torch.rand((2, 3, 32, 32), generator=rng())
    with torch.no_grad():
        torch.testing.assert_close(model(x), peer((x - 0.5) * 4), rtol=1e-4, atol=1e-5)


def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    spec = ModelSpec("small", 4, 1)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    first, again, other = (classifier.build(spec, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    assert same_state(first, again)
    assert not torch.equal(first["head.weight"], other["head.weight"])


@pytest.mark.parametrize(
    ("channels", "side", "name"),
    [(1, 8, "small"), (3, 8, "small"), (1, 28, "lenet"), (3, 28, "resnet18"), (3, 32, "resnet18"), (1, 32, "resnet18")],
)
def test_the_images_decide_the_architecture(channels, side, name):
    assert default_architecture(channels, side) == name


def test_images_that_no_architecture_fits_are_refused_with_the_known_ones(monkeypatch):
    for name in ARCHITECTURES:
        monkeypatch.setattr(ARCHITECTURES[name], "fits", staticmethod(lambda channels, side: False))
    with pytest.raises(ValueError, match=r"images of 7x7 pixels fit no architecture; known: small, lenet, resnet18"):
        default_architecture(1, 7)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (("vgg", 4, 1), "architecture"),
        (("small", 1, 1), "classes"),
        (("small", 4.0, 1), "classes"),
        (("small", 4, 0), "channels"),
        (("small", 4, 5), "channels"),
    ],
)
def test_a_bad_specification_is_refused_by_name(values, word):
    with pytest.raises(ValueError, match=rf"^{word} is .*must be"):
        ModelSpec(*values)


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="seed is -1; it must be an integer of at least 0"):
        classifier.build(ModelSpec("small", 4, 1), seed=-1)


def test_bytes_are_scaled_to_unit_floats_and_floats_pass():
    raw = torch.arange(256, dtype=torch.uint8)
    np.testing.assert_allclose(to_input(raw).numpy(), np.arange(256) / 255, rtol=1e-6)
    assert raw.dtype == torch.uint8 and raw[255] == 255
    floats = torch.rand(5, generator=rng())
    assert to_input(floats) is floats


def test_probabilities_are_the_softmax_of_the_logits_whatever_the_batch_size():
    model, images = trained(), blobs(per_class=5, seed=3).images
    with torch.no_grad():
        logits = model(images.float() / 255).double().numpy()
    for batch_size in (1, 7, 1024):
        found = classifier.predict_proba(model, images, batch_size=batch_size)
        np.testing.assert_allclose(found.numpy(), softmax(logits, axis=1), atol=1e-6)
        assert found.dtype == torch.float32


@pytest.mark.parametrize("training", [True, False])
def test_reading_a_model_in_batches_uses_running_averages_and_leaves_it_as_it_was(training):
    model = classifier.build(ModelSpec("resnet18", 4, 1), seed=0).train(training)
    before, images = snapshot(model), torch.rand((4, 1, 32, 32), generator=rng())
    whole = classifier.extract_features(model, images)
    parts = classifier.extract_features(model, images, batch_size=2)
    torch.testing.assert_close(whole, parts)
    assert model.training is training and not whole.requires_grad
    assert same_state(before, model.state_dict())


def test_the_flat_head_is_each_class_row_followed_by_its_bias():
    model = linear(classes=3)
    weight, bias = model.head.weight.detach().numpy(), model.head.bias.detach().numpy()
    expected = np.concatenate([np.append(row, b) for row, b in zip(weight, bias, strict=True)])
    flat = classifier.flat_head(model)
    np.testing.assert_array_equal(flat.numpy(), expected)
    flat.zero_()
    assert model.head.weight.abs().sum() > 0, "the flat head is a copy"


def test_the_cpu_is_always_there_and_auto_is_a_device_of_this_machine():
    assert resolve_device("cpu") == torch.device("cpu")
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_an_absent_or_unknown_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in ("cuda", "cuda:0", "tpu", "", "gpu"):
        with pytest.raises(ValueError, match=f"^device is '{device}'; it must be .*cpu"):
            resolve_device(device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="device is 'cuda:2'"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_pooling_is_torchs_own_bit_by_bit_and_so_is_its_gradient(asked, layout):
    # many equal pixels, of which torch gives the gradient to one
    x = torch.randn((5, 6, 8, 4), generator=rng(0)).mul(2).round().contiguous(memory_format=layout)
    x.requires_grad_(asked)
    ours, theirs = layers.MaxPool()(x), nn.functional.max_pool2d(x, 2)
    assert torch.equal(ours, theirs)
    assert ours.is_contiguous(memory_format=layout)
    if asked:
        weight = torch.rand(ours.shape, generator=rng(1))
        gradients = [torch.autograd.grad((y * weight).sum(), x)[0] for y in (ours, theirs)]
        assert torch.equal(*gradients)
