"""CSP: project out of every layer the directions that the forgotten class takes and the retained ones do not."""

import copy
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from labelleak_lib.checks import require, require_int, require_number
from labelleak_lib.data.samples import Samples
from labelleak_lib.models.classifier import Classifier, evaluation_mode
from labelleak_lib.registry import METHODS
from labelleak_lib.unlearning.descent import device_of, finished, placed

Layer = nn.Linear | nn.Conv2d
NEGLIGIBLE = 1e-12
"""Share of the largest squared norm below which a direction is rounding alone."""


def layers_of(model: Classifier) -> dict[str, Layer]:
    """Return the linear and convolutional layers of `model` by name.

    ValueError where a convolution has groups, or a padding that is no number.
    """
    found: dict[str, Layer] = {
        name: module for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)
    }
    convolutions = [(name, layer) for name, layer in found.items() if isinstance(layer, nn.Conv2d)]
    odd = ", ".join(name for name, c in convolutions if c.groups > 1 or isinstance(c.padding, str))
    require(not odd, "layers", odd, "convolutions of one group, padded by a number")
    return found


@torch.no_grad()
def layer_inputs(model: Classifier, images: Tensor, patches: int, generator: Generator) -> dict[str, Tensor]:
    """Return what every layer is multiplied with on `images`: float64 (m, d) by name, at most `patches` rows each.

    The d inputs of a convolution are those under its kernel, at any place.
    """
    seen: dict[str, Tensor] = {}

    def watch(name: str, layer: Layer) -> Any:
        def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
            rows = given[0].float()
            if isinstance(layer, nn.Conv2d):
                assert not isinstance(layer.padding, str)
                under = nn.functional.unfold(rows, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
                rows = under.transpose(1, 2).flatten(0, 1)
            seen[name] = _some(rows.flatten(1), patches, generator).double()

        return layer.register_forward_pre_hook(keep)

    hooks = [watch(name, layer) for name, layer in layers_of(model).items()]
    try:
        with evaluation_mode(model):
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def weighed_directions(rows: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Return the principal directions U, (d, r), of rows (m, d), not centred, and the weight of each, (r,).

    The weight is alpha s / ((alpha - 1) s + 1), with s the share of the squared norm along the direction. Directions
    with hardly a share are left out, so that r is at most the smaller of m and d.
    """
    few = len(rows) < rows.shape[1]
    values, directions = torch.linalg.eigh(rows @ rows.T if few else rows.T @ rows)
    kept = values > NEGLIGIBLE * values.max()
    values, directions = values[kept], directions[:, kept]
    share = values / values.sum()
    return rows.T @ directions / values.sqrt() if few else directions, alpha * share / ((alpha - 1) * share + 1)


def projected(weight: Tensor, directions: Tensor, weights: Tensor) -> Tensor:
    """Return W U diag(weights) U^T of W (outputs, d) and U (d, r)."""
    return (weight @ directions) * weights @ directions.T


@METHODS.register("CSP")
@dataclass(frozen=True)
class ClassSubspaceProjection:
    """Gradient-free class forgetting (Kodge, Saha and Roy, TMLR 2024).

    The weights W of every linear and convolutional layer become W (I - (I - M_r) M_f), where M_r and M_f are the
    weighed projections (:func:`weighed_directions`) on what enters that layer in M_o, of samples of D_r and of D_f.
    Theirs: all of this, with 900 samples of each, at most 10,000 patches a layer, alpha_r 100 and alpha_f 3. Ours:
    patches from whole images (theirs from a window of each), other alphas for small networks.

    Parameters
    ----------
    alpha_r, alpha_f : float
        How much weak directions count, of D_r and of D_f: at 1 by their share, beyond it more.
    samples, patches : int
        Images of each set, and rows a layer, that are read at most.
    """

    alpha_r: float = 100.0
    alpha_f: float = 3.0
    samples: int = 900
    patches: int = 10_000
    title: ClassVar[str] = "class-subspace projection"
    order: ClassVar[int] = 20
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "small": {"alpha_r": 30.0, "alpha_f": 30.0},
        "lenet": {"alpha_r": 100.0, "alpha_f": 30.0},
    }

    def __post_init__(self) -> None:
        require_number("alpha_r", self.alpha_r, above=0)
        require_number("alpha_f", self.alpha_f, above=0)
        require_int("samples", self.samples, low=1)
        require_int("patches", self.patches, low=1)

    def unlearn(self, original: Classifier, retain: Samples, forget: Samples, *, generator: Generator) -> Classifier:
        """Return a projected copy of `original`; images of both sets are read."""
        require(len(retain) > 0, "retain", "empty", "at least one image")
        require(len(forget) > 0, "forget", "empty", "at least one image")
        model, seen = copy.deepcopy(original), []
        for samples in (retain, forget):
            index = _some(torch.arange(len(samples)), self.samples, generator)
            images, _ = placed(samples, index, device_of(model))
            seen.append(layer_inputs(model, images, self.patches, generator))
        with torch.no_grad():
            alphas = (self.alpha_r, self.alpha_f)
            for name, layer in layers_of(model).items():
                keep, remove = (weighed_directions(s[name], a) for s, a in zip(seen, alphas, strict=True))
                weight = layer.weight.double().flatten(1)
                alien = weight - projected(weight, *keep)
                layer.weight.copy_((weight - projected(alien, *remove)).view_as(layer.weight))
        return finished(model)


def _some(rows: Tensor, most: int, generator: Generator) -> Tensor:
    """Return at most `most` rows, drawn where there are more."""
    if len(rows) <= most:
        return rows
    return rows[torch.randperm(len(rows), generator=generator)[:most].to(rows.device)]
