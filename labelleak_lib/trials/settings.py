"""Hyperparameters by profile and architecture, chosen on seeds from 1000 up.

`quick` answers in seconds (bundled digits) or minutes (28x28 data) and trains fewer auxiliary heads; `paper` has the
paper's 200 + 200 heads and longer searches. The values stand in the classes themselves, as `presets`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from labelleak_lib.attacks import Attack
from labelleak_lib.checks import require, require_choice
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import ARCHITECTURES, ATTACKS, METHODS
from labelleak_lib.unlearning import UnlearningMethod

PROFILES = ("quick", "paper")
LEAST_IN_POOL = 4
"""Images of each class that the attacker pool must hold: two for an auxiliary head, and others for the next."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What a trial does: how it trains, how it unlearns (by code), how it attacks (by name)."""

    recipe: Recipe
    methods: dict[str, UnlearningMethod]
    attacks: dict[str, Attack]


def settings(profile: str, architecture: str) -> Settings:
    """Return every registered method and attack with its presets for `profile` ("quick" or "paper") and `architecture`.

    A method's field named `recipe` receives the recipe that trains the original model.

    Raises
    ------
    ValueError
        If either is unknown.
    """
    require_choice("profile", profile, PROFILES)
    require_choice("architecture", architecture, tuple(ARCHITECTURES))
    recipe = ARCHITECTURES[architecture].recipes[profile]

    def with_presets(cls: Any, **given: Any) -> Any:
        presets = getattr(cls, "presets", {})
        return cls(**{**given, **presets.get(architecture, {}), **presets.get(f"{profile} {architecture}", {})})

    methods = {}
    for code in METHODS:
        takes_recipe = "recipe" in {field.name for field in fields(METHODS[code])}
        methods[code] = with_presets(METHODS[code], **({"recipe": recipe} if takes_recipe else {}))
    return Settings(recipe, methods, {name: with_presets(ATTACKS[name]) for name in ATTACKS})


def fitted(chosen: Settings, in_pool: int) -> Settings:
    """Return settings whose attacks take no more samples of a class than the attacker pool holds.

    Parameters
    ----------
    in_pool : int
        Images in the pool of the class that has fewest there. Heads that need more are trained on half of it each, so
        that not all of a class see the same images.
    """
    few = {
        name: replace(attack, recipe=replace(attack.recipe, samples=max(1, in_pool // 2)))  # type: ignore[type-var, attr-defined]
        for name, attack in chosen.attacks.items()
        if samples_of(attack) > in_pool
    }
    return replace(chosen, attacks=chosen.attacks | few) if few else chosen


def said_of_few(chosen: Settings, in_pool: int) -> str:
    """Say that auxiliary heads are trained on fewer samples than `chosen` says; empty where they are not."""
    if max([0, *map(samples_of, chosen.attacks.values())]) <= in_pool:
        return ""
    fewer = max(map(samples_of, fitted(chosen, in_pool).attacks.values()))
    return f"The attacker pool holds {in_pool} images of a class: auxiliary heads are trained on {fewer} samples each."


def samples_of(attack: Attack) -> int:
    """Return how many samples of one class an attack asks the pool for at once; 0 if it asks for none."""
    return int(getattr(getattr(attack, "recipe", None), "samples", 0))


def require_enough(chosen: Settings, in_pool: Sequence[int], names: Sequence[str], dataset: str) -> None:
    """Refuse, before anything is trained, a data set whose attacker pool is too small for the attacks.

    Parameters
    ----------
    in_pool : sequence of int
        Images in the pool, by class.
    names, dataset : sequence of str, str
        What classes and data set are called.

    Raises
    ------
    ValueError
        If a class has fewer than `LEAST_IN_POOL` images there, or fewer than an attack takes.
    """
    needed = max([LEAST_IN_POOL, *map(samples_of, chosen.attacks.values())])
    scarce = min(range(len(in_pool)), key=lambda c: in_pool[c])
    require(
        in_pool[scarce] >= needed, f"{dataset}: attacker pool of class {names[scarce]!r}", in_pool[scarce],
        f"at least {needed} images: a fifth of at least {5 * needed} where the pool is drawn from the data",
    )  # fmt: skip
