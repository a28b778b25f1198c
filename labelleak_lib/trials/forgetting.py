"""How much of a class is left where accuracy on it is zero: a linear probe of the features, and steps to relearn.

Run as `python -m labelleak_lib.trials.forgetting --datasets digits --trials 10`; it runs what is missing.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from labelleak_lib.checks import require_int
from labelleak_lib.command import one_sentence
from labelleak_lib.data.samples import split_classes
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.trials import lines
from labelleak_lib.trials.cells import as_json, measure_accuracies
from labelleak_lib.trials.originals import original_and_unlearned, untrained, weights_digest
from labelleak_lib.trials.probes import LinearProbe, Relearning, few_of_each
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread

FORGETTING = COMMITTED / "forgetting"
GOALS = {"half": 0.5, "most": 0.9}
"""Shares of M_o's accuracy on D_f at which a class counts as relearned."""


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
        "dataset": spec.data.name, "seed": spec.seed, "trial": spec.trial, "unlearning": code,
        "forgotten": ",".join(map(str, spec.forgotten)), "model": model, "weights": weights_digest(unlearned), **own,
        "probe_before": probes[0], "probe_after": after, "probe_untrained": probes[1], "probe_retained": kept,
        **{f"steps_{name}": value for name, value in zip(GOALS, steps, strict=True)},
        "limit": RELEARNING.most, "parameters": parameters,
    }  # fmt: skip


def stored(root: Path = FORGETTING) -> pd.DataFrame:
    """Return the lines of `measure` of every data set; no rows where none is stored."""
    return lines.read(root, ["dataset", "seed", "trial", "unlearning", "model", "parameters"])


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing, one forgotten class a trial, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.forgetting", description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["digits"])
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--methods", nargs="+", default=list(PAPER_METHODS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=as_path, default=FORGETTING)
    chosen = parser.parse_args(arguments)
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
        lines.write(frame.sort_values(["seed", "trial", "unlearning"]), chosen.store / f"{spec.data.name}.parquet")
        print(f"{dataset}, trial {trial}, {code}: measured", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
