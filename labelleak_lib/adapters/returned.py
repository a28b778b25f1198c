"""What an unlearning method returned, made into a model that attacks can read, or refused in one sentence."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from labelleak_lib.checks import one_line, require
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier, ModelSpec, evaluation_mode
from labelleak_lib.space import blobs

WRAPPERS = ("_orig_mod", "module")
"""Where `torch.compile`, and `DataParallel` and its like, keep the network that they wrap."""
PROBES = 8
"""Images on which a returned model is tried."""


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside compiled and parallel wrappers."""
    while not isinstance(model, Classifier):
        inner = next((held for name in WRAPPERS if isinstance(held := getattr(model, name, None), nn.Module)), None)
        if inner is None:
            return model
        model = inner
    return model


def as_classifier(returned: Any, given: Classifier, original: Classifier, name: str) -> Classifier:
    """Return the classifier that the method `name` made.

    Parameters
    ----------
    returned : object
        What it returned: nothing (it worked in place on `given`), a module, wrapped or not, a state dict, or a tuple,
        list, dict or object with a `model` that holds one of these.
    given : Classifier
        The copy of M_o that it was handed.
    original : Classifier
        M_o.

    Raises
    ------
    ValueError
        If there is no model in it or more than one, it fits other parameters, or nothing was returned or changed.
    """
    made = models_in(returned)
    require(len(made) < 2, f"what {name} returned", f"{len(made)} models", "one model")
    if not made:
        changed = any(not torch.equal(value, original.state_dict()[key]) for key, value in given.state_dict().items())
        valid = "a model, a state dict, a tuple with one of them, or None after the model was changed in place"
        require(returned is None and changed, f"what {name} returned", type(returned).__name__, valid)
        return given
    model = unwrapped(made[0]) if isinstance(made[0], nn.Module) else None
    if isinstance(model, Classifier):
        return model
    if model is not None:
        _check_outputs(model, original.spec, name)
    state = made[0] if model is None else model.state_dict()
    filled = copy.deepcopy(original)
    try:
        filled.load_state_dict({key.removeprefix("module.").removeprefix("_orig_mod."): v for key, v in state.items()})
    except RuntimeError as error:
        valid = f"a model with the original's parameters, whose features and head the attacks read ({one_line(error)})"
        raise ValueError(f"what {name} returned is a {type(made[0]).__name__}; it must be {valid}") from error
    return filled


def require_judgeable(model: Classifier, spec: ModelSpec, name: str) -> None:
    """Raise ValueError, in a sentence that names the method, unless attacks can judge the model that it made.

    Its parameters and outputs are finite, and it has one output a class of `spec`.
    """
    require(isinstance(model, Classifier), f"what {name} returned", type(model).__name__, "a Classifier")
    broken = [key for key, value in model.state_dict().items() if not torch.isfinite(value).all()]
    require(not broken, f"what {name} made of the model", f"not finite in {', '.join(broken[:3])}", "finite numbers")
    _check_outputs(model, spec, name)
    held, width = model.head.out_features, model.spec.classes
    require(held == width == spec.classes, f"number of outputs after {name}", held, f"{spec.classes}, one a class")


def is_plain(model: Classifier, spec: ModelSpec) -> bool:
    """Tell whether a network built from `spec` with the state of `model` is `model`: a checkpoint holds no more.

    It is not where a method returned another form, or left hooks or masks behind.
    """
    like = classifier.build(spec, seed=0).to(next(model.parameters()).device)
    own = model.state_dict() if isinstance(model, Classifier) else {}
    if {key: value.shape for key, value in own.items()} != {key: v.shape for key, v in like.state_dict().items()}:
        return False
    like.load_state_dict(own)
    return torch.allclose(probe_outputs(model, spec), probe_outputs(like, spec), rtol=1e-3, atol=1e-4)


def models_in(returned: Any) -> list[Any]:
    """Return the modules, or else the state dicts, among what was returned; each once."""
    if isinstance(returned, nn.Module):
        return [returned]
    if isinstance(returned, Mapping):
        if returned and all(isinstance(value, Tensor) for value in returned.values()):
            return [returned]
        parts: Iterable[Any] = returned.values()
    elif isinstance(returned, tuple | list):
        parts = returned
    else:
        parts = [getattr(returned, "model", None)]
        parts = [part for part in parts if isinstance(part, nn.Module)]
    found = [model for part in parts for model in (models_in(part) if part is not None else [])]
    modules = [model for model in found if isinstance(model, nn.Module)]
    return list({id(model): model for model in (modules or found)}.values())


@torch.no_grad()
def probe_outputs(model: nn.Module, spec: ModelSpec) -> Tensor:
    """Return a model's outputs (n, C), in evaluation mode, on the same few blobs each time."""
    images = blobs(PROBES, spec.shape, torch.Generator().manual_seed(0))
    with evaluation_mode(model):
        answers: Tensor = model(images.to(next(model.parameters()).device))
    return answers


def _check_outputs(model: nn.Module, spec: ModelSpec, name: str) -> None:
    try:
        answers = probe_outputs(model, spec)
        shape = tuple(answers.shape)
    except Exception as error:
        valid = f"a model that answers float images of shape (n, {', '.join(map(str, spec.shape))}) ({one_line(error)})"
        raise ValueError(f"what {name} returned is a {type(model).__name__}; it must be {valid}") from error
    valid = f"({PROBES}, {spec.classes}) for {PROBES} images: one output a class"
    require(shape == (PROBES, spec.classes), f"shape of the outputs after {name}", shape, valid)
    require(torch.isfinite(answers).all(), f"outputs after {name}", "not finite", "finite numbers")
