"""Checkpoints of classifiers, as safetensors."""

import json
from dataclasses import asdict
from pathlib import Path

import torch

from labelleak_lib.checks import one_line, require
from labelleak_lib.files import write_atomically
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier, ModelSpec


def require_finite(model: Classifier, what: str = "model", fix: str = "lower the learning rate") -> None:
    """Raise ValueError if a parameter or running average of `model` is NaN or infinite (a diverged training)."""
    bad = [name for name, value in model.state_dict().items() if not torch.isfinite(value).all()]
    require(not bad, f"{what}: {', '.join(bad[:3])}", "not finite", f"finite; {fix}")


def save_checkpoint(model: Classifier, path: Path) -> None:
    """Write `model` to `path` as safetensors, atomically, with its specification in the header."""
    from safetensors.torch import save

    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    write_atomically(path, save(state, metadata={"spec": json.dumps(asdict(model.spec))}))


def load_checkpoint(path: Path) -> Classifier:
    """Read a classifier that `save_checkpoint` wrote.

    ValueError if the file is not safetensors of such a classifier, or holds non-finite weights; it names the path.
    """
    from safetensors import SafetensorError, safe_open

    require(path.is_file(), "checkpoint", str(path), "an existing safetensors file")
    try:
        with safe_open(path, framework="pt") as file:
            spec = ModelSpec(**json.loads((file.metadata() or {})["spec"]))
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        model = classifier.build(spec, seed=0)
        model.load_state_dict(state)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
        raise ValueError(
            f"checkpoint is {str(path)!r}; it must be safetensors written by save_checkpoint: {one_line(error)}"
        ) from error
    require_finite(model, f"checkpoint {str(path)!r}", "train the model anew")
    return model.eval()
