"""What every registered architecture, unlearning method, attack and criterion must do, and whoever adds another one.

A class that is new here is tested with its defaults; `SMALL` only makes the known ones quick.
"""

import copy
import dataclasses
import functools

import numpy as np
import pytest
import torch
from toys import RECIPE, blobs, grant, rng, same_evidence, same_state, snapshot, trained, watched

from labelleak_lib.attacks.heads import HeadRecipe
from labelleak_lib.criteria.heads import HeadCriterion
from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier, ModelSpec
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.names import row_name
from labelleak_lib.registry import ARCHITECTURES, ATTACKS, CRITERIA, LAST, METHODS
from labelleak_lib.space import InputSpace
from labelleak_lib.trials.judging import decide
from labelleak_lib.trials.schema import arrays_of, evidence_from, pack, unpack
from labelleak_lib.trials.settings import PROFILES, settings
from labelleak_lib.unlearning import RecordsTraining, apply_method

HEADS = HeadRecipe(heads=12, samples=5, steps=5)


SMALL = {
    "RT": {"recipe": dataclasses.replace(RECIPE, epochs=2)},
    "FT": {"epochs": 1, "batch_size": 12},
    "RL": {"epochs": 1, "batch_size": 12},
    "AU": {"epochs": 1, "batch_size": 12},
    "NG": {"max_steps": 6, "margin": 0.5},
    "UNSIR": {"noise": 12, "noise_steps": 4},
    "FF": {"samples": 12},
    "dot_product": {"recipe": HEADS},
    "difference": {"recipe": HEADS},
    "whitebox_inversion": {"steps": 3, "starts": 2},
    "blackbox_inversion": {"population": 6, "generations": 3, "elites": 1},
    "gradient_reach": {"steps": 5, "starts": 2},
    "random_inputs": {"inputs": 12},
    "random_noise": {"inputs": 12},
    "random_photos": {"inputs": 12},
}


KINDS = ("black_box", "labels_only", "white_box", "white_box_with_samples")


FORGOTTEN = (1,)


def small(registry, name):
    """Build the registered class with hyperparameters that answer in a moment."""
    return registry[name](**SMALL.get(name, {}))


def protocols(attack):
    """Return what an attack under each protocol knows to be forgotten."""
    return [(), FORGOTTEN] if attack.per_protocol else [()]


@functools.cache
def parts(classes=4, channels=1):
    return split_classes(blobs(classes, channels=channels), FORGOTTEN)


@functools.cache
def original(name, classes=4, channels=1):
    """Return M_o of a method, trained under its observation where it asks for that."""
    method = small(METHODS, name)
    if not isinstance(method, RecordsTraining):
        return trained(classes, channels)
    fresh = classifier.build(trained(classes, channels).spec, seed=0)
    return watched(method, fresh, *parts(classes, channels), RECIPE, generator=rng())


@functools.cache
def unlearned(name, classes=4, channels=1, seed=0):
    retain, forget = parts(classes, channels)
    return apply_method(small(METHODS, name), original(name, classes, channels), retain, forget, generator=rng(seed))


def find(attack, model, forgotten=(), seed=0):
    return attack.evidence(grant(attack.access_kind, model, forgotten=forgotten), generator=rng(seed))


@functools.cache
def found_on(model, name, forgotten):
    """Return what the quick attack finds on a model: several tests read it, and most methods share their M_o."""
    return find(small(ATTACKS, name), model, forgotten)


def toy_evidence(name, classes):
    """Return evidence that criterion `name` can read, by the first attack that offers it."""
    listed = [n for n in ATTACKS if name in ATTACKS[n].criteria] or ["random_inputs"]
    return found_on(trained(classes), listed[0], FORGOTTEN if ATTACKS[listed[0]].per_protocol else ())


def places(registry):
    """Return the orders of a registry's classes as it lists them."""
    return [getattr(registry[name], "order", LAST) for name in registry]


@pytest.mark.parametrize("registry", [ARCHITECTURES, METHODS, ATTACKS], ids=lambda r: r.kind)
def test_every_class_states_what_tables_call_it_and_where_it_stands(registry):
    for name in registry:
        stated = vars(registry[name])
        assert isinstance(stated["title"], str) and stated["title"], name
        assert isinstance(stated["order"], int) and stated["order"] < LAST, name
    assert places(registry) == sorted(set(places(registry))), "no two stand at one place"


def test_every_criterion_states_what_tables_call_it():
    for name in CRITERIA:
        assert isinstance(vars(CRITERIA[name])["title"], str), name


@pytest.mark.parametrize("registry", [ARCHITECTURES, METHODS, ATTACKS, CRITERIA], ids=lambda r: r.kind)
def test_no_two_classes_have_one_title(registry):
    titles = [registry.title(name) for name in registry]
    assert all(registry.title(name) == registry[name].title for name in registry)
    named = [title for title in titles if title or registry is not CRITERIA]
    assert len(set(named)) == len(named) and "" not in named


def test_rows_of_one_attack_are_told_apart_by_the_titles_of_its_criteria():
    for attack in ATTACKS:
        rows = [row_name(attack, criterion) for criterion in ATTACKS[attack].criteria if CRITERIA[criterion].title]
        assert len(set(rows)) == len(rows)


KEYS = {*ARCHITECTURES, *(f"{profile} {name}" for profile in PROFILES for name in ARCHITECTURES)}


@pytest.mark.parametrize(("registry", "name"), [(r, n) for r in (METHODS, ATTACKS) for n in r], ids=str)
def test_presets_are_for_known_profiles_and_architectures_and_build_valid_objects(registry, name):
    presets = getattr(registry[name], "presets", {})
    assert set(presets) <= KEYS
    assert "presets" not in {field.name for field in dataclasses.fields(registry[name])}
    for values in presets.values():
        built = registry[name](**values)
        assert {field: getattr(built, field) for field in values} == values


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_settings_are_the_defaults_changed_by_the_presets(profile, architecture):
    built = settings(profile, architecture)
    assert built.recipe == ARCHITECTURES[architecture].recipes[profile]
    for registry, objects in ((METHODS, built.methods), (ATTACKS, built.attacks)):
        assert list(objects) == list(registry)
        for name, thing in objects.items():
            presets = getattr(registry[name], "presets", {})
            expected = {} if registry is ATTACKS else {"recipe": built.recipe}
            expected |= presets.get(architecture, {}) | presets.get(f"{profile} {architecture}", {})
            default = registry[name]()
            for field in dataclasses.fields(thing):
                assert getattr(thing, field.name) == expected.get(field.name, getattr(default, field.name))


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_an_architecture_states_its_side_and_a_recipe_for_every_profile(name):
    architecture = ARCHITECTURES[name]
    assert architecture.name == name and type(architecture.side) is int and architecture.side > 0
    assert set(architecture.recipes) == set(PROFILES)
    assert all(isinstance(recipe, Recipe) for recipe in architecture.recipes.values())
    assert architecture.fits(1, architecture.side) is (name in {"small", "lenet", "resnet18"}), "others are asked for"


@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.parametrize("channels", [1, 3])
def test_an_architecture_draws_its_weights_from_the_global_generator_and_gives_finite_features(name, channels):
    drawn = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            features, width = ARCHITECTURES[name].build(channels)
        drawn.append(snapshot(features))
    assert same_state(drawn[0], drawn[1]) and not same_state(drawn[0], drawn[2])
    images = torch.rand((3, channels, ARCHITECTURES[name].side, ARCHITECTURES[name].side), generator=rng())
    with torch.no_grad():
        found = features.eval()(images)
    assert found.shape == (3, width) and torch.isfinite(found).all()
    assert found.min() >= 0, "the theory has non-negative features"
    built = classifier.build(ModelSpec(name, 5, channels), seed=0)
    assert built.head.in_features == width and built.head.out_features == 5


@pytest.mark.parametrize("name", list(METHODS))
@pytest.mark.parametrize(("classes", "channels"), [(3, 1), (4, 3), (12, 1)])
def test_a_method_returns_another_model_of_the_same_form_and_changes_nothing_given(name, classes, channels):
    retain, forget = parts(classes, channels)
    given = original(name, classes, channels)
    before = snapshot(given)
    updates = {n: u.clone() for n, u in getattr(given, "updates", {}).items()}
    images = [s.images.clone() for s in (retain, forget)], [s.labels.clone() for s in (retain, forget)]
    found = apply_method(small(METHODS, name), given, retain, forget, generator=rng())
    assert same_state(before, given.state_dict()) and not given.training
    assert all(torch.equal(updates[n], u) for n, u in getattr(given, "updates", {}).items())
    assert all(torch.equal(a, s.images) for a, s in zip(images[0], (retain, forget), strict=True))
    assert all(torch.equal(a, s.labels) for a, s in zip(images[1], (retain, forget), strict=True))
    assert isinstance(found, Classifier) and found is not given and found.spec == given.spec
    assert not found.training and all(torch.isfinite(v).all() for v in found.state_dict().values())
    assert not same_state(before, found.state_dict()), "something was unlearned"
    own = {p.data_ptr() for p in given.parameters()}
    assert not own & {p.data_ptr() for p in found.parameters()}, "the two models share no memory"
    with torch.no_grad():
        assert found(torch.rand((2, *found.spec.shape), generator=rng())).shape == (2, classes)


@pytest.mark.parametrize("name", list(METHODS))
def test_a_seed_decides_what_a_method_returns(name):
    retain, forget = parts()
    for _ in range(2):  # the global generators have no say
        torch.manual_seed(torch.seed())
        again = apply_method(small(METHODS, name), original(name), retain, forget, generator=rng(0))
        assert same_state(unlearned(name).state_dict(), again.state_dict())
    generator, untouched = rng(1), rng(1).get_state()
    other = apply_method(small(METHODS, name), original(name), retain, forget, generator=generator)
    drew = not torch.equal(generator.get_state(), untouched)
    assert same_state(unlearned(name).state_dict(), other.state_dict()) != drew, "unless it draws nothing"


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_forgets_several_classes_at_once(name):
    forgotten = (0, 2)
    retain, forget = split_classes(blobs(), forgotten)
    method, given = small(METHODS, name), trained()
    if isinstance(method, RecordsTraining):
        given = watched(method, classifier.build(given.spec, seed=0), retain, forget, RECIPE, generator=rng())
    found = apply_method(method, given, retain, forget, generator=rng())
    assert not same_state(found.state_dict(), given.state_dict())


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attack_says_what_it_needs(name):
    attack = ATTACKS[name]
    assert attack.access_kind in KINDS and isinstance(attack.per_protocol, bool)
    assert attack.criteria and all(c in list(CRITERIA) for c in attack.criteria)
    hyperparameters = {field.name for field in dataclasses.fields(attack)}
    assert not hyperparameters & {"access_kind", "per_protocol", "criteria", "name"}


@pytest.mark.parametrize("classes", [3, 5, 12])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", list(ATTACKS))
def test_evidence_has_its_shapes_for_any_number_of_classes_and_channels(name, classes, channels):
    attack, model = small(ATTACKS, name), trained(classes, channels)
    for forgotten in protocols(attack):
        found = found_on(model, name, forgotten)
        assert found.attack == name and found.classes == classes
        assert found.score.shape == (classes,) and found.score.dtype == np.float64
        assert np.isfinite(found.score).all()
        if found.heads is not None:
            m = len(found.heads.source)
            assert found.heads.label.shape == found.heads.absolute_sum.shape == (m,)
            assert found.heads.value.shape == (m,) and found.heads.value.dtype == np.float64
            assert set(found.heads.source) <= {-1, *range(classes)} and set(found.heads.label) <= {-1, 0, 1}
            if not forgotten:
                assert set(found.heads.label[found.heads.source >= 2]) <= {-1}, "only what is known is labelled"
        if found.ipv is not None:
            assert found.ipv.shape == (classes, classes)
            np.testing.assert_allclose(found.ipv.sum(1), 1, atol=1e-5)
        if found.inverted is not None:
            assert found.inverted.shape == (classes, *model.spec.shape)
        if found.history is not None:
            assert found.history.shape[1] == classes
        assert found.protocol == ("paper" if forgotten else "attacker")


@pytest.mark.parametrize("name", list(ATTACKS))
def test_a_seed_decides_the_evidence_and_nothing_given_changes(name):
    attack, model = small(ATTACKS, name), unlearned("FT")
    before = snapshot(model)
    for forgotten in protocols(attack):
        first = find(attack, model, forgotten, seed=4)
        torch.manual_seed(torch.seed())
        np.random.seed(None)  # noqa: NPY002 (the point is that the global generator has no say)
        assert same_evidence(first, find(attack, model, forgotten, seed=4))
        if first.heads is not None or first.inverted is not None or first.probe is not None or name == "random":
            assert not same_evidence(first, find(attack, model, forgotten, seed=5))
    assert same_state(before, model.state_dict()) and not model.training
    assert all(p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("name", list(ATTACKS))
def test_an_attack_uses_no_gradient_of_the_models_own_parameters(name):
    attack, model = small(ATTACKS, name), copy.deepcopy(trained())
    model.zero_grad(set_to_none=True)
    find(attack, model)
    assert all(p.grad is None for p in model.parameters())


class Sealed:
    """A black box around a plain function: whatever else is asked for is an error."""

    classes, shape, labels_only, budget = 4, (1, 8, 8), False, None
    space = InputSpace(shape)

    def __init__(self):
        self.queries = 0

    def query(self, images):
        assert images.min() >= 0 and images.max() <= 1 and images.shape[1:] == self.shape
        self.queries += len(images)
        return torch.softmax(images.flatten(1)[:, ::16] * torch.tensor([1.0, 2.0, 3.0, 4.0]), dim=1)


@pytest.mark.parametrize("name", [name for name in ATTACKS if ATTACKS[name].access_kind == "black_box"])
def test_black_box_attacks_need_a_query_function_and_no_model(name):
    box = Sealed()
    found = small(ATTACKS, name).evidence(box, generator=rng())
    assert found.queries == box.queries
    assert np.isfinite(found.score).all()


@pytest.mark.parametrize("name", [name for name in ATTACKS if ATTACKS[name].access_kind != "white_box_with_samples"])
def test_attacks_without_samples_get_by_without_any_data(name):
    access = grant(ATTACKS[name].access_kind, trained())
    held = [v for v in vars(access).values() if isinstance(v, Samples)]
    assert not held and not hasattr(access, "pool")
    small(ATTACKS, name).evidence(access, generator=rng())


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("name", list(ATTACKS))
def test_every_criterion_of_every_attack_decides_on_every_methods_model(name, method):
    attack = small(ATTACKS, name)
    for model in (unlearned(method), original(method)):  # the target, and the placebo
        for forgotten in protocols(attack):
            found = found_on(model, name, forgotten)
            for criterion in attack.criteria:
                decided = CRITERIA[criterion]().decide(found)
                assert isinstance(decided, frozenset) and decided <= set(range(4))
                assert all(type(c) is int for c in decided), "classes are plain integers"


@pytest.mark.parametrize("name", list(CRITERIA))
@pytest.mark.parametrize("classes", [3, 7, 12])
def test_a_criterion_decides_and_scores_for_any_number_of_classes(name, classes):
    criterion, evidence = CRITERIA[name](), toy_evidence(name, classes)
    kept = copy.deepcopy(evidence)
    assert criterion.decide(evidence) == criterion.decide(evidence) <= set(range(classes))
    score = criterion.score(evidence)
    assert score.shape == (classes,) and np.array_equal(score, criterion.score(evidence))
    assert same_evidence(kept, evidence), "reading evidence does not change it"
    if isinstance(criterion, HeadCriterion):
        labels = criterion.label_heads(evidence)
        m = len(evidence.heads.source)
        assert labels.degree.shape == labels.called.shape == labels.judged.shape == (m,)
        assert labels.called.dtype == labels.judged.dtype == bool
        assert not (labels.judged & (evidence.heads.source < 0)).any(), "heads on unrelated data are not judged"


@pytest.mark.parametrize("name", list(CRITERIA))
def test_every_criterion_is_offered_by_an_attack(name):
    assert CRITERIA[name].everywhere or any(name in ATTACKS[attack].criteria for attack in ATTACKS)


def stored_and_read(found):
    """Return evidence as it comes back from a store."""
    protocol = found.protocol if ATTACKS[found.attack].per_protocol else ""
    facts = {"attack": found.attack, "protocol": protocol, "flags": "; ".join(found.flags)}
    facts |= {"queries": found.queries, "gradients": found.gradients}
    return evidence_from([facts | {"kind": kind, **pack(array)} for kind, array in arrays_of(found).items()])


@pytest.mark.parametrize("classes", [4, 12])
@pytest.mark.parametrize("name", list(ATTACKS))
def test_evidence_survives_the_store_and_every_criterion_decides_the_same_on_it(name, classes):
    attack, model = small(ATTACKS, name), trained(classes)
    for forgotten in protocols(attack):
        found = dataclasses.replace(found_on(model, name, forgotten), flags=("odd", "zero gradient"))
        read = stored_and_read(found)
        for array in arrays_of(found).values():
            assert np.array_equal(unpack({"kind": "", **pack(array)}), array, equal_nan=True), "packed bit by bit"
        for field in ("attack", "classes", "protocol", "queries", "gradients", "flags"):
            assert getattr(read, field) == getattr(found, field)
        if found.ipv is None:
            np.testing.assert_array_equal(read.score, found.score)
        else:  # kept as logarithms
            np.testing.assert_allclose(read.ipv, found.ipv, rtol=1e-13, atol=1e-299)
            np.testing.assert_allclose(read.score, found.score, rtol=1e-13)
        for field in ("history", "probe", "heads", "inverted"):
            assert (getattr(read, field) is None) == (getattr(found, field) is None)
        for field in ("history", "probe"):
            assert getattr(found, field) is None or np.array_equal(getattr(read, field), getattr(found, field))
        if found.heads is not None:
            for part in ("source", "label", "value", "absolute_sum"):
                kept, before = getattr(read.heads, part), getattr(found.heads, part)
                assert kept.dtype == before.dtype and np.array_equal(kept, before, equal_nan=True)
        if found.inverted is not None:
            assert np.array_equal(read.inverted.numpy(), found.inverted.double().numpy())
        for criterion in (CRITERIA[c]() for c in CRITERIA):
            if criterion.can_read(found):
                assert criterion.can_read(read)
                before, after = decide(criterion, found), decide(criterion, read)
                assert after.named == before.named
                np.testing.assert_allclose(after.degree, before.degree, rtol=1e-9, atol=1e-12)
                if before.heads is not None:
                    for part in ("degree", "called", "judged"):
                        first, second = getattr(before.heads, part), getattr(after.heads, part)
                        np.testing.assert_array_equal(second, first)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_a_criterion_reads_what_the_attacks_that_list_it_find_and_refuses_what_it_cannot_read(name):
    attack, found = small(ATTACKS, name), found_on(trained(), name, ())
    for criterion in (CRITERIA[c]() for c in CRITERIA):
        assert criterion.can_read(found) or criterion.name not in attack.criteria
        if not criterion.can_read(found):
            with pytest.raises(ValueError, match=f"^evidence is of '{name}'; criterion '{criterion.name}' needs "):
                criterion.decide(found)
