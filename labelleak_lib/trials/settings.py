"""Hyperparameters by profile and architecture, chosen on seeds from 1000 up.

`quick` answers in seconds (bundled digits) or minutes (28x28 data) and trains fewer auxiliary heads; `paper` has the
paper's 200 + 200 heads and longer searches. The values stand in the classes themselves, as `presets`.
"""

from dataclasses import dataclass, fields
from typing import Any

from labelleak_lib.attacks import Attack
from labelleak_lib.checks import require_choice
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import ARCHITECTURES, ATTACKS, METHODS
from labelleak_lib.unlearning import UnlearningMethod

PROFILES = ("quick", "paper")


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
