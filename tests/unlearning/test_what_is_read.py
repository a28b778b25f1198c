"""Which of the two sets a method reads, and what batches of forgotten images may not change."""

import dataclasses

import pytest
import torch
from toys import RECIPE, blobs, rng, same_state, trained

from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import ModelSpec
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning import apply_method

FORGOTTEN = (1, 3)


RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


QUICK = {
    "SISA": {"recipe": RECIPE, "shards": 2},
    "UNSIR": {"noise": 6, "noise_steps": 2},
    "FF": {"samples": 4},
    "CSP": {"samples": 8, "patches": 40},
    "SSD": {"alpha": 0.5},
}


ADDED = [name for name in METHODS if name not in ("RT", "FT", "RL", "AU", "NG")]
FORGET_ALONE = ("DELETE", "BS", "BE", "MUMis")
RETAIN_ALONE = ("L1", "IU", "SISA")
CLASSES_OF_FORGET = ("UNSIR", "FF")


def quick(name):
    method = METHODS[name](**QUICK.get(name, {}))
    fields = {field.name for field in dataclasses.fields(method)}
    return dataclasses.replace(method, epochs=1) if "epochs" in fields else method


class Untouchable:
    """A set that fails whoever reads it, but for what it `has`."""

    def __init__(self, **has):
        self.__dict__.update(has)

    def __getattr__(self, name):
        raise AssertionError(f"{name} was read")

    def __len__(self):
        raise AssertionError("the length was read")


def unlearned(name, retain=RETAIN, forget=FORGET):
    return quick(name).unlearn(trained(), retain, forget, generator=rng()).state_dict()


@pytest.mark.parametrize("name", ADDED)
def test_a_method_reads_what_it_says(name):
    usual = unlearned(name)
    for side, alone in (("retain", FORGET_ALONE), ("forget", RETAIN_ALONE)):
        if name in alone:
            assert same_state(unlearned(name, **{side: Untouchable()}), usual)
        else:
            with pytest.raises(AssertionError, match="was read"):
                unlearned(name, **{side: Untouchable()})
    if name in CLASSES_OF_FORGET:
        assert same_state(unlearned(name, forget=Untouchable(labels=FORGET.labels)), usual)


@pytest.mark.parametrize("name", sorted({*FORGET_ALONE, "BT", "SalUn", "SCRUB", "NGP", "SFRon"}))
def test_there_is_nothing_to_forget_in_an_empty_set(name):
    empty = FORGET.where(FORGET.labels < 0)
    with pytest.raises(ValueError, match=r"(forget|samples) is 'empty'"):
        unlearned(name, forget=empty)


@pytest.fixture(scope="module")
def normalised():
    """Return a network with batch norm that has seen some images, and two sets for it."""
    images = blobs(per_class=6, side=28)
    model = classifier.build(ModelSpec("convnet28", 4, 1), seed=0)
    with torch.no_grad():
        model.train()(images.images.float() / 255)
    return model.eval(), *split_classes(images, FORGOTTEN)


@pytest.mark.parametrize("name", ADDED)
def test_networks_with_batch_norm_are_unlearned_too(name, normalised):
    original, retain, forget = normalised
    found = apply_method(quick(name), original, retain, forget, generator=rng())
    assert all(torch.isfinite(value).all() for value in found.state_dict().values())
    if name in (*FORGET_ALONE, "SSD", "FF", "IU", "CSP"):
        assert all(torch.equal(a, b) for a, b in zip(found.buffers(), original.buffers(), strict=True))


@pytest.mark.parametrize("name", ["SalUn", "SCRUB", "NGP", "SFRon"])
def test_batches_of_forgotten_images_do_not_move_running_averages(name, normalised):
    """Retained images alone do: other forgotten ones leave the first averages the same."""
    original, retain, forget = normalised
    still = dataclasses.replace(quick(name), lr=1e-30, weight_decay=0.0)
    other = Samples(255 - forget.images, forget.labels)
    first, second = (still.unlearn(original, retain, s, generator=rng()) for s in (forget, other))
    pairs = list(zip(first.buffers(), second.buffers(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs) and pairs
