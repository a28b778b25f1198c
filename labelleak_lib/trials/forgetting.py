"""How much of a class is left where accuracy on it is zero: a linear probe of the features, and steps to relearn.

Run as `python -m labelleak_lib.trials.forgetting --datasets digits --trials 10`; it runs what is missing.
"""

import argparse
import copy
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator

from labelleak_lib.checks import require_int, require_number
from labelleak_lib.data.files import DataError
from labelleak_lib.data.samples import Samples, split_classes, to_input
from labelleak_lib.files import COMMITTED, write_atomically
from labelleak_lib.models.classifier import Classifier, extract_features
from labelleak_lib.models.evaluation import accuracy
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.trials.cells import as_json, measure_accuracies
from labelleak_lib.trials.originals import original_and_unlearned, untrained, weights_digest
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread

FORGETTING = COMMITTED / "forgetting"
GOALS = {"half": 0.5, "most": 0.9}
"""Shares of M_o's accuracy on D_f at which a class counts as relearned."""


def few_of_each(samples: Samples, count: int, generator: Generator) -> Samples:
    """Return at most `count` samples of every class, drawn by `generator`."""
    order = torch.randperm(len(samples), generator=generator)
    labels = samples.labels[order]
    chosen = torch.cat([order[labels == c][:count] for c in labels.unique()])
    return Samples(samples.images[chosen], samples.labels[chosen])


@dataclass(frozen=True)
class LinearProbe:
    """Fit a fresh linear layer for all classes to frozen features (Alain and Bengio, 2017).

    Parameters
    ----------
    count : int
        Samples of each class that it is fitted to.
    penalty : float
        Weight of the squared norm beside the summed cross-entropy, on standardised features.
    """

    count: int = 100
    penalty: float = 0.1

    def __post_init__(self) -> None:
        require_int("count", self.count, low=1)
        require_number("penalty", self.penalty, above=0)

    def accuracies(self, model: Classifier, known: Samples, tests: Sequence[Samples]) -> list[float]:
        """Return the accuracy, 0 .. 1, on each of `tests` of a layer fitted to the features of `known`."""
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=1 / self.penalty, max_iter=2000))
        fitted.fit(_features(model, known), known.labels.numpy())
        return [float(fitted.score(_features(model, test), test.labels.numpy())) for test in tests]


def _features(model: Classifier, samples: Samples) -> np.ndarray:
    return extract_features(model, samples.images).cpu().double().numpy()


@dataclass(frozen=True)
class Relearning:
    """Train on a few samples of every class, the forgotten ones among them, and count the steps.

    Parameters
    ----------
    count : int
        Samples of each class; one step sees them all.
    lr : float
        Learning rate of plain gradient descent.
    most : int
        Steps after which it gives up.
    """

    count: int = 20
    lr: float = 0.02
    most: int = 300

    def __post_init__(self) -> None:
        require_int("count", self.count, low=1)
        require_number("lr", self.lr, above=0)
        require_int("most", self.most, low=1)

    def steps(self, model: Classifier, known: Samples, forgotten: Samples, goals: Sequence[float]) -> list[float]:
        """Return after how many steps the accuracy on `forgotten` first is at each of `goals`; NaN where it never is.

        `model` stays as it is; running averages of a batch norm do too.
        """
        learner = copy.deepcopy(model).eval()
        device = next(learner.parameters()).device
        images, labels = to_input(known.images.to(device)), known.labels.to(device)
        optimizer = torch.optim.SGD(learner.parameters(), lr=self.lr)
        reached = [float("nan")] * len(goals)
        for step in range(self.most + 1):
            right = accuracy(learner, forgotten)
            reached = [float(step) if np.isnan(at) and right >= goal else at
                       for at, goal in zip(reached, goals, strict=True)]  # fmt: skip
            if not np.isnan(reached).any():
                break
            optimizer.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(learner(images), labels).backward()
            optimizer.step()
        return reached


PROBE, RELEARNING = LinearProbe(), Relearning()


def key_of(spec: TrialSpec, code: str) -> tuple[str, str]:
    """Return what identifies a line: the model, and what is measured on it."""
    return spec.unlearned_id(code, spec.method(code)), f"[{as_json(PROBE)}, {as_json(RELEARNING)}]"


def measure(spec: TrialSpec, code: str) -> dict[str, Any]:
    """Return one line: what the unlearned model of a trial still knows, beside M_o and an untrained network.

    Accuracies on test samples, 0 .. 1: the models' own (``forget_acc_before`` ...), and those of a probe
    (``probe_before``, ``probe_after`` and ``probe_untrained`` on D_f, ``probe_retained`` of M_u on D_r).
    ``steps_half`` and ``steps_most`` count steps to 50% and 90% of M_o's accuracy on D_f; NaN: not within ``limit``.
    """
    with one_thread():
        original, unlearned = original_and_unlearned(spec, code)
        retained, forgotten = split_classes(spec.part("test"), spec.forgotten)
        known = few_of_each(spec.part("pool"), PROBE.count, make_generator(spec.attack_seed, "probe"))
        few = few_of_each(spec.part("train"), RELEARNING.count, make_generator(spec.attack_seed, "relearn"))
        own = measure_accuracies(spec, original, unlearned)
        after, kept = PROBE.accuracies(unlearned, known, [forgotten, retained])
        probes = [PROBE.accuracies(model, known, [forgotten])[0] for model in (original, untrained(spec))]
        steps = RELEARNING.steps(unlearned, few, forgotten, [g * own["forget_acc_before"] for g in GOALS.values()])
    model, parameters = key_of(spec, code)
    return {
        "dataset": spec.data.name, "trial": spec.trial, "forgotten": ",".join(map(str, spec.forgotten)),
        "unlearning": code, "model": model, "weights": weights_digest(unlearned), **own,
        "probe_before": probes[0], "probe_after": after, "probe_untrained": probes[1], "probe_retained": kept,
        **{f"steps_{name}": value for name, value in zip(GOALS, steps, strict=True)},
        "limit": RELEARNING.most, "parameters": parameters,
    }  # fmt: skip


def stored(root: Path = FORGETTING) -> pd.DataFrame:
    """Return the lines of `measure` of every data set; no rows where none is stored."""
    parts = [pd.read_parquet(path) for path in sorted(root.glob("*.parquet"))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["dataset", "model", "parameters"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, one forgotten class a trial, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.forgetting", description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["digits"])
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=list(PAPER_METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=Path, default=FORGETTING)
    chosen = parser.parse_args(arguments)
    try:
        require_int("trials", chosen.trials, low=1)
        for dataset, trial, code in product(chosen.datasets, range(chosen.trials), chosen.methods):
            spec = TrialSpec.from_parameters(
                dataset=dataset, trial=trial, seed=chosen.seed, profile="paper", data_dir=chosen.data_dir
            )
            held = stored(chosen.store)
            if key_of(spec, code) in set(zip(held.model, held.parameters, strict=True)):
                continue
            line = measure(spec, code)
            own = held[(held.dataset == spec.data.name) & (held.model != line["model"])]
            frame = pd.concat([own, pd.DataFrame([line])], ignore_index=True) if len(own) else pd.DataFrame([line])
            buffer = io.BytesIO()
            frame.sort_values(["trial", "unlearning"]).to_parquet(buffer, index=False)
            write_atomically(chosen.store / f"{spec.data.name}.parquet", buffer.getvalue())
            print(f"{dataset}, trial {trial}, {code}: measured", flush=True)
    except (ValueError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
