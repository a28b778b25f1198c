"""What amnesiac unlearning subtracts, and what is left before the repair."""

import copy
from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from labelleak_lib.data.samples import to_input
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.trials.originals import original_model, watched
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread
from labelleak_lib.unlearning.amnesiac import Amnesiac, RecordedClassifier, shorten_to, subtract_updates


def subtraction(spec: TrialSpec) -> pd.DataFrame:
    """Measure M_o of AU, M_o less the forget set's share, and the same with its tensors scaled back.

    ``model norm logits retain``: the norm of all parameters, the standard deviation of the logits on test images, and
    the accuracy on retained test classes, 0 .. 1; and ``moved``, the norm of what was subtracted (NaN for M_o).
    """
    method = spec.method("AU")
    assert isinstance(method, Amnesiac)
    test = spec.part("test")
    retained = test.where(~torch.isin(test.labels, torch.tensor(spec.forgotten)))
    with one_thread():
        forgotten = torch.isin(spec.part("train").labels, torch.tensor(spec.forgotten))
        original = watched(spec, method, original_model(spec, method), forgotten)
        assert isinstance(original, RecordedClassifier)
        bare = copy.deepcopy(original)
        subtract_updates(bare, original.updates)
        scaled = copy.deepcopy(bare)
        shorten_to(scaled, original)

        def line(name: str, model: Classifier, moved: float) -> dict[str, object]:
            with torch.no_grad():
                logits = float(model(to_input(test.images[:1000])).std())
            known = accuracy(model, retained)
            return {"model": name, "norm": _norm(model.parameters()), "moved": moved, "logits": logits, "retain": known}

        moved = _norm(original.updates.values())
        return pd.DataFrame([
            line("$M_o$", original, np.nan), line("less the share of $D_f$", bare, moved),
            line("scaled back", scaled, moved),
        ])  # fmt: skip


def _norm(tensors: Iterable[Tensor]) -> float:
    return float(torch.cat([tensor.detach().flatten() for tensor in tensors]).norm())
