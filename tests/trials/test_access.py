"""What the threat model grants: access objects, what an attacker knows, and the black box."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import SMALL_SETTINGS, rng, same_evidence, small_trials

from labelleak_lib.attacks.head_readings import HeadBias
from labelleak_lib.models.access import BlackBox, WhiteBox, WhiteBoxWithSamples
from labelleak_lib.space import InputSpace
from labelleak_lib.trials import grants
from labelleak_lib.trials.cells import evidence_on
from labelleak_lib.trials.grants import gather, known_retained, unrelated_images
from labelleak_lib.trials.originals import original_model
from labelleak_lib.trials.specification import TrialSpec


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("trials")) as path:
        yield path


def spec_of(toy, **change):
    return TrialSpec.from_parameters(**{"dataset": toy, "device": "cpu", "forgotten": (1,), **change})


@settings(max_examples=30, deadline=None)
@given(forgotten=st.sets(st.integers(0, 3), min_size=1, max_size=3), seed=st.integers(0, 50))
def test_an_attacker_knows_half_of_the_retained_classes_and_at_least_one(toy, forgotten, seed):
    spec = spec_of(toy, forgotten=tuple(forgotten), seed=seed)
    known = known_retained(spec)
    assert known and not known & forgotten
    assert len(known) == max(1, (4 - len(forgotten)) // 2)
    assert known == known_retained(spec)


def test_what_an_attacker_knows_is_drawn_anew_by_the_attack_seed(toy):
    assert len({known_retained(spec_of(toy, seed=seed)) for seed in range(20)}) > 1


def test_each_access_holds_what_the_threat_model_grants_and_no_more(toy):
    spec = spec_of(toy, forgotten=(1, 2))
    model = original_model(spec)
    black = grants.grant(spec, model, "black_box", "attacker")
    assert type(black) is BlackBox and not any(value is model for value in vars(black).values())
    white = grants.grant(spec, model, "white_box", "attacker")
    assert type(white) is WhiteBox and set(vars(white)) == {"model"}
    paper, attacker = (grants.grant(spec, model, "white_box_with_samples", p) for p in ("paper", "attacker"))
    assert type(paper) is type(attacker) is WhiteBoxWithSamples
    assert paper.known_forgotten == {1, 2} and paper.known_retained == {0, 3}
    assert attacker.known_forgotten == frozenset() and attacker.known_retained == known_retained(spec)
    pool = spec.part("pool").images
    assert torch.equal(attacker.pool.images, pool)
    train_images = {image.numpy().tobytes() for image in spec.part("train").images}
    assert not any(image.numpy().tobytes() in train_images for image in pool), "never a training sample"


def test_an_unknown_kind_of_access_is_refused(toy):
    with pytest.raises(ValueError, match="access_kind is 'grey_box'; it must be black_box, labels_only, white_box or "):
        grants.grant(spec_of(toy), original_model(spec_of(toy)), "grey_box", "paper")


def test_unrelated_images_are_bytes_of_the_models_shape_drawn_by_the_attack_seed(toy):
    spec = spec_of(toy)
    found = unrelated_images(spec, 12)
    assert found.shape == (12, 1, 8, 8) and found.dtype == torch.uint8 and found.max() > 150
    assert torch.equal(found, unrelated_images(spec, 12))
    assert not torch.equal(found, unrelated_images(spec_of(toy, seed=1), 12))


def test_evidence_is_gathered_once_for_each_protocol_that_makes_a_difference(toy):
    spec = spec_of(toy)
    model, attacks = original_model(spec), SMALL_SETTINGS.attacks
    lines = evidence_on(spec, model, "m", attacks)
    expected = []
    for name, attack in attacks.items():
        expected += [(name, p) for p in (("paper", "attacker") if attack.per_protocol else ("",))]
    assert [(line["attack"], line["protocol"]) for line in lines] == expected
    for line in lines:
        name, protocol, evidence = line["attack"], line["protocol"], line["found"]
        assert evidence.attack == name and line["seconds"] >= 0 and line["model"] == "m"
        assert line["staged"] == ("1" if protocol else ""), "what the attacker is told depends on the forgotten classes"
        again, seconds = gather(spec, model, name, attacks[name], protocol)
        assert same_evidence(evidence, again) and seconds >= 0
        assert evidence.protocol == (protocol or "attacker")


def test_evidence_that_is_known_is_not_gathered_again(toy):
    spec = spec_of(toy)
    model, attacks = original_model(spec), SMALL_SETTINGS.attacks
    whole = [line["evidence"] for line in evidence_on(spec, model, "m", attacks)]
    assert len(set(whole)) == len(whole)
    assert [line["evidence"] for line in evidence_on(spec, model, "m", attacks, whole[1:4])] == [whole[0], *whole[4:]]
    assert evidence_on(spec, model, "m", attacks, whole) == []
    assert not {line["evidence"] for line in evidence_on(spec, model, "another model", attacks)} & set(whole)


def test_one_attack_draws_the_same_whichever_others_run(toy):
    spec, attacks = spec_of(toy), SMALL_SETTINGS.attacks
    model = original_model(spec)
    whole = {line["attack"]: line["found"] for line in evidence_on(spec, model, "m", attacks)}
    alone = {"head_bias": HeadBias(), "random_inputs": attacks["random_inputs"]}
    found = {line["attack"]: line["found"] for line in evidence_on(spec, model, "m", alone)}
    assert set(found) == set(alone)
    assert same_evidence(found["random_inputs"], whole["random_inputs"])


SHAPE = (1, 3, 4)


def answers(images, classes=4):
    """Answer like a linear model of the pixels; a plain function, with no model anywhere near."""
    d = int(np.prod(images.shape[1:]))
    weight = torch.linspace(-1, 1, classes * d).mul(37).sin().view(classes, d)
    return torch.softmax(images.flatten(1) @ weight.T * 3, dim=1)


def test_a_black_box_refuses_images_that_are_none():
    box = BlackBox(answers, 4, SHAPE)
    for images, word in (
        (torch.rand(2, 1, 4, 3), "shape"),
        (torch.rand(3, 4), "shape"),
        (torch.full((1, *SHAPE), 1.5), r"within \[0\.0, 1\.0\]"),
        (torch.full((1, *SHAPE), -0.1), r"within \[0\.0, 1\.0\]"),
        (torch.full((1, *SHAPE), torch.nan), r"within \[0\.0, 1\.0\]"),
    ):
        with pytest.raises(ValueError, match=f"images is .*{word}"):
            box.query(images)
    assert box.queries == 0, "a refused query is not counted"


@pytest.mark.parametrize(
    ("options", "word"), [({"classes": 1}, "classes"), ({"budget": 0}, "budget"), ({"budget": 1.5}, "budget")]
)
def test_a_black_box_checks_its_own_parameters(options, word):
    with pytest.raises(ValueError, match=f"^{word} is "):
        BlackBox(answers, **{"classes": 4, "shape": SHAPE, **options})


def test_labels_only_are_the_most_probable_class():
    images = torch.rand((20, *SHAPE), generator=rng())
    labels = BlackBox(answers, 4, SHAPE, labels_only=True).query(images)
    assert torch.equal(labels.argmax(1), answers(images).argmax(1))
    assert torch.equal(labels.sum(1), torch.ones(20)) and set(labels.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda x: answers(x)[:, :3],
            r"shape of the black box's answers is \(5, 3\); it must be \(5, 4\) for 5 images",
        ),
        (lambda x: answers(x)[:1], r"\(1, 4\); it must be \(5, 4\)"),
        (lambda x: answers(x).log(), "probabilities, at least 0 with the sum 1; logits need a softmax first"),
        (lambda x: answers(x) * 2, "with sums from 2 to 2"),
        (lambda x: answers(x) * torch.nan, "not finite"),
    ],
)
def test_answers_that_are_no_probabilities_are_refused(answer, words):
    with pytest.raises(ValueError, match=words):
        BlackBox(answer, 4, SHAPE).query(torch.rand((5, *SHAPE), generator=rng()))


def test_labels_alone_may_be_those_of_logits():
    images = torch.rand((20, *SHAPE), generator=rng())
    labels = BlackBox(lambda x: answers(x).log(), 4, SHAPE, labels_only=True).query(images)
    assert torch.equal(labels.argmax(1), answers(images).argmax(1))
    with pytest.raises(ValueError, match=r"\(20, 3\)"):
        BlackBox(lambda x: answers(x)[:, :3], 4, SHAPE, labels_only=True).query(images)


def test_probabilities_of_half_precision_pass():
    images = torch.rand((20, *SHAPE), generator=rng())
    assert BlackBox(lambda x: answers(x).half().float(), 4, SHAPE).query(images).shape == (20, 4)


def test_a_black_box_lives_in_any_space():
    space = InputSpace.vectors(3, -2.0, (1.0, 2.0, 3.0))
    box = BlackBox(lambda x: torch.softmax(x, dim=1), 3, space)
    assert box.space is space and box.query(torch.tensor([[-2.0, 2.0, 3.0]])).shape == (1, 3)
    with pytest.raises(ValueError, match=r"images is .*; it must be within \[-2\.0, \(1\.0, 2\.0, 3\.0\)\]"):
        box.query(torch.tensor([[1.5, 0.0, 0.0]]))
