"""Unlearning methods of two public packages, put under the reach attacks beside the built-in ones.

`python -m labelleak_lib.trials.public --dataset digits --trials 3`, with `supreme-unlearning` and `erasus` installed.
Their defaults suit larger networks, so each method's setting is chosen here: by the gate alone, on seeds from 1000 up,
where no attack is run.
"""

import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from labelleak_lib.adapters.foreign import Foreign, adapted, resolve
from labelleak_lib.attacks import Attack
from labelleak_lib.command import Parser, one_sentence
from labelleak_lib.files import COMMITTED, as_path
from labelleak_lib.names import PAPER_METHODS
from labelleak_lib.trials.cells import evidence_on, measure_accuracies, original_facts, unlearned_facts
from labelleak_lib.trials.gate import is_unlearned
from labelleak_lib.trials.grid import Grid
from labelleak_lib.trials.originals import original_and_unlearned
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.trials.store import Store
from labelleak_lib.trials.threads import one_thread

STORE = COMMITTED / "foreign"
ATTACKS = ("passive_answers", "passive_reach", "query_reach", "joint_reach", "gradient_reach")
TUNING_SEED, TUNING_TRIALS = 1000, 2
SINGLE = {"num_gpus": 1, "wandb_logging_flag": False}
"""What `supreme` asks for beside model and data: one process, no log."""


@dataclass(frozen=True)
class PublicMethod:
    """Where a method is found, and the settings that it is chosen from.

    `target` is "module:function" or "module:Class"; a class is made with a setting, a function called with it.
    `options` go to every call.
    """

    target: str
    settings: tuple[Mapping[str, Any], ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def made(self, setting: Mapping[str, Any]) -> Foreign:
        """Return the method with a setting; one called "batch_size" is the loaders'."""
        found, own = resolve(self.target), dict(setting)
        batch_size = own.pop("batch_size", 128)
        if isinstance(found, type):
            method = adapted(found(**own), options=self.options, batch_size=batch_size)
        else:
            options = {**SINGLE, "fabric": _one_process(), **self.options, **own}
            method = adapted(found, options=options, labels=2, batch_size=batch_size)
        assert isinstance(method, Foreign)
        return method


def _erasus(name: str, **values: Sequence[Any]) -> PublicMethod:
    return PublicMethod(f"erasus.strategies:{name}Strategy", _every(values))


def _supreme(name: str, **values: Sequence[Any]) -> PublicMethod:
    return PublicMethod(f"supreme.methods.unlearning_methods.{name}:{name}", _every(values))


def _every(values: Mapping[str, Sequence[Any]]) -> tuple[dict[str, Any], ...]:
    """Return every combination of the values of several hyperparameters."""
    return tuple(dict(zip(values, one, strict=True)) for one in itertools.product(*values.values()))


PUBLIC = {
    "erasus amnesiac": _erasus("AmnesiacUnlearning", unlearn_lr=(0.03, 0.1, 0.2), heal_lr=(0.01,), batch_size=(16,)),
    "erasus distillation": _erasus("KnowledgeDistillation", lr=(1e-3, 2e-3, 4e-3)),
    "erasus Fisher": _erasus("FisherForgetting", lr=(1.5e-3, 2e-3, 2.5e-3), fisher_lambda=(100.0,)),
    "erasus negative gradient": _erasus("NegativeGradient", lr=(0.03, 0.1, 0.3), batch_size=(16,)),
    "erasus pruning": _erasus("NeuronPruning", pruning_ratio=(0.06, 0.08, 0.1)),
    "supreme fine-tuning": _supreme("finetune", batch_size=(32, 8)),
    "supreme JIT": _supreme("jit", learning_rate=(1e-5, 3e-5, 1e-4)),
    "supreme NegGrad": _supreme("neg_grad", batch_size=(16, 8, 4)),
    "supreme SCRUB": _supreme("scrub", sgda_learning_rate=(1e-3, 3e-3, 1e-2), batch_size=(32,)),
    "supreme SSD": _supreme("ssd", selection_weighting=(10.0, 20.0, 50.0), dampening_constant=(1.0,)),
}
"""Methods by the name that tables show."""


def _one_process() -> Any:
    return resolve("lightning.fabric:Fabric")(accelerator="cpu", devices=1)


def chosen(name: str, specs: Sequence[TrialSpec]) -> Foreign:
    """Return the method with the setting that passes the gate on most of `specs`; among equals, that keeps D_r best."""
    tried = []
    for setting in PUBLIC[name].settings:
        method = PUBLIC[name].made(setting)
        found = [_accuracies(spec, name, method) for spec in specs]
        passed = np.mean([accuracies is not None and is_unlearned(accuracies) for accuracies in found])
        kept = np.mean([accuracies["retain_acc_after"] if accuracies else 0.0 for accuracies in found])
        lost = np.mean([accuracies["forget_acc_after"] if accuracies else 1.0 for accuracies in found])
        tried.append((passed, kept - lost, method))
    return max(tried, key=lambda one: one[:2])[2]


def _accuracies(spec: TrialSpec, name: str, method: Foreign) -> dict[str, float] | None:
    """Return accuracies before and after, None where the setting breaks the model."""
    try:
        return measure_accuracies(spec, *original_and_unlearned(spec, name, method))
    except ValueError as error:
        print(f"{name}, {method.options}: {error}", file=sys.stderr)
        return None


def run(dataset: str, trials: int, store: Store, **asked: Any) -> int:
    """Run all public methods, and the built-in ones on the same trials, into a store; return the number of cells.

    A cell whose model breaks is left out, with a sentence on the standard error.
    """
    shared = {"dataset": dataset, "trials": trials, "profile": "paper", "device": "cpu", **asked}
    tuning = Grid(**{**shared, "trials": TUNING_TRIALS}, seed=TUNING_SEED).specs()
    specs = Grid(**shared).specs()
    attacks = {name: specs[0].settings.attacks[name] for name in ATTACKS}
    count = 0
    with one_thread():
        for name in (*PAPER_METHODS, *PUBLIC):
            method = chosen(name, tuning) if name in PUBLIC else specs[0].method(name)
            for spec in specs:
                try:
                    _run_cell(spec, name, method, attacks, store)
                    count += 1
                except ValueError as error:
                    print(f"{name}, trial {spec.trial}: {error}", file=sys.stderr)
    return count


def _run_cell(spec: TrialSpec, name: str, method: Any, attacks: dict[str, Attack], store: Store) -> None:
    """Run what the store lacks of a cell; all methods but one share their M_o."""
    stored = store.read(spec.data.name)
    before, after = spec.original_id(method), spec.unlearned_id(name, method)
    if after in set(stored.models.model):
        return
    original, unlearned = original_and_unlearned(spec, name, method)
    on_original = evidence_on(spec, original, before, attacks, set(stored.evidence.evidence))
    facts = unlearned_facts(spec, name, method, original, unlearned)
    models = [original_facts(spec, method, original), facts]
    store.write(spec.data.name, models, on_original + evidence_on(spec, unlearned, after, attacks))


@one_sentence
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the public methods from the command line, fold the records, and return the exit status."""
    parser = Parser(prog="python -m labelleak_lib.trials.public", description=__doc__)
    parser.add_argument("--dataset", default="digits")
    parser.add_argument("--trials", type=int, default=3)
    parser.add_argument("--data-dir")
    parser.add_argument("--store", type=as_path, default=STORE, help="folder of the records")
    given = parser.parse_args(arguments)
    store = Store(given.store)
    count = run(given.dataset, given.trials, store, data_dir=given.data_dir)
    store.fold(given.dataset, thin=True)
    print(f"{count} cells; records in {given.store}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
