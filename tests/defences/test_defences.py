"""What every registered defence does: it publishes what it says it does, reproducibly, and refuses bad input."""

import copy
import dataclasses

import pytest
import torch
from toys import blobs, rng, same_state, snapshot, trained

from labelleak_lib.attacks.adaptive import ADAPTIVE
from labelleak_lib.data.samples import split_classes
from labelleak_lib.defences import defended, publishes
from labelleak_lib.defences.answers import Answers
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import ATTACKS, DEFENCES, LAST
from labelleak_lib.unlearning.retrain import Retrain

RETAIN, FORGET = split_classes(blobs(), (1,))
NOTHING = blobs().where(blobs().labels < 0)
QUICK = {"steps": 3, "ascent": 2, "repair": 2, "inputs": 40, "batch_size": 8}
NAMES = list(DEFENCES)


def small(name):
    """Return the defence with few steps; skipped where a package that it needs is missing."""
    fields = {field.name for field in dataclasses.fields(DEFENCES[name])}
    defence = DEFENCES[name](**{field: value for field, value in QUICK.items() if field in fields})
    if sentence := getattr(defence, "missing", str)():
        pytest.skip(sentence)
    return defence


def published(name, seed=0, retain=RETAIN, forget=FORGET):
    return small(name).defend(copy.deepcopy(trained()), retain, forget, generator=rng(seed))


def state(found):
    return (found.model if isinstance(found, Answers) else found).state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_a_defence_publishes_what_it_says_it_does(name):
    found, images = published(name), torch.rand((6, 1, 8, 8), generator=rng())
    if publishes(name) == "answers":
        box = found.box()
        answers = box.query(images)
        assert answers.shape == (6, 4) and answers.dtype == torch.float32 and box.queries == 6
        assert same_state(state(found), trained().state_dict()), "the model stays as it is"
        return
    assert isinstance(found, Classifier) and not found.training
    assert found.spec.classes == found.head.out_features == found(images).shape[1]
    assert (found.spec.classes != 4) == (publishes(name) == "other outputs")
    assert all(torch.isfinite(value).all() for value in state(found).values())
    assert all(parameter.grad is None for parameter in found.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_decides_what_is_published_and_global_generators_have_no_say(name):
    first = published(name)
    before = torch.get_rng_state()
    again, other = published(name), published(name, seed=1)
    assert torch.equal(before, torch.get_rng_state()), "and are left alone"
    assert same_state(state(first), state(again))
    draws = not same_state(state(first), state(other))
    assert draws == any(hasattr(small(name), field) for field in ("steps", "ascent"))


@pytest.mark.parametrize("name", NAMES)
def test_samples_stay_as_they_are_and_a_model_with_nothing_forgotten_keeps_all_its_classes(name):
    everything = blobs()
    before = [t.clone() for s in (RETAIN, FORGET, everything) for t in (s.images, s.labels)]
    found = published(name, retain=everything, forget=NOTHING)
    published(name)
    after = [t for s in (RETAIN, FORGET, everything) for t in (s.images, s.labels)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    width = (found.model if isinstance(found, Answers) else found).head.out_features
    assert width == 4 + getattr(small(name), "dummies", 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_defence_says_what_tables_call_it_and_which_attacks_know_it(name):
    cls = DEFENCES[name]
    assert isinstance(cls.title, str) and cls.title and cls.order < LAST
    assert publishes(name) in ("model", "other outputs", "answers")
    assert cls.adaptive and all(attack in [*ATTACKS, *ADAPTIVE] for attack in cls.adaptive)
    assert dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen
    assert (
        len({DEFENCES.title(other) for other in NAMES}) == len({DEFENCES[other].order for other in NAMES}) == len(NAMES)
    )


def numbers(name):
    return [field for field in dataclasses.fields(DEFENCES[name]) if field.type in ("int", "float", int, float)]


@pytest.mark.parametrize(("name", "field"), [(n, f.name) for n in NAMES for f in numbers(n)])
def test_a_hyperparameter_that_is_no_number_is_refused_in_one_sentence(name, field):
    with pytest.raises(ValueError, match=f"^{field} is 'many'; it must be (an integer|a finite number)"):
        DEFENCES[name](**{field: "many"})


def test_decoys_of_an_unknown_family_are_refused():
    with pytest.raises(ValueError, match=r"^families is \('clouds',\); it must be a tuple of blobs, "):
        DEFENCES["decoy"](families=("clouds",))


@pytest.mark.parametrize("name", [name for name in NAMES if publishes(name) != "model"])
def test_what_publishes_no_model_of_the_same_classes_cannot_stand_in_a_grid(name):
    with pytest.raises(
        ValueError, match=rf"^defence is '{name}'; it must be one that publishes a model with one output"
    ):
        defended(Retrain(), name)


def test_a_set_of_forgotten_samples_that_holds_every_class_is_refused():
    with pytest.raises(ValueError, match=r"^forget is 'samples of every class'"):
        published("matched_row", forget=blobs())


def test_defending_changes_no_weight_of_the_model_that_the_copy_was_made_of():
    before = snapshot(trained())
    for name in NAMES:
        if not getattr(DEFENCES[name](), "missing", str)():
            published(name)
    assert same_state(before, trained().state_dict())
