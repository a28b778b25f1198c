"""The models of a trial: the original one, and those unlearned from it; kept on disk, in the user's cache."""

import contextlib
import hashlib
import os
import sys
from collections.abc import Callable
from dataclasses import is_dataclass
from pathlib import Path

import torch

from labelleak_lib.adapters.attended import attended
from labelleak_lib.adapters.foreign import Foreign, adapted
from labelleak_lib.adapters.returned import is_plain
from labelleak_lib.adapters.taking import built_alike, unlearned_by
from labelleak_lib.adapters.undisturbed import undisturbed
from labelleak_lib.checks import require
from labelleak_lib.data.files import cache_dir
from labelleak_lib.data.samples import Samples, split_classes
from labelleak_lib.files import locked, require_writable
from labelleak_lib.models import classifier
from labelleak_lib.models.checkpoints import load_checkpoint, save_checkpoint
from labelleak_lib.models.classifier import Classifier
from labelleak_lib.models.devices import resolve_device
from labelleak_lib.models.recipe import Recipe
from labelleak_lib.models.training import train
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import PlainMethod, RecordsTraining, UnlearningMethod

CACHE_BYTES = 4 * 2**30
"""Size of the models on disk from which on those not read for the longest time go."""


def original_model(spec: TrialSpec, method: UnlearningMethod | PlainMethod | None = None) -> Classifier:
    """Return M_o of the trial's training seed: trained once, then read from the cache outside the repository.

    A `method` that watches the training may have it trained in another way.
    """

    def make() -> Classifier:
        return trained(spec, spec.part("train"), spec.original_recipe(method))

    return _kept(spec, spec.original_id(method), make)


def original_and_unlearned(
    spec: TrialSpec, unlearning: str, method: UnlearningMethod | PlainMethod | str | None = None
) -> tuple[Classifier, Classifier]:
    """Return (M_o, M_u) of the trial under a method's code, or under `method` itself where one is given.

    Both are read from the cache where they were made before. ValueError if M_u has other outputs than one a class, or
    numbers in it are not finite.
    """
    chosen = spec.method(unlearning) if method is None else adapted(method)
    original, identity = original_model(spec, chosen), spec.unlearned_id(unlearning, chosen)
    if not is_dataclass(chosen) or isinstance(chosen, Foreign) or type(chosen).__module__ == "__main__":
        # of code outside files nobody can say that it is still the same
        return original, unlearned_anew(spec, unlearning, chosen, original)
    return original, _kept(spec, identity, lambda: unlearned_anew(spec, unlearning, chosen, original))


def unlearned_model(spec: TrialSpec, unlearning: str) -> Classifier:
    """Return M_u of the trial under the method with code `unlearning`."""
    return original_and_unlearned(spec, unlearning)[1]


def weights_digest(model: Classifier) -> str:
    """Return a short digest of all parameters and running averages: equal for equal models alone."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def untrained(spec: TrialSpec) -> Classifier:
    """Return the model that a trial's training starts from."""
    return classifier.build(spec.model_spec, seed=spec.train_seed).to(resolve_device(spec.device))


def unlearned_anew(
    spec: TrialSpec, unlearning: str, method: UnlearningMethod | PlainMethod, original: Classifier
) -> Classifier:
    """Return M_u made from M_o here and now, whatever is kept."""
    retain, forget = split_classes(spec.part("train"), spec.forgotten)
    generator = make_generator(spec.unlearn_seed, "unlearn", unlearning)
    if isinstance(method, RecordsTraining):
        original = watched(spec, method, original, torch.isin(spec.part("train").labels, torch.tensor(spec.forgotten)))
    model = unlearned_by(
        method, original, retain, forget, generator=generator, name=f"the unlearning method {unlearning}"
    )
    if weights_digest(model) == weights_digest(original) and is_plain(model, spec.model_spec):
        said = f"the unlearning method {unlearning} left all weights as they were: nothing is unlearned"
        print(said, file=sys.stderr)
    return model


def trained(spec: TrialSpec, samples: Samples, recipe: Recipe) -> Classifier:
    """Return a model trained on `samples` by `recipe`, from the trial's start and in the order of its training seed."""
    model = untrained(spec)
    train(model, samples, recipe, generator=make_generator(spec.train_seed, "train"))
    return model


def watched(spec: TrialSpec, method: RecordsTraining, original: Classifier, forgotten: torch.Tensor) -> Classifier:
    """Return M_o once more, trained while the method watches what `forgotten` samples, bool (n,), do.

    ValueError if watching changed it.
    """
    samples = spec.part("train")
    copied = Samples(samples.images.clone(), samples.labels.clone())
    with undisturbed(), attended(f"watch_training of {type(method).__name__}"):
        seen = method.watch_training(
            untrained(spec), copied, forgotten, method.original_recipe(spec.settings.recipe),
            generator=make_generator(spec.train_seed, "train"),
        )  # fmt: skip
    valid = "the Classifier that it was handed, trained"
    require(isinstance(seen, Classifier), "what watch_training returned", type(seen).__name__, valid)
    same = weights_digest(seen) == weights_digest(original)
    require(same, "watch_training's model", "another than M_o", "what training without being watched gives")
    return seen


def _kept(spec: TrialSpec, identity: str, make: Callable[[], Classifier]) -> Classifier:
    """Return the model of this identity from the cache, made and stored first where it is missing."""
    path = cache_dir() / "models" / f"{spec.data.name}-{identity}.safetensors"
    # what is there needs no lock, and is read from a cache that cannot be written, too
    if not path.exists():
        require_writable(path.parent)
        with locked(path.with_suffix(".lock")):
            if not path.exists():
                model = make()
                if not (built_alike(model, untrained(spec)) and is_plain(model, spec.model_spec)):
                    return model
                save_checkpoint(model, path)
                _prune(path.parent)
    with contextlib.suppress(OSError):
        os.utime(path)
    return load_checkpoint(path).to(resolve_device(spec.device))


def _prune(folder: Path) -> None:
    stored = sorted(folder.glob("[!.]*.safetensors"), key=lambda path: path.stat().st_mtime)
    excess = sum(path.stat().st_size for path in stored) - CACHE_BYTES
    for path in stored[:-2]:
        if excess <= 0:
            return
        excess -= path.stat().st_size
        path.unlink(missing_ok=True)
