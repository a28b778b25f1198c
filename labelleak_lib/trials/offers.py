"""What a provider offers of a trial's models under a defence, and what that grants an attacker."""

import copy
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from labelleak_lib.attacks.adaptive.missing import NamedOutputs
from labelleak_lib.data.samples import Samples, split_classes, to_input
from labelleak_lib.defences.answers import Answers, Published
from labelleak_lib.models.access import BlackBox, BlackBoxWithSamples, WhiteBox
from labelleak_lib.models.classifier import Classifier, predict_proba
from labelleak_lib.models.devices import with_float64
from labelleak_lib.registry import DEFENCES
from labelleak_lib.space import InputSpace
from labelleak_lib.trials.grants import grant
from labelleak_lib.trials.originals import original_and_unlearned, original_model
from labelleak_lib.trials.seeds import make_generator
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning import apply_method

NONE = "none"
"""As a defence: none. As a method: none, and M_o is handed to a defence that unlearns by itself."""
UNRELATED = 2000
"""Unrelated inputs that an attacker who holds M_o has it label."""


class Offer(NamedTuple):
    """What is offered, and what it was made of.

    Parameters
    ----------
    published : Classifier or Answers
        What an attacker gets at.
    names : tuple of int
        The class of each output; dummies have numbers from C up.
    plain : Classifier
        The model before the defence.
    seconds : float
        Processor time that the defence took.
    trained_on : int
        Training samples that are retained.
    """

    published: Published
    names: tuple[int, ...]
    plain: Classifier
    seconds: float = 0.0
    trained_on: int = 0

    @property
    def model(self) -> Classifier:
        """The model behind what is offered."""
        return self.published.model if isinstance(self.published, Answers) else self.published

    def answers(self, images: Tensor) -> Tensor:
        """Return the answers to images, uint8 or float (n, channels, side, side): float32 (n, outputs), on the CPU."""
        inputs = to_input(images)
        if isinstance(self.published, Answers):
            return self.published(inputs).cpu()
        return predict_proba(self.published, inputs).cpu()

    def box(self, *, labels_only: bool = False) -> BlackBox:
        """Return the black box around what is offered."""
        spec = self.model.spec
        return BlackBox(self.answers, len(self.names), spec.shape, labels_only=labels_only)


def offer(spec: TrialSpec, code: str, name: str) -> Offer:
    """Return what is offered of a trial's model under the defence called `name`.

    `code` is the unlearning method's; empty for M_o, which forgot nothing and is defended all the same.
    """
    train = spec.part("train")
    retain, forget = split_classes(train, spec.forgotten) if code else (train, train.where(train.labels < 0))
    plain = with_float64(original_model(spec) if code in ("", NONE) else original_and_unlearned(spec, code)[1])
    classes = range(spec.data.classes)
    if name == NONE:
        return Offer(plain, tuple(classes), plain, trained_on=len(retain))
    defence, generator = DEFENCES[name](), make_generator(spec.unlearn_seed, "defend", name)
    start = time.process_time()
    if getattr(defence, "before", False):
        nothing = train.where(train.labels < 0)
        published = defence.defend(
            copy.deepcopy(with_float64(original_model(spec))), train, nothing, generator=generator
        )
        seconds = time.process_time() - start
        if code not in ("", NONE):
            drawn = make_generator(spec.unlearn_seed, "unlearn", code)
            published = apply_method(spec.method(code), published, retain, forget, generator=drawn)
    else:
        published = defence.defend(copy.deepcopy(plain), retain, forget, generator=generator)
        seconds = time.process_time() - start
    width = (published.model if isinstance(published, Answers) else published).head.out_features
    kept = [c for c in classes if c not in spec.forgotten or not code]
    names = kept if width == len(kept) else [*classes, *range(len(classes), width)]
    return Offer(published, tuple(names), plain, seconds, len(retain))


def granted(spec: TrialSpec, made: Offer, kind: str) -> Any:
    """Return the access of a kind to what is offered; None where it does not grant that."""
    classes, whole = spec.data.classes, isinstance(made.published, Classifier)
    if kind in ("black_box", "labels_only"):
        return made.box(labels_only=kind == "labels_only")
    if kind == "names":
        return NamedOutputs(made.names, classes)
    if kind == "samples":
        pool = spec.part("pool")
        return BlackBoxWithSamples(made.box(), pool.images, pool.labels, classes)
    if kind == "original":
        held = labelled_by_original(spec)
        return BlackBoxWithSamples(made.box(), held.images, held.labels, classes)
    if not whole:
        return None
    if kind == "white_box":
        return WhiteBox(made.model)
    # auxiliary heads need samples of every output's class
    return grant(spec, made.model, kind, "attacker") if made.names == tuple(range(classes)) else None


def labelled_by_original(spec: TrialSpec) -> Samples:
    """Return unrelated inputs, each with the class that M_o answers it with."""
    space, generator = InputSpace(spec.model_spec.shape), make_generator(spec.attack_seed, "unrelated to M_o")
    share = UNRELATED // len(space.families)
    images = torch.cat([space.unrelated(family, share, generator) for family in space.families])
    return Samples(images, predict_proba(original_model(spec), images).argmax(1).cpu())
