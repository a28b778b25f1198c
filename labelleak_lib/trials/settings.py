"""Hyperparameters by profile and architecture, chosen on seeds from 1000 up.

`quick` answers in seconds (bundled digits) or minutes (28x28 data) and trains fewer auxiliary heads; `paper` has the
paper's 200 + 200 heads and longer searches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from labelleak_lib.attacks.difference import Difference
from labelleak_lib.attacks.dot_product import DotProduct
from labelleak_lib.attacks.genetic_inversion import GeneticInversion
from labelleak_lib.attacks.gradient_inversion import GradientInversion
from labelleak_lib.attacks.heads import HeadRecipe
from labelleak_lib.checks import require_choice
from labelleak_lib.models.architectures.base import ARCHITECTURES
from labelleak_lib.models.training import Recipe
from labelleak_lib.registry import ATTACKS
from labelleak_lib.unlearning.amnesiac import Amnesiac
from labelleak_lib.unlearning.finetune import FineTune
from labelleak_lib.unlearning.negative_gradient import NegativeGradient
from labelleak_lib.unlearning.random_label import RandomLabel
from labelleak_lib.unlearning.retrain import Retrain

PROFILES = ("quick", "paper")
PAPER_METHODS = ("RT", "FT", "RL", "AU", "NG")
PAPER_ATTACKS = ("dot_product", "difference", "whitebox_inversion", "blackbox_inversion")
CONTROL_ATTACKS = (
    *("trivial", "random", "direct_probe", "head_bias", "head_row_sum"),
    *("random_inputs", "random_noise", "random_photos"),
)
PAPER_ROWS = (
    ("dot_product", "youden"),
    ("dot_product", "kmeans"),
    ("difference", "decision_tree"),
    ("whitebox_inversion", "threshold"),
    ("whitebox_inversion", "entropy"),
    ("blackbox_inversion", "threshold"),
    ("blackbox_inversion", "entropy"),
)


@dataclass(frozen=True)
class Settings:
    """What a trial does: how it trains, how it unlearns (by code), how it attacks (by name)."""

    recipe: Recipe
    methods: dict[str, Any]
    attacks: dict[str, Any]


def settings(profile: str, architecture: str) -> Settings:
    """Return the settings of `profile` ("quick" or "paper") for `architecture` ("small", "lenet" or "resnet18").

    Raises
    ------
    ValueError
        If either is unknown.
    """
    require_choice("profile", profile, PROFILES)
    require_choice("architecture", architecture, tuple(ARCHITECTURES))
    recipe, methods = _TRAINING[profile, architecture]
    heads, gradient, genetic = _ATTACKING[profile, architecture]
    attacks = {
        "dot_product": DotProduct(heads),
        "difference": Difference(heads),
        "whitebox_inversion": gradient,
        "blackbox_inversion": genetic,
        **{name: ATTACKS[name]() for name in CONTROL_ATTACKS},
    }
    return Settings(recipe, {"RT": Retrain(recipe), **methods}, attacks)


_SMALL = (
    Recipe(epochs=20, batch_size=32, lr=0.05, min_steps=400),
    {
        "FT": FineTune(epochs=20, lr=0.1, batch_size=16, min_steps=400),
        "RL": RandomLabel(epochs=10, lr=0.05, batch_size=32, min_steps=200),
        "AU": Amnesiac(epochs=5, lr=0.05, batch_size=32, train_lr=0.02, min_steps=100),
        "NG": NegativeGradient(lr=0.02, batch_size=64, keep=3.0, margin=0.04),
    },
)
_LENET = (
    Recipe(epochs=5, batch_size=128, lr=0.1, min_steps=400),
    {
        "FT": FineTune(epochs=3, lr=0.15, batch_size=128, min_steps=300),
        "RL": RandomLabel(epochs=1, lr=0.1, batch_size=128, min_steps=200),
        "AU": Amnesiac(epochs=2, lr=0.05, batch_size=128, train_lr=0.02, min_steps=300),
        "NG": NegativeGradient(lr=0.03, batch_size=256, keep=5.0, margin=0.035),
    },
)

# Subtracting AU's recorded updates leaves weights of a much larger norm. Batch normalisation hides that norm, but a
# step turns large weights less, so AU's repair has the higher rate.
_RESNET_METHODS = {
    "FT": FineTune(epochs=2, lr=0.1, batch_size=128, min_steps=300),
    "RL": RandomLabel(epochs=1, lr=0.03, batch_size=128, min_steps=150),
    "AU": Amnesiac(epochs=5, lr=0.2, batch_size=128, train_lr=0.02, min_steps=300),
    "NG": NegativeGradient(lr=0.02, batch_size=64, keep=10.0, check_every=4, margin=0.03, monitor=400),
}

_TRAINING: dict[tuple[str, str], tuple[Recipe, dict[str, Any]]] = {
    ("quick", "small"): _SMALL,
    ("quick", "lenet"): _LENET,
    ("quick", "resnet18"): (Recipe(epochs=3, batch_size=128, lr=0.05, min_steps=600), _RESNET_METHODS),
    ("paper", "small"): _SMALL,
    ("paper", "lenet"): _LENET,
    ("paper", "resnet18"): (Recipe(epochs=8, batch_size=128, lr=0.05, min_steps=800), _RESNET_METHODS),
}

_ATTACKING: dict[tuple[str, str], tuple[HeadRecipe, GradientInversion, GeneticInversion]] = {
    ("quick", "small"): (
        HeadRecipe(heads=50, samples=20),
        GradientInversion(steps=100, starts=3),
        GeneticInversion(population=50, generations=60),
    ),
    ("quick", "lenet"): (
        HeadRecipe(heads=100),
        GradientInversion(steps=150, starts=3),
        GeneticInversion(population=60, generations=100),
    ),
    ("quick", "resnet18"): (
        HeadRecipe(heads=100),
        GradientInversion(steps=100, starts=2),
        GeneticInversion(population=40, generations=50),
    ),
    ("paper", "small"): (
        HeadRecipe(heads=200, samples=20),
        GradientInversion(),
        GeneticInversion(population=60, generations=100),
    ),
    ("paper", "lenet"): (HeadRecipe(), GradientInversion(), GeneticInversion()),
    ("paper", "resnet18"): (
        HeadRecipe(),
        GradientInversion(steps=150, starts=3),
        GeneticInversion(population=60, generations=100),
    ),
}
