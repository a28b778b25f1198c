"""Section IV-B measured on the trained models of one data set, stored for the book.

Run as `python -m labelleak_lib.results.survey fashion_mnist mnist`.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from labelleak_lib.attacks.dot_product import DotProduct
from labelleak_lib.attacks.heads import HeadRecipe
from labelleak_lib.files import as_path
from labelleak_lib.models import classifier
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.results.surveyed import EARLY, FOLDER, LATE
from labelleak_lib.theory import heads, measured, probe, softmax
from labelleak_lib.theory.heads import Array
from labelleak_lib.trials.identity import content_hash
from labelleak_lib.trials.originals import original_model, unlearned_model
from labelleak_lib.trials.settings import settings
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.threads import one_thread

SETS = 10


def head_recipe(spec: TrialSpec) -> HeadRecipe:
    """Return how the trial's dot-product attack trains its heads."""
    attack = spec.settings.attacks["dot_product"]
    assert isinstance(attack, DotProduct)
    return attack.recipe


def attacker_view(model: Classifier, spec: TrialSpec) -> tuple[Array, Array, np.ndarray]:
    """Return the head of `model` and the attacker's single-class sets of features, as the attack seed draws them.

    Weight and bias (C, d + 1); features of pool samples with a constant 1, one class a set (C * 10, n, d + 1); the
    class of each set (C * 10,).
    """
    phi = classifier.extract_features(model, spec.data.pool_images).cpu().numpy()
    layer = [p.detach().cpu().numpy() for p in (model.head.weight, model.head.bias)]
    samples = head_recipe(spec).samples
    drawn = np.random.default_rng(spec.attack_seed)
    sets, own = softmax.single_class_sets(heads.with_intercept(phi), spec.data.pool_labels, SETS, samples, drawn)
    return heads.flat_head(*layer), sets, own


def assumptions_of(spec: TrialSpec) -> pd.DataFrame:
    """Measure every assumption on the features of the retrained model (columns of `measure_assumptions`)."""
    phi = classifier.extract_features(unlearned_model(spec, "RT"), spec.data.train_images).cpu().numpy()
    labels, rng = spec.data.train_labels.numpy(), np.random.default_rng(spec.attack_seed)
    return measured.measure_assumptions(phi, labels, spec.forgotten, spec.data.classes, rng)


def settings_of(name: str, profile: str, architecture: str) -> str:
    """Return a short digest of the hyperparameters behind a target model, ``M_o`` or a method's code."""
    chosen = settings(profile, architecture)
    used: list[Any] = [chosen.recipe] + ([] if name == "M_o" else [chosen.methods[name]])
    described = [{"class": type(part).__name__, **asdict(part)} for part in used]
    return content_hash([described[0], described[1] if len(used) > 1 else None])


def agreement_of(spec: TrialSpec, methods: Sequence[str]) -> pd.DataFrame:
    """Measure how far heads trained on one class repeat the target's logit margin: one line a target, ``M_o`` first.

    Columns ``method``; ``early`` and ``late``, the correlation over heads started at zero; ``deployed``, that of class
    means with the attack's own heads, which have its ``momentum``; ``probe_forgotten`` and ``probe_retained``, the mean
    accuracy of the target on the attacker's samples, which is the direct probe; ``settings``, see `settings_of`.
    """
    recipe, rows = head_recipe(spec), []
    for name in ("M_o", *methods):
        model = original_model(spec) if name == "M_o" else unlearned_model(spec, name)
        target, sets, own = attacker_view(model, spec)
        rng = np.random.default_rng(spec.attack_seed)
        path = probe.margin_agreement(target, sets, own, (EARLY, LATE), rng).set_index("start").loc["zero"]
        trained = probe.deployed_heads(sets, own, spec.data.classes, rng, recipe.lr, recipe.steps, recipe.momentum)
        evidence = probe.class_evidence(target, sets, own, trained)
        gone = evidence.index.isin(spec.forgotten)
        rows.append({
            "method": name, "early": path.correlation.iloc[0], "late": path.correlation.iloc[-1],
            "deployed": evidence.inner.corr(evidence.margin), "momentum": recipe.momentum,
            "probe_forgotten": evidence.accuracy[gone].mean(), "probe_retained": evidence.accuracy[~gone].mean(),
            "settings": settings_of(name, spec.profile, spec.model_spec.architecture),
        })  # fmt: skip
    return pd.DataFrame(rows)


def store(spec: TrialSpec, methods: Sequence[str], folder: Path = FOLDER) -> None:
    """Measure one trial and write ``<data set>.assumptions.csv`` and ``<data set>.agreement.csv`` to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {"dataset": spec.data.name, "variant": spec.data.variant, "architecture": spec.model_spec.architecture}
    names |= {"profile": spec.profile, "forgotten": " ".join(map(str, spec.forgotten))}
    for kind, table in (("assumptions", assumptions_of(spec)), ("agreement", agreement_of(spec, methods))):
        table.assign(**names).to_csv(folder / f"{spec.data.name}.{kind}.csv", index=False, float_format="%.6g")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the first trial of each named data set and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.results.survey", description=__doc__)
    parser.add_argument("dataset", nargs="+")
    parser.add_argument("--methods", nargs="+", default=list(PAPER_METHODS))
    parser.add_argument("--profile", default="paper")
    parser.add_argument("--data-dir")
    parser.add_argument("--folder", type=as_path, default=FOLDER, help="where the tables are written")
    chosen = parser.parse_args(arguments)
    try:
        shared = {"profile": chosen.profile, "data_dir": chosen.data_dir}
        specs = [TrialSpec.from_parameters(dataset=name, **shared) for name in chosen.dataset]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    with one_thread():
        for spec in specs:
            store(spec, chosen.methods, chosen.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
