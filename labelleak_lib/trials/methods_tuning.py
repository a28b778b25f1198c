"""The runs on which the settings of the methods beside the paper's were chosen: seeds from 1000 up, never reported on.

Run as `python -m labelleak_lib.trials.methods_tuning --datasets digits glyphs10`; it runs what is missing. All settings
of a trial unlearn from one M_o. What is chosen stands in the classes, as `presets`.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from labelleak_lib.command import one_sentence
from labelleak_lib.data.samples import split_classes
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.registry import METHODS
from labelleak_lib.trials import lines
from labelleak_lib.trials.cells import as_json, measure_accuracies
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.identity import content_hash
from labelleak_lib.trials.judging import records_of
from labelleak_lib.trials.originals import original_model
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread
from labelleak_lib.trials.tuning_settings import FINALS, SETTINGS, Setting
from labelleak_lib.unlearning import UnlearningMethod, apply_method

TUNING = COMMITTED / "methods_tuning"
SEED = 1000
FORGOTTEN = {"digits": (1, 1, 3), "glyphs10": (1, 1, 3), "fashion_mnist": (1, 3), "mnist": ()}
"""Numbers of forgotten classes of the first round, a trial each, by data set."""
FINAL = 10
"""Number of the second round's first trial."""
AGAIN = {"fashion_mnist": 4, "mnist": 4}
"""Trials of the second round, one class each, by data set."""


def specs(dataset: str, data_dir: str | None = None) -> list[TrialSpec]:
    """Return the trials of a data set; those of the first round share one M_o, those of the second have their own."""
    trials = {trial: (k, SEED) for trial, k in enumerate(FORGOTTEN[dataset])}
    trials |= {trial: (1, SEED + trial) for trial in range(FINAL, FINAL + AGAIN.get(dataset, 0))}
    return [
        TrialSpec.from_parameters(
            dataset=dataset, seed=SEED, trial=trial, k=k, train_seed=train_seed, profile="paper", device="cpu",
            data_dir=data_dir,
        )
        for trial, (k, train_seed) in trials.items()
    ]  # fmt: skip


def settings_of(spec: TrialSpec) -> dict[str, list[Setting]]:
    """Return what is tried on a trial, by method."""
    return (FINALS if spec.trial >= FINAL else SETTINGS)[spec.model_spec.architecture]


def made(spec: TrialSpec, code: str, setting: Setting) -> UnlearningMethod:
    """Return a method with its class's defaults, changed by `setting`, and M_o's recipe where it takes one."""
    cls = METHODS[code]
    own = {"recipe": spec.settings.recipe} if "recipe" in {field.name for field in fields(cls)} else {}
    method: UnlearningMethod = cls(**own, **setting)
    return method


def measure(spec: TrialSpec, code: str, setting: Setting) -> dict[str, Any]:
    """Return one line: the accuracies that a setting leads to on a trial; NaN where it breaks the model."""
    method = made(spec, code, setting)
    retain, forget = split_classes(spec.part("train"), spec.forgotten)
    with one_thread():
        original, start = original_model(spec), time.perf_counter()
        try:
            model = apply_method(
                method, original, retain, forget, generator=make_generator(spec.unlearn_seed, "unlearn", code)
            )
            seconds, found = time.perf_counter() - start, measure_accuracies(spec, original, model)
        except ValueError as error:
            print(f"{code}, {setting}: {error}", file=sys.stderr)
            seconds, broken = float("nan"), float("nan")
            found = {**measure_accuracies(spec, original, original), "forget_acc_after": broken}
            found["retain_acc_after"] = broken
    return {
        "dataset": spec.data.name, "architecture": spec.model_spec.architecture, "seed": spec.seed,
        "trial": spec.trial, "k": len(spec.forgotten), "forgotten": ",".join(map(str, spec.forgotten)),
        "unlearning": code, "setting": json.dumps(setting), "method": digest_of(method), **found,
        "seconds": round(seconds, 2),
    }  # fmt: skip


def digest_of(method: UnlearningMethod) -> str:
    """Return a digest of a method's hyperparameters and code."""
    return content_hash(as_json(method))


def stored(root: Path = TUNING) -> pd.DataFrame:
    """Return the lines of `measure`, of all data sets."""
    return lines.read(root, ["dataset", "trial", "method"])


def tried(table: pd.DataFrame) -> pd.DataFrame:
    """Return how every setting did: ``architecture unlearning setting passed of share kept lost seconds``, best first.

    `passed` of the trials pass the gate; `share` is the mean over data sets of the share that does, `kept` that of the
    accuracy on D_r less what it was, `lost` that of the accuracy on D_f. A model that broke kept nothing.
    """
    judged = table.assign(
        passed=[is_unlearned(cell) for cell in records_of(table)],
        kept=(table.retain_acc_after - table.retain_acc_before).fillna(-1.0),
        lost=table.forget_acc_after.fillna(1.0),
    )
    one = judged.groupby(["architecture", "unlearning", "setting", "dataset"], sort=False)
    by_dataset = one.agg(
        passed=("passed", "sum"), of=("passed", "size"), share=("passed", "mean"), kept=("kept", "mean"),
        lost=("lost", "mean"), seconds=("seconds", "mean"),
    ).reset_index()  # fmt: skip
    whole = by_dataset.groupby(["architecture", "unlearning", "setting"], sort=False)
    found = whole.agg(
        passed=("passed", "sum"), of=("of", "sum"), share=("share", "mean"), kept=("kept", "mean"),
        lost=("lost", "mean"), seconds=("seconds", "mean"),
    ).reset_index()  # fmt: skip
    order = found.assign(rest=found.kept - found.lost).sort_values(["share", "rest"], ascending=False, kind="stable")
    return order.drop(columns="rest").reset_index(drop=True)


def best(table: pd.DataFrame, architecture: str, code: str) -> pd.Series:
    """Return the line of `tried` of the setting that is chosen: passed most often; then kept most and lost most.

    Of a method with a second round, that round alone counts.
    """
    own = table[(table.architecture == architecture) & (table.unlearning == code)]
    again = own[own.trial >= FINAL]
    return tried(again if len(again) else own).iloc[0]


def missing(dataset: str, held: pd.DataFrame, data_dir: str | None) -> Iterator[tuple[TrialSpec, str, Setting]]:
    """Yield what is to be measured on a data set and not `held` yet."""
    known = set(zip(held.dataset, held.trial, held.method, strict=True))
    for spec in specs(dataset, data_dir):
        for code, settings in settings_of(spec).items():
            for setting in settings:
                if (spec.data.name, spec.trial, digest_of(made(spec, code, setting))) not in known:
                    yield spec, code, setting


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.methods_tuning", description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["digits", "glyphs10"], choices=list(FORGOTTEN))
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=as_path, default=TUNING)
    given = parser.parse_args(arguments)
    for dataset in given.datasets:
        held = stored(given.store)
        current = [digest_of(made(spec, code, s)) for spec, code, s in missing(dataset, held.iloc[:0], given.data_dir)]
        own = held[(held.dataset == dataset) & held.method.isin(current)]
        for spec, code, setting in list(missing(dataset, own, given.data_dir)):
            line = measure(spec, code, setting)
            own = pd.concat([own, pd.DataFrame([line])], ignore_index=True) if len(own) else pd.DataFrame([line])
            lines.write(own, given.store / f"{dataset}.parquet")
            after = f"D_f {line['forget_acc_after']:.3f}, D_r {line['retain_acc_after']:.3f}"
            print(f"{dataset}, trial {spec.trial}, {code}, {line['setting']}: {after}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
