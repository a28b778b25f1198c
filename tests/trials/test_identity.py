"""Identities of models and evidence: what changes them, and what does not."""

import dataclasses
import functools
import importlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from toys import SMALL_SETTINGS, small_trials

from labelleak_lib.attacks.head_readings import HeadBias
from labelleak_lib.attacks.random_inputs import RandomInputs
from labelleak_lib.defences import defended
from labelleak_lib.defences.mean_row import MeanRow
from labelleak_lib.registry import ATTACKS, METHODS
from labelleak_lib.trials.cells import as_json, run_cell
from labelleak_lib.trials.grid import wanted
from labelleak_lib.trials.identity import content_hash, describe
from labelleak_lib.trials.settings import settings
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning.finetune import FineTune
from labelleak_lib.unlearning.retrain import Retrain


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("identity")) as path:
        yield path


@pytest.fixture(scope="module")
def spec(toy):
    return TrialSpec.from_parameters(dataset=toy, device="cpu", forgotten=(1,))


def spec_of(toy, **change):
    return TrialSpec.from_parameters(**{"dataset": toy, "device": "cpu", "forgotten": (1,), **change})


def bumped(thing):
    """Yield (path, copy) with one hyperparameter changed, for every hyperparameter, nested ones included."""
    for field in dataclasses.fields(thing):
        value = getattr(thing, field.name)
        if dataclasses.is_dataclass(value):
            for name, inner in bumped(value):
                yield f"{field.name}.{name}", dataclasses.replace(thing, **{field.name: inner})
        elif isinstance(value, str):
            other = {"one_cycle": "constant", "adam": "sgd", "default": "zero"}[value]
            yield field.name, dataclasses.replace(thing, **{field.name: other})
        else:
            other = value + 1 if isinstance(value, int) else value * 0.9
            yield field.name, dataclasses.replace(thing, **{field.name: other})


def with_settings(spec, **change):
    return dataclasses.replace(spec, given=dataclasses.replace(SMALL_SETTINGS, **change))


def identities(spec, code="FT"):
    """Return the identities of M_o, of M_u, and of all evidence on both."""
    cell = wanted(spec, code, spec.method(code))
    return cell.original, cell.model, cell.on_original | cell.on_model


def evidence_ids(spec, model="m"):
    return {
        name: spec.evidence_id(model, attack, name, "attacker" if attack.per_protocol else "")
        for name, attack in spec.settings.attacks.items()
    }


def test_every_hyperparameter_changes_the_identity_of_what_it_decides_and_of_nothing_else(spec):
    original, model, evidence = identities(spec)
    assert (original, model, evidence) == identities(spec)
    originals, models, found = {original}, {model}, set(evidence_ids(spec).values())
    count = 0
    for _, recipe in bumped(SMALL_SETTINGS.recipe):
        before, after, on_both = identities(with_settings(spec, recipe=recipe))
        assert before not in originals and after not in models and not on_both & evidence
        originals, models, count = originals | {before}, models | {after}, count + 1
    for _, method in bumped(SMALL_SETTINGS.methods["FT"]):
        before, after, _ = identities(with_settings(spec, methods={**SMALL_SETTINGS.methods, "FT": method}))
        assert before == original and after not in models
        models, count = models | {after}, count + 1
    for name, attack in SMALL_SETTINGS.attacks.items():
        for _, other in bumped(attack):
            changed = with_settings(spec, attacks={**SMALL_SETTINGS.attacks, name: other})
            own = evidence_ids(changed)
            assert identities(changed)[:2] == (original, model) and own[name] not in found
            assert {**own, name: ""} == {**evidence_ids(spec), name: ""}, "other attacks' evidence stays"
            found, count = found | {own[name]}, count + 1
    assert count > 30


def test_methods_seeds_classes_and_data_are_in_the_identity(spec, toy):
    changes = [{"seed": 1}, {"trial": 2}, {"forgotten": (2,)}, {"forgotten": (1, 2)}, {"split_seed": 1}]
    changes += [{"train_seed": 3}, {"unlearn_seed": 3}]
    models = [identities(spec, code)[1] for code in METHODS]
    models += [identities(spec_of(toy, **change))[1] for change in changes]
    assert len(set(models)) == len(models)
    assert identities(spec)[:2] == identities(spec_of(toy, attack_seed=3))[:2]
    assert not identities(spec)[2] & identities(spec_of(toy, attack_seed=3))[2]
    base = identities(spec)[0]
    same = [identities(spec_of(toy, **c))[0] == base for c in ({"forgotten": (2,)}, {"unlearn_seed": 3}, {"seed": 1})]
    assert same == [True, True, False], "the original model depends on its own seed alone"
    assert base != identities(spec, "AU")[0] == identities(spec_of(toy, forgotten=(2,)), "AU")[0], "a recipe of its own"


def test_evidence_knows_the_model_the_name_and_the_protocol(spec):
    attack = SMALL_SETTINGS.attacks["dot_product"]
    asked = [("m", "a", "paper"), ("m", "a", "attacker"), ("m", "b", "paper"), ("n", "a", "paper"), ("m", "a", "")]
    assert len({spec.evidence_id(model, attack, name, protocol) for model, name, protocol in asked}) == len(asked)


def test_forgotten_classes_enter_where_they_decide_what_the_attacker_is_told(spec, toy):
    told, other = evidence_ids(spec), evidence_ids(spec_of(toy, forgotten=(2,)))
    for name, attack in SMALL_SETTINGS.attacks.items():
        assert (told[name] != other[name]) == attack.per_protocol


def test_an_architecture_is_in_the_identity(spec):
    assert identities(dataclasses.replace(spec, architecture="small")) == identities(spec)
    assert identities(dataclasses.replace(spec, architecture="lenet"))[0] != identities(spec)[0]


def test_a_profile_changes_the_identity_of_what_it_changes_alone():
    quick, paper = (
        TrialSpec.from_parameters(profile=profile, device="cpu", given=settings(profile, "small"))
        for profile in ("quick", "paper")
    )
    assert quick.settings.recipe == paper.settings.recipe and quick.settings.methods == paper.settings.methods
    assert identities(quick)[:2] == identities(paper)[:2]
    same = {n: evidence_ids(quick)[n] == evidence_ids(paper)[n] for n in quick.settings.attacks}
    assert same == {n: quick.settings.attacks[n] == paper.settings.attacks[n] for n in quick.settings.attacks}
    assert len(set(same.values())) == 2


def test_identities_know_neither_device_nor_folder(spec, toy, tmp_path):
    other = TrialSpec.from_parameters(dataset=toy, device="auto", forgotten=(1,), data_dir=str(tmp_path))
    assert other != spec and all(identities(other, code) == identities(spec, code) for code in METHODS)


def test_identities_are_the_same_in_every_process(tmp_path):
    script = (
        "import functools, json, sys\n"
        "from labelleak_lib.trials.grid import Grid\n"
        "from labelleak_lib.trials.identity import content_hash, describe\n"
        "def plain(original, retain, forget, *, generator, kinds={'x', 'y', 'z'}):\n"
        "    return original if 'seen' in {'one', 'two', 'three'} else None\n"
        "def outer(kinds):\n"
        "    return lambda original, *rest, generator: kinds\n"
        "cells = Grid(device='cpu').cells()\n"
        "own = [plain, functools.partial(plain, kinds={'u', 'v', 'w'}), outer(frozenset({'r', 's', 't'}))]\n"
        "print(json.dumps([[[c.original, c.model, sorted(c.on_original), sorted(c.on_model)] for c in cells],\n"
        "                  [content_hash(describe(f)) for f in own]]))\n"
    )
    (tmp_path / "script.py").write_text(script)
    found = []
    for seed in ("1", "2"):  # of Python's hashes, on which the order of a set depends
        ran = subprocess.run(
            [sys.executable, tmp_path / "script.py"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(ran.stdout))
    assert found[0] == found[1]
    assert len(found[0][0]) == 5 and len(set(found[0][1])) == 3


FILE = '''
"""A module of a reader's own."""

import dataclasses  # what is imported is seen where it is used
from neighbour import STEP

HALF = 2


def halve(value):
    """Help."""
    return value / HALF + 0


@dataclasses.dataclass(frozen=True)
class Own:
    """A method, or an attack."""

    scale: float = 1.0

    def unlearn(self, original, retain, forget, *, generator):
        """Return nothing of use."""
        # a comment
        return halve(self.scale) * STEP


def plain(original, retain, forget, *, generator):
    """Return nothing of use."""
    return halve(3)
'''
EDITS = {
    "body": ("halve(self.scale) * STEP", "halve(self.scale) + STEP"),
    "helper": ("HALF + 0", "HALF + 1"),
    "constant": ("HALF = 2", "HALF = 3"),
    "default": ("scale: float = 1.0", "scale: float = 2.0"),
}
COSMETICS = {
    "comment": ("# a comment", "# another one\n\n"),
    "class docstring": ("A method, or an attack.", "Something else."),
    "docstring": ("Return nothing of use.", "Return something of use."),
    "helper's docstring": ('    """Help."""\n', ""),
    "import": (
        "import dataclasses  # what is imported is seen where it is used\n",
        "import dataclasses\nimport math\n",
    ),
}


def from_file(folder, text, neighbour="STEP = 1\n"):
    """Import `text` as a module of its own folder, as a reader's script does; return its class and its function."""
    folder.mkdir(exist_ok=True)
    (folder / "neighbour.py").write_text(neighbour)
    (folder / "own_module.py").write_text(text)
    sys.path.insert(0, str(folder))
    try:
        for name in ("neighbour", "own_module"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
        module = importlib.import_module("own_module")
        found = describe(module.Own()), describe(module.plain)
    finally:
        sys.dont_write_bytecode = before
        sys.path.remove(str(folder))
        for name in ("neighbour", "own_module"):
            sys.modules.pop(name, None)
    return tuple(content_hash(one) for one in found)


def from_notebook(text):
    """Run `text` as a notebook's cells do."""
    space = {"__name__": "__main__"}
    exec(text.replace("from neighbour import STEP", "STEP = 1"), space)
    return tuple(content_hash(describe(one)) for one in (space["Own"](), space["plain"]))


@pytest.mark.parametrize("edit", EDITS)
def test_edited_code_is_another_identity(edit, tmp_path):
    edited = FILE.replace(*EDITS[edit])
    assert edited != FILE
    for once, again in (
        (from_file(tmp_path, FILE), from_file(tmp_path, edited)),
        (from_notebook(FILE), from_notebook(edited)),
    ):
        assert once[0] != again[0]
        assert (once[1] != again[1]) == (edit in ("helper", "constant")), "a function knows what it reads, and no more"


@pytest.mark.parametrize("edit", COSMETICS)
def test_comments_docstrings_and_imports_are_no_other_identity(edit, tmp_path):
    edited = FILE.replace(*COSMETICS[edit])
    assert edited != FILE
    assert from_file(tmp_path, FILE) == from_file(tmp_path, edited)
    assert from_notebook(FILE) == from_notebook(edited)


def test_the_code_that_a_module_imports_from_its_own_folder_counts(tmp_path):
    assert from_file(tmp_path, FILE)[0] != from_file(tmp_path, FILE, "STEP = 2\n")[0]


def test_what_a_notebooks_class_holds_and_inherits_counts():
    text = (
        "import dataclasses\n"
        "class Base:\n    def size(self): return 1\n"
        "@dataclasses.dataclass(frozen=True)\nclass Own(Base):\n    kind = 'a'\n"
        "    @property\n    def double(self): return 2\n"
        "    @staticmethod\n    def still(): return 3\n"
        "    def unlearn(self, original, retain, forget, *, generator): return self.kind\n"
        "def plain(): return 0\n"
    )
    edits = [("return 1", "return 4"), ("'a'", "'b'"), ("return 2", "return 4"), ("return 3", "return 4")]
    found = {from_notebook(text)[0], *(from_notebook(text.replace(*edit))[0] for edit in edits)}
    assert len(found) == 5


def test_hyperparameters_that_are_functions_count_by_their_code():
    @dataclasses.dataclass(frozen=True)
    class Own:
        loss: object

        def unlearn(self, original, retain, forget, *, generator):
            return original

    found = [content_hash(describe(Own(loss))) for loss in (lambda x: x, lambda x: -x, lambda x: x)]
    assert found[0] != found[1] and found[0] == found[2]


def test_a_description_names_the_class_and_every_hyperparameter():
    found = describe(FineTune(epochs=4))
    assert found["class"] == "FineTune" and found["epochs"] == 4
    assert set(found) == {"class", "code", *(field.name for field in dataclasses.fields(FineTune))}
    heads = SMALL_SETTINGS.attacks["difference"]
    assert describe(heads)["recipe"] == dataclasses.asdict(heads.recipe)


def test_a_description_is_json(spec):
    for thing in (*spec.settings.methods.values(), *spec.settings.attacks.values(), spec.settings.recipe):
        assert json.loads(json.dumps(describe(thing))) == describe(thing)


def test_every_registered_class_is_told_from_the_others():
    digests = [content_hash(describe(thing)) for thing in map(default_of, [*METHODS, *ATTACKS])]
    assert len(set(digests)) == len(digests)
    assert all(describe(thing)["code"] for thing in map(default_of, [*METHODS, *ATTACKS]))


def default_of(name):
    found = SMALL_SETTINGS.methods.get(name) or SMALL_SETTINGS.attacks.get(name)
    return found if found is not None else (METHODS if name in set(METHODS) else ATTACKS)[name]()


def test_the_identity_of_a_given_method_does_not_change_with_the_attacks(spec):
    few, more = ({"random_inputs": RandomInputs(inputs=n)} for n in (5, 6))
    method = FineTune(epochs=1, batch_size=12)
    cells = [run_cell(spec, "FT", method=method, attacks=attacks) for attacks in (few, more)]
    assert [line["model"] for line in cells[0].models] == [line["model"] for line in cells[1].models]
    assert not {line["evidence"] for line in cells[0].evidence} & {line["evidence"] for line in cells[1].evidence}


def test_the_identity_of_a_given_function_is_the_same_at_another_address(spec):
    def make():
        def unchanged(original, retain, forget, *, generator):
            return original

        return unchanged

    kept = [make(), make()]  # the same function at two addresses, as two processes have it
    cells = [run_cell(spec, "MINE", method=f, attacks={"head_bias": HeadBias()}) for f in kept]
    assert [line["model"] for line in cells[0].models] == [line["model"] for line in cells[1].models]
    assert cells[0].evidence[0]["evidence"] == cells[1].evidence[0]["evidence"]


class Stateful:
    """A callable that is neither function nor dataclass."""

    def __init__(self, by):
        self.by = by

    def __call__(self, original, retain, forget, *, generator):
        return original if self.by else None


@pytest.mark.parametrize(
    "way", ["default", "captured", "bound", "positional", "a function bound", "attribute", "method", "tensor"]
)
def test_the_identity_of_a_given_function_changes_with_the_values_it_uses(spec, way):
    def plain(original, retain, forget, *, generator, by=None):
        return original if by else None

    def make(by):
        def default(original, retain, forget, *, generator, by=by):
            return original if by else None

        def captured(original, retain, forget, *, generator):
            return original if by else None

        large = torch.zeros(5000).index_fill(0, torch.tensor([2500]), by)
        return {
            "default": default, "captured": captured, "bound": functools.partial(plain, by=by),
            "positional": functools.partial(plain, by), "attribute": Stateful(by), "method": Stateful(by).__call__,
            "a function bound": functools.partial(plain, by=(lambda x: x) if by == 1 else (lambda x: -x)),
            "tensor": functools.partial(plain, by=large),
        }[way]  # fmt: skip

    assert spec.unlearned_id("MINE", make(1)) == spec.unlearned_id("MINE", make(1))
    assert spec.unlearned_id("MINE", make(1)) != spec.unlearned_id("MINE", make(2))


def test_the_identity_of_a_given_function_changes_with_its_body(spec):
    def first(original, retain, forget, *, generator):
        return original

    def second(original, retain, forget, *, generator):
        return original.train()

    second.__qualname__ = first.__qualname__
    assert spec.unlearned_id("MINE", first) != spec.unlearned_id("MINE", second)


def test_a_defended_method_is_described_by_the_code_of_both_its_parts():
    described = describe(defended(Retrain(), "mean_row"))
    assert described["method"] == describe(Retrain()) and described["defence"] == describe(MeanRow())
    assert described != describe(defended(FineTune(), "mean_row"))


def test_a_hyperparameter_that_would_hide_the_code_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Odd:
        code: str = "RT"

    with pytest.raises(ValueError, match="hyperparameter's name is 'code'; it must be another"):
        describe(Odd())


class Opaque:
    """An object whose repr says nothing of what it holds."""

    def __init__(self, value):
        self.value = value

    def call(self):
        """Return what it holds."""
        return self.value


class Slotted:
    """The same without a dictionary."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def layer(value):
    made = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(made.weight, value)
    torch.nn.init.zeros_(made.bias)
    return made


HELD = {
    "object": Opaque, "slots": Slotted, "bound method": lambda value: Opaque(value).call, "network": layer,
    "torch generator": lambda value: torch.Generator().manual_seed(value), "numpy generator": np.random.default_rng,
    "partial": lambda value: functools.partial(layer, value), "keys of two kinds": lambda value: {1: value, "a": 0},
    "keys that are tuples": lambda value: {(1, 2): value}, "object in a list": lambda value: [Opaque(value)],
    "device": lambda value: torch.device("cpu", value), "type": lambda value: (torch.float16, torch.float32)[value - 1],
    "path": lambda value: pathlib.Path(str(value)), "set": lambda value: {value, 7}, "number": np.int64,
}  # fmt: skip


@pytest.mark.parametrize("kind", HELD)
def test_whatever_a_method_holds_is_in_its_identity(kind, spec):
    @dataclasses.dataclass(frozen=True)
    class Holder:
        held: object

        def unlearn(self, original, retain, forget, *, generator):
            return original

    def plain(original, retain, forget, *, held, generator):
        return original

    for make in (lambda value: Holder(HELD[kind](value)), lambda v: functools.partial(plain, held=HELD[kind](v))):
        first, again, other = (spec.unlearned_id("MINE", make(value)) for value in (1, 1, 2))
        assert first == again != other
        json.loads(as_json(make(1)))


def test_a_device_among_a_method_s_fields_is_stored_with_the_cell(spec):
    @dataclasses.dataclass(frozen=True)
    class OnDevice:
        device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))

        def unlearn(self, original, retain, forget, *, generator):
            return original.to(self.device)

    cell = run_cell(spec, "MINE", method=OnDevice(), attacks={"head_bias": HeadBias()})
    assert json.loads(cell.models[1]["method"])["device"] == "device(type='cpu')"
    assert len(cell.rows)
