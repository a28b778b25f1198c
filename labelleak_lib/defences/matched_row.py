"""Give the forgotten rows of the last layer the size of a retained one."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from labelleak_lib.data.samples import Samples
from labelleak_lib.defences.rows import gone
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.registry import DEFENCES


@DEFENCES.register("matched_row")
@dataclass(frozen=True)
class MatchedRow:
    """Shift and scale each forgotten row so that mean, spread and bias are those of the retained rows.

    With m the mean over a row's entries and s the norm of what is left, w_f becomes
    mean_R(m) + mean_R(s) (w_f - m_f) / s_f, and b_f becomes mean_R(b). Row sum, norm and bias are then no outliers, and
    the bias stability of Zheng et al. (2026, arXiv 2605.08730), `1 / (1 + |mean_F(b) - mean_R(b)|)`, is 1. Its
    direction stays the row's own. Ours: that paper asks for such statistics and reaches them by training.
    """

    title: ClassVar[str] = "matched row"
    order: ClassVar[int] = 2
    adaptive: ClassVar[tuple[str, ...]] = ("row_distance", "row_norm", "row_typical", "gradient_reach")

    @torch.no_grad()
    def defend(self, model: Classifier, retain: Samples, forget: Samples, *, generator: torch.Generator) -> Classifier:
        """Return `model` with the forgotten rows of its head matched; no random number is drawn."""
        forgotten, weight, bias = gone(model, forget), model.head.weight, model.head.bias
        mean = weight.mean(1, keepdim=True)
        spread = (weight - mean).norm(dim=1, keepdim=True)
        own = (weight - mean) / spread.clamp_min(torch.finfo(spread.dtype).tiny)
        weight[forgotten] = mean[~forgotten].mean() + spread[~forgotten].mean() * own[forgotten]
        bias[forgotten] = bias[~forgotten].mean()
        return model
