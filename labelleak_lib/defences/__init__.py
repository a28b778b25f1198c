"""Defences, one file each: what a provider can do to an unlearned model so that it does not tell what it forgot.

A defence is a frozen dataclass with one verb, `defend(model, retain, forget, *, generator)`, whose result is what the
provider publishes. Where nothing was forgotten, `forget` is empty and `retain` holds all samples: what a provider does
with every model is done then too. Class attributes say more, where it is not the usual:

- `publishes`: "model" (one output a class, the usual), "other outputs" (a model with fewer or more of them), or
  "answers" (a query function, `answers.Answers`, and no model);
- `before`: the model handed over is M_o, and the method unlearns what `defend` returns;
- `unlearns`: in its source it starts from M_o and unlearns by itself;
- `retrains`: nothing of the model handed over is left, whatever the method;
- `adaptive`: names of the attacks that know the defence (`labelleak_lib.attacks.adaptive`).

Written behind a method's code ("RT+mean_row"), a defence that publishes a model is applied to what the method returns,
and the defended model stands in grids, tables and figures as one more method.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from labelleak_lib.checks import require
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.registry import DEFENCES
from labelleak_lib.unlearning import RecordsTraining, UnlearningMethod

JOINT = "+"
"""Stands between a method's code and a defence's name."""


class Defence(Protocol):
    """What a defence offers."""

    name: ClassVar[str]
    title: ClassVar[str]

    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Any:
        """Return what to publish, a `Classifier` or `answers.Answers`; `model` may be changed and returned."""
        ...


@dataclass(frozen=True)
class Defended:
    """An unlearning method whose models are defended before they are published.

    Parameters
    ----------
    method : UnlearningMethod
        Unlearns.
    defence : Defence
        Is applied to what the method returns.
    """

    method: UnlearningMethod
    defence: Defence

    def unlearn(
        self, original: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator
    ) -> Classifier:
        """Return the method's model, defended."""
        unlearned = self.method.unlearn(original, retain, forget, generator=generator).eval()
        return self.defence.defend(unlearned, retain, forget, generator=generator)


@dataclass(frozen=True)
class WatchfulDefended(Defended):
    """As `Defended`, of a method that has to watch the original training."""

    def original_recipe(self, recipe: Recipe) -> Recipe:
        """Return how M_o is trained, as the method has it."""
        assert isinstance(self.method, RecordsTraining)
        return self.method.original_recipe(recipe)

    def watch_training(
        self, model: Classifier, samples: Samples, forgotten: Tensor, recipe: Recipe, *, generator: torch.Generator
    ) -> Classifier:
        """Return the original model, trained under the method's observation."""
        assert isinstance(self.method, RecordsTraining)
        return self.method.watch_training(model, samples, forgotten, recipe, generator=generator)


def publishes(name: str) -> str:
    """Return what the defence `name` publishes: "model", "other outputs" or "answers"."""
    return str(DEFENCES.attribute(name, "publishes", "model"))


def defended(method: UnlearningMethod, name: str) -> Defended:
    """Return `method` with the registered defence `name` behind it.

    ValueError if there is none, or it publishes no model with one output a class.
    """
    defence = DEFENCES[name]()
    valid = "one that publishes a model with one output a class (the others run in labelleak_lib.trials.defended)"
    require(publishes(name) == "model", "defence", name, valid)
    kind = WatchfulDefended if isinstance(method, RecordsTraining) else Defended
    return kind(method, defence)
