"""SISA: shards that depend on the sample alone, networks that are kept, and an ensemble that is one classifier."""

import pytest
import torch
from toys import RECIPE, blobs, rng, same_state, trained

from labelleak_lib.data.samples import Samples, join, split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.training import train
from labelleak_lib.unlearning import sisa
from labelleak_lib.unlearning.sisa import Ensemble, Sisa, shard_of

SAMPLES = blobs(per_class=30)


METHOD = Sisa(shards=4, recipe=RECIPE)


def fitted(samples=SAMPLES, seed=0):
    return METHOD.fit(trained(), samples, generator=rng(seed))


def part(samples, shards):
    """Return the samples in some shards of `fitted()`, and the others."""
    place = shard_of(samples, 4, int(fitted_once().features.seed))
    inside = torch.isin(place, torch.tensor(shards))
    return samples.where(inside), samples.where(~inside)


_FITTED = []


def fitted_once():
    if not _FITTED:
        _FITTED.append(fitted())
    return _FITTED[0]


def networks(model):
    return model.features.networks(model.spec)


def test_a_samples_shard_depends_on_its_image_and_the_seed_alone():
    places = shard_of(SAMPLES, 4, 7)
    order = torch.randperm(len(SAMPLES), generator=rng(1))[:50]
    assert torch.equal(shard_of(Samples(SAMPLES.images[order], SAMPLES.labels[order]), 4, 7), places[order])
    assert not torch.equal(shard_of(SAMPLES, 4, 8), places)
    counts = torch.bincount(shard_of(blobs(per_class=500), 4, 7), minlength=4)
    assert counts.min() > 400 and counts.sum() == 2000, "about a quarter each"


def test_the_ensemble_is_one_classifier_whose_logits_are_the_mean_of_its_networks():
    model, images = fitted_once(), SAMPLES.images.float() / 255
    with torch.no_grad():
        mean = torch.stack([network(images) for network in networks(model).values()]).mean(0)
        torch.testing.assert_close(model(images), mean, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(model(images), model.head(model.features(images)))
    assert model.head.in_features == 4 * trained().head.in_features and model.head.out_features == 4
    answers = classifier.predict_proba(model, SAMPLES.images)
    assert (answers.argmax(1) == SAMPLES.labels).double().mean() > 0.9


def test_each_network_is_trained_on_its_own_shard():
    model = fitted_once()
    generator = rng(0)
    shard_seed = int(torch.randint(2**31, (1,), generator=generator))
    seeds = torch.randint(2**31, (4,), generator=generator).tolist()
    places = shard_of(SAMPLES, 4, shard_seed)
    for shard, network in networks(model).items():
        peer = classifier.build(trained().spec, seed=seeds[shard])
        train(peer, SAMPLES.where(places == shard), RECIPE, generator=rng(seeds[shard]))
        assert same_state(peer.state_dict(), network.state_dict())


@pytest.mark.parametrize("held", [[2], [0, 3], [0, 1, 2, 3]])
def test_only_the_shards_that_held_forgotten_samples_are_trained_again(held, monkeypatch):
    """The result is, bit by bit, the ensemble of which those networks alone never saw the samples."""
    inside, others = part(SAMPLES, held)
    forget, rest = inside.where(inside.labels == 1), inside.where(inside.labels != 1)
    retain, runs = join(others, rest), []
    original = fitted_once()
    learn = sisa.train
    monkeypatch.setattr(sisa, "train", lambda model, own, *a, **k: runs.append(len(own)) or learn(model, own, *a, **k))
    found = METHOD.unlearn(original, retain, forget, generator=rng(0))
    assert len(runs) == len(held) and sum(runs) == len(rest)
    scratch = fitted(retain)
    for shard, network in networks(found).items():
        kept = networks(original)[shard].state_dict()
        assert same_state(network.state_dict(), networks(scratch)[shard].state_dict() if shard in held else kept)
    if len(held) == 4:
        assert same_state(found.state_dict(), scratch.state_dict())


def test_of_another_original_the_ensemble_that_never_saw_the_class_is_trained():
    retain, forget = split_classes(SAMPLES, (1,))
    found = METHOD.unlearn(trained(), retain, forget, generator=rng(0))
    again = METHOD.unlearn(fitted_once(), retain, forget, generator=rng(0))
    assert isinstance(found.features, Ensemble)
    assert same_state(found.state_dict(), again.state_dict()), "a class lies in all shards"
    assert same_state(found.state_dict(), METHOD.fit(trained(), retain, generator=rng(0)).state_dict())
    answers = classifier.predict_proba(found, forget.images).argmax(1)
    assert not (answers == 1).any()


def test_a_shard_that_loses_all_its_samples_loses_its_network():
    inside, others = part(SAMPLES, [2])
    found = METHOD.unlearn(fitted_once(), others, inside, generator=rng(0))
    assert set(networks(found)) == {0, 1, 3} and found.head.in_features == 3 * trained().head.in_features
    with torch.no_grad():
        images = SAMPLES.images.float() / 255
        mean = torch.stack([networks(fitted_once())[s](images) for s in (0, 1, 3)]).mean(0)
        torch.testing.assert_close(found(images), mean, rtol=1e-4, atol=1e-5)


def test_there_is_no_ensemble_of_no_samples():
    with pytest.raises(ValueError, match=r"^samples is 'empty'"):
        METHOD.fit(trained(), SAMPLES.where(SAMPLES.labels < 0), generator=rng(0))
