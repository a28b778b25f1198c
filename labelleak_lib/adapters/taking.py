"""Running any unlearning method, and taking over the model that it made: plain, finite, and nobody else's."""

import copy
import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import parametrize, prune
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from labelleak_lib.adapters.attended import attended
from labelleak_lib.adapters.foreign import Foreign
from labelleak_lib.adapters.returned import as_classifier, models_in, probe_outputs, require_judgeable
from labelleak_lib.adapters.surroundings import seeded
from labelleak_lib.adapters.undisturbed import undisturbed
from labelleak_lib.checks import one_line, require
from labelleak_lib.data.samples import Samples, to_input
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier, evaluation_mode
from labelleak_lib.unlearning import PlainMethod, UnlearningMethod, apply_method

FOLDED = (prune.BasePruningMethod, WeightNorm, SpectralNorm)
"""Hooks that only make a layer's weight of other parameters."""


COMPARED = 256
"""Images of each side on which a model that was taken over has to answer as what was returned."""
LONGEST = 300
"""Letters of a sentence about what was returned."""


class Refused(ValueError):
    """What a method returned is no model that attacks can read; the message says why."""


@dataclass(frozen=True)
class Taking:
    """A method's function, run with the process around it guarded, whose result is taken over.

    Parameters
    ----------
    function : callable
        A function under this library's protocol, or one that `Foreign` calls.
    original : Classifier
        M_o.
    images : Tensor
        uint8 (n, channels, side, side); some of the data, on which the model taken over has to answer as the one that
        was returned.
    name : str
        What errors call it.
    seed : int
        Of the global generators.
    foreign : bool
        Whether `Foreign` calls it, and sees to a function that returns nothing.
    """

    function: Callable[..., Any]
    original: Classifier
    images: Tensor
    name: str
    seed: int
    foreign: bool

    @property
    def __signature__(self) -> inspect.Signature:
        """The parameters of the function."""
        return inspect.signature(self.function)

    @property
    def func(self) -> Callable[..., Any]:
        """The function without arguments bound to it."""
        return getattr(self.function, "func", self.function)

    @property
    def keywords(self) -> Mapping[str, Any]:
        """Arguments that a `functools.partial` has bound."""
        return getattr(self.function, "keywords", {})

    def __call__(self, *args: Any, **kwargs: Any) -> Classifier | None:
        """Return the classifier that the function made."""
        with undisturbed(), attended(self.name), seeded(self.seed):
            try:
                returned = self.function(*args, **kwargs)
            except SystemExit as error:
                raise RuntimeError(f"it called sys.exit({error.code})") from error
        if self.foreign and returned is None:
            return None
        return taken(returned, self.original if self.foreign else args[0], self)


def unlearned_by(
    method: UnlearningMethod | PlainMethod, original: Classifier, retain: Samples, forget: Samples, *,
    generator: Generator, name: str,
) -> Classifier:  # fmt: skip
    """Return the model that a method, called `name` in errors, makes of a copy of `original`.

    It is a classifier that holds its weights as a fresh one does, in float32 on the original's device, unless the
    method left other code in it than `original` has.

    Raises
    ------
    ValueError
        In one sentence that names the method: it fails, or what it returned is no model of these classes, not finite,
        or answers otherwise than its parameters in the original's network.
    """
    images = torch.cat([forget.images[:COMPARED], retain.images[:COMPARED]])
    run = functools.partial(Taking, original=original, images=images, name=name, seed=generator.initial_seed())
    try:
        if isinstance(method, Foreign):
            guarded = replace(method, function=run(method.function, foreign=True))
            made = guarded.unlearn(original, retain, forget, generator=generator)
        else:
            own = _copied(method)
            verb = own.unlearn if isinstance(own, UnlearningMethod) else own
            made = apply_method(
                cast(PlainMethod, run(verb, foreign=False)), original, retain, forget, generator=generator
            )
    except ValueError as error:
        if isinstance(error.__cause__, Refused):
            raise error.__cause__ from None
        if isinstance(method, Foreign) or isinstance(error, Refused):
            raise
        raise ValueError(f"{name} failed: {type(error).__name__}: {one_line(error)}") from error
    except Exception as error:
        raise ValueError(f"{name} failed: {type(error).__name__}: {one_line(error)}") from error
    made = plain_twin(made)
    _require_readable(made, name)
    require_judgeable(made, original.spec, name)
    return made


def taken(returned: Any, given: Classifier, run: Taking) -> Classifier:
    """Return the classifier in what a function returned, which was handed `given`; `Refused` if there is none."""
    original, name = run.original, run.name
    # a compiled model runs the code of the one inside, after minutes of compiling
    modules = [model for model in models_in(returned) if isinstance(model, nn.Module)]
    whole = [getattr(model, "_orig_mod", model) for model in modules] or [given]
    try:
        for model in whole:
            model.to(next(original.parameters()).device, torch.float32)
        made = as_classifier(returned, given, original, name)
        _require_readable(made, name)
        if modules and whole[0] is not made:
            same = torch.allclose(_answers(whole[0], run.images), _answers(made, run.images), rtol=1e-3, atol=1e-3)
            valid = "a model that answers as its parameters do in the original's network, without code around it"
            require(same, f"what {name} returned", type(whole[0]).__name__, valid)
    except NotImplementedError as error:
        raise Refused(
            f"what {name} returned holds no numbers ({one_line(error)}); it must be a model that does"
        ) from error
    except ValueError as error:
        said = one_line(error)
        # a network's missing parameters can be hundreds
        raise Refused(said if len(said) <= LONGEST else f"{said[:LONGEST]} ...") from error
    return plain_twin(made)


def plain_twin(model: Classifier) -> Classifier:
    """Return a fresh classifier with the weights that `model` computes with, or `model` where it is other code.

    Parametrised and pruned layers become plain ones; nothing is shared, frozen, or of inference mode.
    """
    like = classifier.build(model.spec, seed=0).to(next(model.parameters()).device)
    if not built_alike(model, like):
        return model
    expected = probe_outputs(model, model.spec)  # which brings masked weights up to date
    with torch.no_grad():
        for key, value in like.state_dict().items():
            place, _, name = key.rpartition(".")
            held = getattr(model.get_submodule(place), name)
            if held is not None and held.shape != value.shape:
                return model
            value.copy_(torch.zeros_like(value) if held is None else held)
    same = torch.allclose(probe_outputs(like, model.spec), expected, rtol=1e-3, atol=1e-4)
    return like.eval() if same else model


def built_alike(model: Classifier, like: Classifier) -> bool:
    """Tell whether `model` runs the same code as `like`: modules of the same types and names, and no hooks."""
    own = dict(model.named_modules())
    for name, module in like.named_modules():
        other = own.pop(name, None)
        alike = type(other) is type(module) or (isinstance(other, type(module)) and parametrize.is_parametrized(other))
        if other is None or not alike or "forward" in vars(other):
            return False
        hooks = [*other._forward_hooks.values(), *other._forward_pre_hooks.values()]
        if not all(isinstance(hook, FOLDED) for hook in hooks):
            return False
    return all("parametrizations" in name for name in own)


def _require_readable(model: Classifier, name: str) -> None:
    """Raise ValueError unless the last layer is linear and all that the model holds are tensors of numbers."""
    head = type(model.head).__name__
    require(isinstance(model.head, nn.Linear), f"last layer after {name}", head, "an nn.Linear, which attacks read")
    packed = [key for key, value in model.state_dict().items() if not isinstance(value, Tensor)]
    require(not packed, f"what {name} made of the model", f"quantised in {', '.join(packed[:3])}", "plain numbers")


@torch.no_grad()
def _answers(model: nn.Module, images: Tensor) -> Tensor:
    device = next(model.parameters()).device
    with evaluation_mode(model):
        return torch.cat([model(to_input(batch.to(device))) for batch in images.split(128)])


def _copied(method: Any) -> Any:
    """Return a copy of a method, so that what it keeps of a call changes no later one; itself where it cannot be."""
    try:
        return copy.deepcopy(method)
    except TypeError:
        return method
