"""A data set, an architecture, a method, a defence, an attack, a criterion, each one new file, take part in all."""

import importlib
import sys
import textwrap

import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor
from record_samples import well_formed

from labelleak_lib.figures.success import success_rates
from labelleak_lib.names import row_name
from labelleak_lib.registry import ARCHITECTURES, ATTACKS, CRITERIA, DATASETS, DEFENCES, METHODS
from labelleak_lib.results.leakage import success_frame
from labelleak_lib.trials import specification
from labelleak_lib.trials.engine import collect
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.judging import KEY
from labelleak_lib.trials.originals import unlearned_model
from labelleak_lib.trials.specification import TrialSpec

REGISTRIES = (DATASETS, ARCHITECTURES, METHODS, DEFENCES, ATTACKS, CRITERIA)
FILES = {
    "patches": '''
        """Noisy copies of one picture a class, grey, 8x8 pixels."""

        from pathlib import Path

        import numpy as np

        from labelleak_lib.data.base import NamedDataset, Source
        from labelleak_lib.registry import DATASETS


        @DATASETS.register("patches")
        class Patches(NamedDataset):
            title, order = "patches", 0.5

            def read(self, root: Path) -> Source:
                draw, labels = np.random.default_rng(0), np.arange(120) % 4
                pictures = draw.random((1, 8, 8)) + 0.1 * draw.standard_normal((4, 1, 8, 8))
                noisy = pictures[labels] + 0.1 * draw.standard_normal((120, 1, 8, 8))
                return Source("drawn", tuple("abcd"), (255 * noisy.clip(0, 1)).astype(np.uint8), labels)
    ''',
    "narrow": '''
        """One hidden layer for images of 8x8 pixels."""

        from typing import ClassVar

        from torch import nn

        from labelleak_lib.models.recipe import Recipe
        from labelleak_lib.registry import ARCHITECTURES


        @ARCHITECTURES.register("narrow")
        class Narrow:
            title: ClassVar[str] = "narrow network"
            order: ClassVar[int] = -1
            side: ClassVar[int] = 8
            recipes: ClassVar[dict[str, Recipe]] = dict.fromkeys(("quick", "paper"), Recipe(epochs=10, batch_size=16))

            @staticmethod
            def fits(channels: int, side: int) -> bool:
                return side == 8

            @staticmethod
            def build(channels: int) -> tuple[nn.Module, int]:
                return nn.Sequential(nn.Flatten(), nn.Linear(64 * channels, 24), nn.ReLU()), 24
    ''',
    "silence": '''
        """Silence the head's row of every forgotten class, in place."""

        from dataclasses import dataclass
        from typing import ClassVar

        import torch

        from labelleak_lib.registry import METHODS


        @METHODS.register("SIL")
        @dataclass(frozen=True)
        class Silence:
            bias: float = -10.0
            title: ClassVar[str] = "silence"
            order: ClassVar[int] = 900
            presets: ClassVar[dict] = {"narrow": {"bias": -20.0}}

            def unlearn(self, original, retain, forget, *, generator):
                rows = forget.labels.unique()
                with torch.no_grad():
                    original.head.weight[rows] = 0
                    original.head.bias[rows] = self.bias
                return original
    ''',
    "even_bias": '''
        """Give the forgotten classes the average bias."""

        from dataclasses import dataclass
        from typing import ClassVar

        import torch

        from labelleak_lib.registry import DEFENCES


        @DEFENCES.register("even_bias")
        @dataclass(frozen=True)
        class EvenBias:
            title: ClassVar[str] = "even bias"
            order: ClassVar[int] = -1

            def defend(self, model, retain, forget, *, generator):
                with torch.no_grad():
                    model.head.bias[forget.labels.unique()] = model.head.bias[retain.labels.unique()].mean()
                return model
    ''',
    "grey_image": '''
        """What does the black box answer to one grey image?"""

        from dataclasses import dataclass
        from typing import ClassVar

        import torch

        from labelleak_lib.evidence import Evidence
        from labelleak_lib.registry import ATTACKS


        @ATTACKS.register("grey_image")
        @dataclass(frozen=True)
        class GreyImage:
            grey: float = 0.5
            title: ClassVar[str] = "grey image"
            order: ClassVar[float] = 3.5
            access_kind: ClassVar[str] = "black_box"
            per_protocol: ClassVar[bool] = False
            criteria: ClassVar[tuple[str, ...]] = ("lowest", "two_means")

            def evidence(self, access, *, generator):
                answer = access.query(torch.full((1, *access.shape), self.grey))[0].double().clamp_min(1e-30)
                return Evidence("grey_image", access.classes, -answer.log().cpu().numpy(), queries=1)
    ''',
    "lowest": '''
        """Name the one class that stands out most."""

        from dataclasses import dataclass
        from typing import ClassVar

        from labelleak_lib.criteria.base import Criterion
        from labelleak_lib.registry import CRITERIA


        @CRITERIA.register("lowest")
        @dataclass(frozen=True)
        class Lowest(Criterion):
            title: ClassVar[str] = "lowest"
            order: ClassVar[int] = 0
            everywhere: ClassVar[bool] = False

            def decide(self, evidence):
                return frozenset({int(evidence.score.argmax())})
    ''',
}
CODES = ("SIL", "SIL+even_bias")
QUICK = ("trivial", "head_bias", "direct_probe")
"""Attacks that stand beside the new one here; the others would only take time."""


@pytest.fixture(scope="module")
def newcomers(tmp_path_factory):
    """Write a package of these files and import each; afterwards nothing is left of it."""
    folder = tmp_path_factory.mktemp("newcomer")
    package = folder / "new_parts"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, text in FILES.items():
        (package / f"{name}.py").write_text(textwrap.dedent(text).lstrip())
    kept = [dict(zip(registry, map(registry.__getitem__, registry), strict=True)) for registry in REGISTRIES]
    caches = (specification.cached_dataset, specification.fingerprint)
    # processes that another test left behind do not know where the new package lies
    get_reusable_executor().shutdown(wait=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.setenv("LABELLEAK_CACHE", str(folder / "cache"))
        for cache in caches:
            cache.cache_clear()
        for name in FILES:
            importlib.import_module(f"new_parts.{name}")
        for name in set(ATTACKS) - {"grey_image", *QUICK}:
            del ATTACKS._classes[name]
        yield
    get_reusable_executor().shutdown(wait=True)
    for cache in caches:
        cache.cache_clear()
    for registry, classes in zip(REGISTRIES, kept, strict=True):
        registry._classes.clear()
        registry._classes.update(classes)
    for name in [name for name in sys.modules if name.partition(".")[0] == "new_parts"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def grid(newcomers):
    """Two trials of the new method on the new data set, with the new defence behind it and without."""
    return Grid(dataset="patches", methods=CODES, trials=2, device="cpu")


@pytest.fixture(scope="module")
def collected(grid):
    """The grid under every attack, in this process."""
    return collect(grid, jobs=1)


@pytest.fixture
def spec(newcomers):
    return TrialSpec.from_parameters(dataset="patches", forgotten=(2,), device="cpu")


ROWS = [("grey_image", "lowest"), ("grey_image", "two_means")]


def test_newcomers_stand_in_their_registries_at_the_place_that_they_state(newcomers):
    assert list(DATASETS)[:2] == ["digits", "patches"] and next(iter(ARCHITECTURES)) == "narrow"
    assert list(METHODS)[-1] == "SIL" and next(iter(DEFENCES)) == "even_bias"
    assert list(ATTACKS)[:2] == ["grey_image", "trivial"] and next(iter(CRITERIA)) == "lowest"
    assert row_name(*ROWS[0]) == "grey image, lowest" and row_name(*ROWS[1]) == "grey image"
    assert METHODS.title("SIL") == "silence" and ARCHITECTURES.title("narrow") == "narrow network"


def test_records_hold_the_newcomers_beside_all_others(collected):
    records = collected.records
    assert set(records.dataset) == {"patches"} and set(records.data_variant) == {"drawn"}
    assert set(records.architecture) == {"narrow"}, "the first that fits the images"
    assert set(records.unlearning) == set(CODES) and set(records.attack) == set(ATTACKS)
    listed = records[records.criterion.isin([criterion for _, criterion in ROWS])]
    own = listed[(listed.attack == "grey_image") & (listed.protocol == "attacker")]
    assert sorted(set(zip(own.attack, own.criterion, strict=True))) == ROWS
    assert len(own) == 2 * 2 * 2 * 2, "methods, trials, criteria and controls"
    assert set(collected.evidence.attack) == set(ATTACKS)
    assert own.unlearned.all()


def test_the_new_attack_and_criterion_find_what_the_new_method_silenced(collected):
    listed = collected.records[collected.records.criterion.isin([criterion for _, criterion in ROWS])]
    own = listed[(listed.attack == "grey_image") & (listed.unlearning == "SIL")]
    target, placebo = own[own.control == "none"], own[own.control == "placebo"]
    assert (target.predicted == target.forgotten).all() and (target.auc == 1).all()
    assert (placebo.forget_acc_after > 0.9).all(), "the method works in place, on a copy"
    assert (placebo[placebo.criterion == "lowest"].predicted.str.len() == 1).all()


def test_the_new_defence_hides_the_bias_that_the_new_method_lowered(collected):
    records = collected.records
    target = records[(records.attack == "head_bias") & (records.control == "none")]
    target = target[target.criterion == "two_means"].set_index("unlearning")
    assert (target.auc["SIL"] == 1).all() and (target.auc["SIL+even_bias"] < 1).all()
    assert (target.predicted["SIL"] == target.forgotten["SIL"]).all()
    assert (target.predicted["SIL+even_bias"] != target.forgotten["SIL+even_bias"]).all()


def test_the_presets_of_a_new_method_and_the_recipe_of_a_new_architecture_hold(spec):
    assert spec.method("SIL").bias == spec.method("SIL+even_bias").method.bias == -20
    assert spec.settings.recipe.epochs == 10
    model, defended = (unlearned_model(spec, code) for code in CODES)
    assert model.head.in_features == 24 and model.head.bias[2].item() == -20
    assert defended.head.bias[2].item() == pytest.approx(model.head.bias[[0, 1, 3]].mean().item())


def test_newcomers_are_drawn(collected):
    frame = success_frame(collected.records, ROWS, ("attacker",))
    assert list(dict.fromkeys(zip(frame.attack, frame.criterion, strict=True))) == ROWS
    assert (frame.measured[frame.unlearning == "SIL"] == 100).all()
    figure = success_rates(frame)
    titles = [ax.get_title() for ax in well_formed(figure)]
    assert titles == ["patches: grey image, lowest", "patches: grey image"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == list(CODES)


def test_worker_processes_know_newcomers(grid, collected, monkeypatch, tmp_path):
    monkeypatch.setenv("LABELLEAK_CACHE", str(tmp_path))
    again = collect(grid, jobs=2).records
    usual = collected.records.sort_values([*KEY, "trial"]).reset_index(drop=True)
    again = again.sort_values([*KEY, "trial"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(again.drop(columns="seconds"), usual.drop(columns="seconds"))
