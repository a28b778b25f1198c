"""Registries, hyperparameters and settings: what is found by name, printed, compared and checked."""

import copy
import dataclasses
from typing import ClassVar

import pytest
import torch
from toys import blobs, grant, rng, trained

import labelleak_lib.names
import labelleak_lib.trials.settings
from labelleak_lib.criteria.base import Criterion
from labelleak_lib.data.samples import split_classes
from labelleak_lib.evidence import Evidence
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.names import attack_title, row_name
from labelleak_lib.registry import ARCHITECTURES, ATTACKS, CRITERIA, LAST, METHODS, Registry
from labelleak_lib.unlearning import apply_method

REGISTERED = [(registry, name) for registry in (METHODS, ATTACKS, CRITERIA) for name in registry]


@pytest.mark.parametrize(("registry", "name"), REGISTERED, ids=lambda x: x if isinstance(x, str) else "")
def test_every_class_is_a_frozen_dataclass_that_knows_its_name(registry, name):
    thing = registry[name]()
    assert dataclasses.is_dataclass(thing) and thing.name == name == type(thing).name
    assert thing == registry[name]() and hash(thing) == hash(registry[name]())
    for field in dataclasses.fields(thing):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, field.name, 1)
    assert registry[name]() == registry[name](), "every hyperparameter has a default"


def described(thing):
    """Return the dataclasses that `thing` is made of, itself included."""
    inner = [getattr(thing, field.name) for field in dataclasses.fields(thing)]
    return [thing, *(part for value in inner if dataclasses.is_dataclass(value) for part in described(value))]


@pytest.mark.parametrize(("registry", "name"), REGISTERED, ids=lambda x: x if isinstance(x, str) else "")
def test_a_repr_builds_an_equal_object(registry, name):
    thing = registry[name]()
    scope = {type(part).__name__: type(part) for part in described(thing)}
    assert eval(repr(thing), {"__builtins__": {}}, scope) == thing


FIELDS = [
    (part, field.name)
    for part in dict.fromkeys(part for registry, name in REGISTERED for part in described(registry[name]()))
    for field in dataclasses.fields(part)
]


@pytest.mark.parametrize(("thing", "field"), FIELDS, ids=lambda x: x if isinstance(x, str) else type(x).__name__)
def test_every_hyperparameter_is_checked_when_constructed(thing, field):
    value = getattr(thing, field)
    bad = {int: [-1, 0.5, True, "1", None], float: [-1, float("nan"), float("inf"), "1", None], str: ["no", 1, None]}
    bad |= {tuple: [("no",), (), None, "no"], type(None): ["1", float("nan")]}
    for wrong in bad.get(type(value), []):
        with pytest.raises(ValueError, match=rf"^{field} is .*; it must be ") as caught:
            dataclasses.replace(thing, **{field: wrong})
        assert repr(wrong) in str(caught.value)
    assert type(value) in bad or dataclasses.is_dataclass(value), "a kind of hyperparameter that nothing here checks"


@pytest.mark.parametrize(
    ("registry", "kind"),
    [(ARCHITECTURES, "architecture"), (METHODS, "unlearning method"), (ATTACKS, "attack"), (CRITERIA, "criterion")],
)
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(registry, kind):
    with pytest.raises(ValueError, match=f"^unknown {kind} 'nobody'; known: ") as caught:
        registry["nobody"]
    assert str(caught.value).split("known: ", 1)[1].endswith(", ".join(registry))


def test_the_papers_methods_attacks_and_criteria_are_found_by_name():
    assert set(METHODS) >= {"RT", "FT", "RL", "AU", "NG"}
    assert set(ATTACKS) >= {"dot_product", "difference", "whitebox_inversion", "blackbox_inversion"}
    rows = labelleak_lib.names.PAPER_ROWS
    assert len(rows) == 7 and all(criterion in ATTACKS[attack].criteria for attack, criterion in rows)
    assert {criterion for _, criterion in rows} <= set(CRITERIA)


@pytest.fixture
def unspoilt():
    """Forget what a test registers."""
    registries = (ARCHITECTURES, METHODS, ATTACKS, CRITERIA)
    [list(registry) for registry in registries]
    kept = [dict(registry._classes) for registry in registries]
    yield
    for registry, classes in zip(registries, kept, strict=True):
        registry._classes.clear()
        registry._classes.update(classes)


def test_a_method_registered_elsewhere_is_found_and_works(unspoilt):
    @METHODS.register("BIAS")
    @dataclasses.dataclass(frozen=True)
    class LowerBias:
        by: float = 100.0

        def unlearn(self, original, retain, forget, *, generator):
            model = copy.deepcopy(original)
            with torch.no_grad():
                model.head.bias[forget.labels.unique()] -= self.by
            return model

    assert "BIAS" in list(METHODS) and METHODS["BIAS"]().name == "BIAS"
    retain, forget = split_classes(blobs(), (1,))
    found = apply_method(METHODS["BIAS"](), trained(), retain, forget, generator=rng())
    evidence = ATTACKS["head_bias"]().evidence(grant("white_box", found), generator=rng())
    assert CRITERIA["two_means"]().decide(evidence) == {1}


def test_an_attack_and_a_criterion_registered_elsewhere_are_found_and_work(unspoilt):
    @ATTACKS.register("grey_image")
    @dataclasses.dataclass(frozen=True)
    class GreyImage:
        access_kind: ClassVar[str] = "black_box"
        per_protocol: ClassVar[bool] = False
        criteria: ClassVar[tuple[str, ...]] = ("least",)

        def evidence(self, access, *, generator):
            answer = access.query(torch.full((1, *access.shape), 0.5))
            return Evidence(self.name, access.classes, -answer[0].double().numpy(), queries=1)

    @CRITERIA.register("least")
    @dataclasses.dataclass(frozen=True)
    class Least(Criterion):
        def decide(self, evidence):
            return frozenset({int(evidence.score.argmax())})

    evidence = ATTACKS["grey_image"]().evidence(grant("black_box", trained()), generator=rng())
    assert CRITERIA["least"]().decide(evidence) == {int(evidence.score.argmax())}
    assert isinstance(Least(), Criterion) and "least" in list(CRITERIA)


def test_a_name_is_taken_once(unspoilt):
    with pytest.raises(ValueError, match="unlearning method 'FT' is registered already, as FineTune"):

        @METHODS.register("FT")
        class Impostor:
            pass

    assert METHODS["FT"].__name__ == "FineTune"


def test_a_namesake_of_another_module_is_no_second_edition(unspoilt):
    namesake = type("FineTune", (), {"__module__": "elsewhere", "__qualname__": "FineTune"})
    with pytest.raises(ValueError, match="registered already"):
        METHODS.register("FT")(namesake)


def test_classes_stand_by_their_order_then_by_name_and_without_one_at_the_end():
    own = Registry("thing")
    for name, order in (("z", 1), ("b", None), ("y", 0), ("a", None), ("x", 1)):
        own.register(name)(type(name, (), {} if order is None else {"order": order}))
    assert list(own) == ["y", "x", "z", "a", "b"]
    own.register("c")(type("c", (), {"order": LAST - 1}))
    assert list(own) == ["y", "x", "z", "c", "a", "b"]


def test_the_papers_come_first_in_the_papers_order():
    assert list(METHODS)[:5] == ["RT", "FT", "RL", "AU", "NG"]
    assert list(ATTACKS)[:4] == ["dot_product", "difference", "whitebox_inversion", "blackbox_inversion"]
    assert list(ARCHITECTURES)[:3] == ["small", "lenet", "resnet18"]


def test_a_title_is_the_class_s_own_and_otherwise_its_name(unspoilt):
    assert METHODS.title("RT") == "retrain" and ATTACKS.title("random") == "coin"
    assert CRITERIA.title("two_means") == ""
    METHODS.register("PLAIN")(type("Plain", (), {}))
    assert METHODS.title("PLAIN") == "PLAIN"
    assert ATTACKS.title("an attack of another version") == "an attack of another version"


def test_a_row_is_named_by_the_titles_of_its_attack_and_criterion(unspoilt):
    assert all(attack_title(name) == ATTACKS[name].title for name in ATTACKS)
    assert all(CRITERIA.title(name) == CRITERIA[name].title for name in CRITERIA)
    ATTACKS.register("late")(type("Late", (), {"title": "late attack"}))
    CRITERIA.register("late rule")(type("LateRule", (), {"title": "rule"}))
    assert row_name("late", "late rule") == "late attack, rule"
    assert row_name("late", "two_means") == "late attack"


def test_registries_are_apart():
    own = Registry("thing")
    own.register("x")(type("X", (), {}))
    assert list(own) == ["x"] and "x" not in list(METHODS)


@pytest.mark.parametrize("profile", labelleak_lib.trials.settings.PROFILES)
@pytest.mark.parametrize("architecture", ["small", "lenet", "resnet18"])
def test_every_profile_has_every_method_and_attack_of_the_paper(profile, architecture):
    found = labelleak_lib.trials.settings.settings(profile, architecture)
    assert set(found.methods) >= {"RT", "FT", "RL", "AU", "NG"}
    assert all(isinstance(method, METHODS[code]) for code, method in found.methods.items())
    assert {attack for attack, _ in labelleak_lib.names.PAPER_ROWS} <= set(found.attacks)
    assert all(isinstance(attack, ATTACKS[name]) for name, attack in found.attacks.items())
    assert isinstance(found.recipe, Recipe) and found.methods["RT"].recipe == found.recipe
    if profile == "paper":
        assert found.attacks["dot_product"].recipe.heads == 200


@pytest.mark.parametrize(("values", "word"), [(("fast", "small"), "profile"), (("quick", "vgg"), "architecture")])
def test_settings_of_an_unknown_profile_or_architecture_are_refused(values, word):
    with pytest.raises(ValueError, match=f"^{word} is '.*'; it must be one of "):
        labelleak_lib.trials.settings.settings(*values)
