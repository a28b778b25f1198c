"""Seeds crossed: every forgotten class with every seed of training, of unlearning and of the attacks.

In the other records one number seeds all three, and goes with the class. Run as
`python -m labelleak_lib.trials.crossed --datasets mnist`; it runs what is missing.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

from tqdm import tqdm

from labelleak_lib.checks import require_int
from labelleak_lib.command import one_sentence
from labelleak_lib.evidence import Evidence
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.trials.cells import evidence_on, unlearned_facts
from labelleak_lib.trials.originals import original_and_unlearned
from labelleak_lib.trials.settings import Settings
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store
from labelleak_lib.trials.threads import one_thread

CROSSED = COMMITTED / "crossed"
ATTACKS = (
    *("passive_answers", "passive_reach", "query_reach", "joint_reach", "gradient_reach"),
    *("dot_product", "head_row_sum"),
)
"""Attacks that take a second or less on a model."""
SEEDS = (0, 1, 2)
CLASSES = {"digits": 4}
"""Forgotten classes of each data set, those of the first trials; two where it is not said."""
FRESH = ("RT",)
"""Methods that read nothing of M_o: its training seed cannot matter, and one stands for all."""


class Crossing(NamedTuple):
    """One model of the design: its method, and the trial with each seed of the attacks."""

    unlearning: str
    specs: tuple[TrialSpec, ...]

    @property
    def identity(self) -> str:
        """Return what identifies the model."""
        return self.specs[0].unlearned_id(self.unlearning, self.specs[0].method(self.unlearning))

    @property
    def wanted(self) -> set[str]:
        """Return the identities of the evidence on the model."""
        return {
            spec.evidence_id(self.identity, attack, name, "attacker" if attack.per_protocol else "")
            for spec in self.specs for name, attack in spec.settings.attacks.items()
        }  # fmt: skip


def design(
    dataset: str,
    method: str,
    *,
    classes: int | None = None,
    seeds: Sequence[int] = SEEDS,
    data_dir: str | None = None,
    given: Settings | None = None,
) -> list[Crossing]:
    """Return the models of a data set and method: classes x training seeds x unlearning seeds, in this order.

    `classes` is their number, by default that of `CLASSES`; `given` replaces the settings of the profile `paper`.
    """
    fixed: dict[str, Any] = {"dataset": dataset, "profile": "paper", "data_dir": data_dir, "given": given}
    first = TrialSpec.from_parameters(**fixed)
    # an unknown code is refused before anything is computed
    first.method(method)
    attacks = {name: first.settings.attacks[name] for name in ATTACKS}
    fixed["given"] = dataclasses.replace(first.settings, attacks=attacks)
    count = CLASSES.get(dataset, 2) if classes is None else classes
    require_int("classes", count, low=1, high=first.data.classes)
    forgotten = [TrialSpec.from_parameters(**fixed, trial=trial).forgotten for trial in range(count)]
    trained = seeds[:1] if method in FRESH else seeds
    return [
        Crossing(
            method,
            tuple(
                dataclasses.replace(
                    TrialSpec.from_parameters(**fixed, train_seed=t, unlearn_seed=u, attack_seed=a), forgotten=c
                )
                for a in seeds
            ),
        )
        for c, t, u in product(forgotten, trained, seeds)
    ]


def bare(evidence: Evidence) -> Evidence:
    """Return evidence with what the results read of it: score and reach."""
    return dataclasses.replace(evidence, heads=None, ipv=None, inverted=None, history=None, probe=None)


def run(crossing: Crossing, store: Store) -> None:
    """Make a model of the design, attack it with every seed of the attacks, and store what was found."""
    spec, code = crossing.specs[0], crossing.unlearning
    with one_thread():
        original, unlearned = original_and_unlearned(spec, code)
        facts = unlearned_facts(spec, code, spec.method(code), original, unlearned)
        lines = [
            {**line, "found": bare(line["found"])}
            for own in crossing.specs
            for line in evidence_on(own, unlearned, crossing.identity, own.settings.attacks)
            # judged by heads alone
            if line["protocol"] != "paper"
        ]
    store.write(spec.data.name, [facts], lines)


def missing(crossings: Sequence[Crossing], store: Store) -> list[Crossing]:
    """Return the models of one data set of which the store lacks some evidence."""
    known = set(store.evidence(crossings[0].specs[0].data.name).evidence)
    return [crossing for crossing in crossings if not crossing.wanted <= known]


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing of the design and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m labelleak_lib.trials.crossed", description=__doc__)
    parser.add_argument("--datasets", nargs="+", default=["digits", "mnist", "fashion_mnist"])
    parser.add_argument("--methods", nargs="+", default=["RT", "NG", "FT"])
    parser.add_argument("--classes", type=int, help="number of forgotten classes")
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=as_path, default=CROSSED)
    chosen = parser.parse_args(arguments)
    store = Store(chosen.store)
    for method, dataset in product(chosen.methods, chosen.datasets):
        crossings = design(dataset, method, classes=chosen.classes, data_dir=chosen.data_dir)
        tasks = missing(crossings, store)
        print(f"{dataset}, {method}: {len(tasks)} of {len(crossings)} models are missing", flush=True)
        for crossing in tqdm(tasks, desc=f"{dataset}, {method}", unit="model", disable=None):
            run(crossing, store)
        store.fold(crossings[0].specs[0].data.name, thin=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
