"""Unlearning methods that a reader brings: the model of a clean twin, or one sentence; and a process left as it was."""

# ruff: noqa: NPY002 - global generators are what is tested

import contextlib
import copy
import functools
import logging
import os
import random
import signal
import sys
import time
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune, weight_norm
from toys import same_state, small_trials, snapshot

from labelleak_lib.adapters import attended
from labelleak_lib.attacks.direct_probe import DirectProbe
from labelleak_lib.trials.cells import run_cell
from labelleak_lib.trials.originals import original_and_unlearned, original_model
from labelleak_lib.trials.specification import TrialSpec
from labelleak_lib.unlearning.amnesiac import Amnesiac

IN_PLACE = "in place"


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    with small_trials(tmp_path_factory.mktemp("readers")) as path:
        yield TrialSpec.from_parameters(dataset=path, forgotten=[1], device="cpu")


@torch.no_grad()
def silence(model):
    """Silence class 1, in place; the weights are such as half precision holds."""
    model.head.weight[1] = 0
    model.head.bias[1] = -512
    return model


def ours(change):
    """Return a method under this library's protocol that returns `change` of the silenced model."""

    def method(original, retain, forget, *, generator):
        found = change(silence(original))
        return None if found is IN_PLACE else found

    return method


def theirs(change):
    """Return a method with a signature of its own that returns `change` of the silenced model."""

    def method(net, forget_loader, retain_loader):
        found = change(silence(net))
        return None if found is IN_PLACE else found

    return method


FORMS = [pytest.param(form, id=form.__name__) for form in (ours, theirs)]


def made(spec, method):
    return original_and_unlearned(spec, "MINE", method)[1]


@functools.cache
def twin(spec):
    """Return what a clean method makes; no test may change it."""
    return silence(original_model(spec))


def in_place(model):
    return IN_PLACE


def trained_on(model):
    return model.train()


def frozen(model):
    return model.requires_grad_(False)


@torch.inference_mode()
def of_inference_mode(model):
    return copy.deepcopy(model)


def with_weight_norm(model):
    parametrizations.weight_norm(model.features[1])
    return model


def with_old_weight_norm(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weight_norm(model.features[1])
    return model


def with_mask(model):
    prune.custom_from_mask(model.head, "weight", torch.ones_like(model.head.weight))
    return model


def with_mask_in_place(model):
    with_mask(model)
    return IN_PLACE


def double(model):
    return model.double()


def sharing(model):
    """Return the model with head's weights and biases in one storage."""
    whole = torch.cat([model.head.weight.detach(), model.head.bias.detach()[:, None]], dim=1)
    model.head.weight.data, model.head.bias.data = whole[:, :-1], whole[:, -1]
    return model


class Running(nn.Module):
    """A trainer's wrapper, which runs the model and does no more."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x):
        return self.module(x)


RIGHT = {
    "in place": in_place, "the model": lambda m: m, "a state dict": lambda m: m.state_dict(),
    "a tuple": lambda m: (m, [0.1, 0.2]), "a dict": lambda m: {"model": m, "loss": 0.5},
    "a checkpoint": lambda m: {"epoch": 3, "state_dict": m.state_dict()}, "parallel": nn.DataParallel,
    "compiled": torch.compile, "averaged": torch.optim.swa_utils.AveragedModel, "wrapped": Running,
    "a deep copy": copy.deepcopy, "training mode": trained_on, "frozen": frozen,
    "of inference mode": of_inference_mode, "weight norm": with_weight_norm, "weight norm of old": with_old_weight_norm,
    "a pruning mask": with_mask, "a pruning mask in place": with_mask_in_place, "double": double, "shared": sharing,
    "parallel double": lambda m: nn.DataParallel(m.double()),
    "channels first": lambda m: m.to(memory_format=torch.contiguous_format),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", RIGHT.values(), ids=RIGHT)
def test_what_comes_back_in_any_form_is_a_plain_model_with_the_weights_of_its_clean_twin(spec, form, change):
    found, expected = made(spec, form(change)), twin(spec)
    assert found.state_dict().keys() == expected.state_dict().keys()
    for name, value in expected.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value, rtol=1e-6, atol=1e-7)
    assert not any(part.training for part in found.modules())
    for parameter in found.parameters():
        assert parameter.requires_grad and parameter.dtype == torch.float32 and not parameter.is_inference()
    assert len({p.untyped_storage().data_ptr() for p in found.parameters()}) == len(list(found.parameters()))
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in found.modules())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_model_of_half_precision_is_judged_by_its_rounded_weights(spec, form, dtype):
    found, expected = made(spec, form(lambda m: m.to(dtype))), copy.deepcopy(twin(spec)).to(dtype).float()
    assert same_state(found.state_dict(), expected.state_dict())


def test_a_head_without_biases_has_biases_of_zero(spec):
    def change(model):
        model.head.bias = None
        return model

    found, expected = made(spec, ours(change)), copy.deepcopy(twin(spec))
    torch.nn.init.zeros_(expected.head.bias)
    assert same_state(found.state_dict(), expected.state_dict())


@dataclass(frozen=True)
class Sharing:
    """A method of a file, whose models are kept on disk, where shared memory is refused."""

    def unlearn(self, original, retain, forget, *, generator):
        return sharing(silence(original))


@dataclass(frozen=True)
class Filtering:
    """A method that leaves a hook which acts only where the model would answer class 1."""

    def unlearn(self, original, retain, forget, *, generator):
        def second_best(module, given, logits):
            return torch.where(
                logits.argmax(1, keepdim=True) == 1, logits.index_fill(1, torch.tensor([1]), -1e3), logits
            )

        original.register_forward_hook(second_best)
        return original


def test_models_with_shared_memory_can_be_kept(spec):
    for _ in range(2):
        assert same_state(made(spec, Sharing()).state_dict(), twin(spec).state_dict())


def test_a_filter_that_acts_on_some_inputs_alone_is_not_dropped_the_second_time_either(spec):
    images = spec.part("test").images.float() / 255
    for _ in range(2):
        found = made(spec, Filtering())
        with torch.no_grad():
            assert (original_model(spec)(images).argmax(1) == 1).any() and not (found(images).argmax(1) == 1).any()


def test_every_attack_reads_a_pruned_model_as_its_clean_twin(spec):
    attacks = {name: spec.settings.attacks[name] for name in ("dot_product", "whitebox_inversion", "direct_probe")}
    pruned, plain = (run_cell(spec, "MINE", method=ours(change), attacks=attacks).rows for change in (
        with_mask, lambda m: m))  # fmt: skip
    columns = ["attack", "criterion", "protocol", "control", "predicted", "auc"]
    assert pruned[columns].equals(plain[columns])


class Normalised(nn.Module):
    """The model behind a normalisation, in a wrapper's place or with the model's own names."""

    def __init__(self, model, name="module"):
        super().__init__()
        setattr(self, name, model)
        if name == "model":
            self.features, self.head = model.features, model.head
            del self.model
        self.inner = name

    def forward(self, x):
        x = (x - 0.5) / 0.25
        return self.module(x) if self.inner == "module" else self.head(self.features(x))


def quantised(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def of_meta(model):
    return model.to("meta")


def without_a_row(model):
    model.head.weight = nn.Parameter(model.head.weight[[0, 2, 3]])
    model.head.bias = nn.Parameter(model.head.bias[[0, 2, 3]])
    return model


def with_a_row(model):
    model.head = nn.Linear(model.head.in_features, 5)
    return model


def with_a_deep_head(model):
    model.head = nn.Sequential(model.head, nn.Linear(4, 4))
    return model


def not_finite(model):
    model.features[1].weight.data[0] = torch.inf
    return model


def overflowing(model):
    model.head.weight.data[:] = 3e38
    return model


def failing(model):
    raise KeyError("a\nb")


def own_value_error(model):
    raise ValueError("lr must be positive")


def leaving(model):
    sys.exit("usage: unlearn.py")


WRONG = {
    "a wrapper that normalises": (Normalised, "a model that answers as its parameters do"),
    "the same names, normalised": (lambda m: Normalised(m, "model"), "a model that answers as its parameters do"),
    "normalised by layers": (lambda m: nn.Sequential(nn.BatchNorm2d(1), m), "a model with the original's parameters"),
    "quantised": (quantised, "it must be"), "on no device": (of_meta, "holds no numbers"),
    "a class fewer": (without_a_row, r"\(8, 3\); it must be \(8, 4\)"),
    "a class more": (with_a_row, r"\(8, 5\); it must be \(8, 4\)"),
    "a deep head": (with_a_deep_head, "'Sequential'; it must be an nn.Linear"),
    "infinite weights": (not_finite, r"not finite in features\.1\.weight"),
    "infinite outputs": (overflowing, "not finite"), "an error": (failing, "failed: KeyError: 'a"),
    "an error of value": (own_value_error, "failed: ValueError: lr must be positive"),
    "sys.exit": (leaving, r"called sys\.exit\(usage"), "a path": (lambda m: "model.pt", "'str'; it must be a model"),
    "accuracies": (lambda m: {"acc": 0.9}, "'dict'; it must be a model"),
    "two models": (lambda m: (m, copy.deepcopy(m)), "2 models"),
    "a generator": (lambda m: (part for part in [m]), "'generator'; it must be a model"),
    "a class": (lambda m: type(m), "it must be a model"), "numbers": (lambda m: np.zeros(3), "it must be a model"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_what_attacks_cannot_read_is_one_sentence_that_names_the_method(spec, form, change, words):
    method = form(change)
    with pytest.raises(ValueError, match=words) as error:
        made(spec, method)
    said = str(error.value)
    assert "\n" not in said and len(said) < 450
    assert "unlearning method MINE" in said or f"{__name__}:theirs" in said


@pytest.mark.parametrize("form", FORMS)
def test_a_method_that_changes_nothing_is_called_so(spec, form, capsys):
    def nothing(model):
        return copy.deepcopy(original_model(spec))

    said = "the unlearning method MINE left all weights as they were: nothing is unlearned"
    made(spec, form(nothing))
    assert said in capsys.readouterr().err
    made(spec, form(lambda model: model))
    assert said not in capsys.readouterr().err


def switch_hooks():
    torch.nn.modules.module.register_module_forward_hook(lambda module, given, out: None)


def switch_environment():
    os.environ["LABELLEAK_DATA"] = "/elsewhere"


def switch_errors():
    np.seterr(all="raise")


def read_errors():
    return np.geterr()


def global_hooks():
    return len(torch.nn.modules.module._global_forward_hooks)


SWITCHES = {
    "gradients": (torch.is_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "type": (torch.get_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "device": (torch.get_default_device, lambda: torch.set_default_device("meta")),
    "algorithms": (torch.are_deterministic_algorithms_enabled, lambda: torch.use_deterministic_algorithms(True)),
    "cudnn": (lambda: torch.backends.cudnn.benchmark, lambda: setattr(torch.backends.cudnn, "benchmark", True)),
    "threads": (torch.get_num_threads, lambda: torch.set_num_threads(3)),
    "precision": (torch.get_float32_matmul_precision, lambda: torch.set_float32_matmul_precision("medium")),
    "anomalies": (torch.is_anomaly_enabled, lambda: torch.autograd.set_detect_anomaly(True)),
    "hooks": (global_hooks, switch_hooks), "errors of numpy": (read_errors, switch_errors),
    "warnings": (lambda: list(warnings.filters), lambda: warnings.simplefilter("ignore")),
    "logging": (lambda: logging.root.manager.disable, lambda: logging.disable(logging.CRITICAL)),
    "folder": (os.getcwd, lambda: os.chdir("/")), "environment": (lambda: dict(os.environ), switch_environment),
    "output": (lambda: sys.stdout, lambda: setattr(sys, "stdout", open(os.devnull, "w"))),  # noqa: SIM115
    "error output": (lambda: sys.stderr, lambda: setattr(sys, "stderr", None)),
    "Ctrl-C": (lambda: signal.getsignal(signal.SIGINT), lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)),
    "draws of torch": (lambda: torch.get_rng_state().tolist(), lambda: torch.manual_seed(0)),
    "draws of numpy": (lambda: str(np.random.get_state()), lambda: np.random.seed(0)),
    "draws of Python": (random.getstate, lambda: random.seed(0)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:unclosed file", "ignore:Anomaly Detection")
@pytest.mark.parametrize(
    ("form", "raises"), [(ours, False), (theirs, False), (ours, True)], ids=["ours", "theirs", "ours fails"]
)
@pytest.mark.parametrize(("read", "switch"), SWITCHES.values(), ids=SWITCHES)
def test_what_a_method_switches_is_put_back_and_its_model_is_its_clean_twins(spec, form, raises, read, switch):
    def change(model):
        switch()
        if raises:
            raise RuntimeError("on purpose")
        return model

    before = read()
    with pytest.raises(ValueError, match="on purpose") if raises else contextlib.nullcontext():
        assert same_state(made(spec, form(change)).state_dict(), twin(spec).state_dict())
    assert read() == before


def test_changed_samples_and_originals_are_nobody_elses(spec):
    def method(original, retain, forget, *, generator):
        for given in (retain, forget):
            given.images.zero_()
            given.labels.zero_()
        return silence(original)

    data, weights = {p: spec.part(p).images.clone() for p in ("train", "pool", "test")}, snapshot(original_model(spec))
    labels = spec.part("train").labels.clone()
    assert same_state(made(spec, method).state_dict(), twin(spec).state_dict())
    assert all(torch.equal(spec.part(part).images, images) for part, images in data.items())
    assert torch.equal(spec.part("train").labels, labels) and same_state(original_model(spec).state_dict(), weights)


@dataclass(frozen=True)
class Erasing(Amnesiac):
    """A method that watches the training, and erases what it was trained on."""

    def watch_training(self, model, samples, forgotten, recipe, *, generator):
        seen = super().watch_training(model, samples, forgotten, recipe, generator=generator)
        samples.images.zero_()
        torch.set_num_threads(3)
        return seen


def test_a_method_that_watches_gets_samples_of_its_own(spec):
    threads, images = torch.get_num_threads(), spec.part("train").images.clone()
    erased, plain = (original_and_unlearned(spec, "AU", kind(epochs=1))[1].state_dict() for kind in (Erasing, Amnesiac))
    assert same_state(erased, plain) and torch.equal(images, spec.part("train").images)
    assert torch.get_num_threads() == threads


class Counting:
    """A method that keeps something of every call."""

    def __init__(self):
        self.calls = 0

    def unlearn(self, original, retain, forget, *, generator):
        self.calls += 1
        silence(original).head.bias.data[1] -= self.calls
        return original


def test_what_a_method_keeps_of_a_call_changes_no_later_one(spec):
    method = Counting()
    first, second = (made(spec, method).state_dict() for _ in range(2))
    assert same_state(first, second) and method.calls == 0


class Locked(Counting):
    """A method that holds what no copy can be made of."""

    def __init__(self):
        super().__init__()
        self.stream = sys.stdout


def test_a_method_that_cannot_be_copied_runs_all_the_same(spec):
    assert made(spec, Locked()).head.bias[1] == -513


@pytest.mark.parametrize("form", FORMS)
def test_the_first_lines_are_shown_and_the_others_counted(spec, form, capsys):
    def loud(model):
        for epoch in range(5000):
            print("epoch", epoch)
        return model

    made(spec, form(loud))
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["epoch 0", "epoch 1"] and len(said) == attended.LINES + 1
    assert said[-1] == "(the unlearning method MINE printed 4,900 more lines)"


def test_a_long_run_is_told_of_ever_more_rarely(spec, monkeypatch, capsys):
    monkeypatch.setattr(attended, "FIRST", 0.02)
    made(spec, ours(lambda model: time.sleep(0.2) or model))
    said = [line for line in capsys.readouterr().err.splitlines() if "has run for" in line]
    assert 2 <= len(said) <= 4 and said[0].startswith("the unlearning method MINE has run for")


@pytest.fixture
def listening():
    """Python's own handling of Ctrl-C, which a process that was started in the background begins without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("form", FORMS)
def test_ctrl_c_that_a_method_swallows_stops_all_the_same(spec, form, listening):
    def stubborn(model):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return model

    with pytest.raises(KeyboardInterrupt):
        made(spec, form(stubborn))
    assert same_state(made(spec, form(lambda m: m)).state_dict(), twin(spec).state_dict())


@pytest.mark.parametrize("change", [in_place, trained_on, with_mask], ids=lambda change: change.__name__)
def test_options_of_a_partial_still_reach_a_function(spec, change):
    def method(net, forget_loader, retain_loader, steps, scale=1.0):
        assert (steps, scale) == (3, 2.0)
        return theirs(change)(net, forget_loader, retain_loader)

    found = made(spec, functools.partial(method, steps=3, scale=2.0))
    assert same_state(found.state_dict(), twin(spec).state_dict())


def test_a_cell_of_a_method_that_returns_nothing_names_what_was_forgotten(spec):
    rows = run_cell(spec, "MINE", method=ours(in_place), attacks={"direct_probe": DirectProbe()}).rows
    rows = rows[rows.criterion == "above_half"]
    assert dict(zip(rows.control, rows.predicted, strict=True)) == {"none": "1", "placebo": ""}
