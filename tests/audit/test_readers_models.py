"""Models that a reader brings to an audit: the report of a clean twin, or one sentence; the process stays as it was."""

# ruff: noqa: NPY002 - global generators are what is tested

import contextlib
import copy
import random
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from forgetful import fitted, pictures
from safetensors.torch import save_model
from sklearn.linear_model import LogisticRegression
from torch import nn
from toys import same_state, snapshot

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.audit.asking import as_it_was
from labelleak_lib.models.access import QueryBudgetError

SHAPE = (12,)
NUMBERS = ["class", "reach", "relative_reach", "answered", "p_value", "verdict"]


def bare():
    """Return a network that never saw class 2, to be changed at will."""
    return copy.deepcopy(fitted(5, SHAPE, (2,)))


def audited(model, **options):
    return labelleak_lib.audit(model, InputSpace(SHAPE), progress=False, **{"budget": 2600, **options})


@pytest.fixture(scope="module")
def clean():
    report = audited(bare())
    assert (report.classes.reach <= 0).tolist() == [False, False, True, False, False]
    return report


class Around(nn.Module):
    """A module that answers with a function of a network and its inputs."""

    def __init__(self, function, inner=None):
        super().__init__()
        self.inner, self.function = bare() if inner is None else inner, function

    def forward(self, x):
        return self.function(self.inner, x)


class Replacing(nn.Module):
    """Counts in a buffer that it makes anew every time."""

    def __init__(self):
        super().__init__()
        self.inner = bare()
        self.register_buffer("asked", torch.zeros(1))

    def forward(self, x):
        self.asked = self.asked + len(x)
        return self.inner(x)


class Tied(nn.Module):
    """A network whose last layer has two names."""

    def __init__(self):
        super().__init__()
        self.body = bare()
        self.last = self.body[2]

    def forward(self, x):
        return self.last(self.body[:2](x))


def soft(logits):
    return torch.softmax(logits, dim=1)


def in_place(net, x):
    return net(x.sub_(1).add_(1).mul_(1.0))


def spoiling(net, x):
    answer = net(x)
    x.fill_(torch.nan)
    return answer


def with_gradient(x):
    return soft(bare()(x.requires_grad_()))


def of_inference_mode():
    with torch.inference_mode():
        return nn.Sequential(nn.BatchNorm1d(12, eps=0), *copy.deepcopy(bare()))


def in_training_mode():
    net = nn.Sequential(nn.Dropout(0.5), *bare())
    return net.train()


def seeding(net, x):
    torch.manual_seed(0), np.random.seed(0), random.seed(0)
    return net(x)


def switching(net, x):
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    warnings.simplefilter("ignore")
    return net(x)


def partly_eval(x):
    net = in_training_mode()
    net.eval()
    return soft(net(x))


RIGHT = {
    "the network": bare, "double": lambda: bare().double(), "parallel": lambda: nn.DataParallel(bare()),
    "compiled": lambda: torch.compile(bare(), backend="eager"), "frozen": lambda: bare().requires_grad_(False),
    "training": lambda: bare().train(), "dropout, training": in_training_mode, "inference mode": of_inference_mode,
    "shared": Tied, "traced": lambda: torch.fx.symbolic_trace(bare()), "in place": lambda: Around(in_place),
    "spoiling inputs": lambda: Around(spoiling), "counting": Replacing, "probabilities": lambda: Around(
        lambda net, x: soft(net(x))), "log-probabilities": lambda: Around(lambda net, x: net(x).log_softmax(1)),
    "a dict": lambda: Around(lambda net, x: {"loss": None, "logits": net(x)}),
    "an object": lambda: Around(lambda net, x: SimpleNamespace(logits=net(x))),
    "a tuple of one": lambda: Around(lambda net, x: (net(x),)), "a list of one": lambda: Around(
        lambda net, x: [net(x)]), "rows": lambda: lambda x: list(soft(bare()(x)).detach()),
    "rows of arrays": lambda: lambda x: list(soft(bare()(x)).detach().numpy()),
    "lists": lambda: lambda x: soft(bare()(x)).tolist(),
    "a table": lambda: lambda x: pd.DataFrame(soft(bare()(x)).detach().numpy()),
    "an array": lambda: lambda x: soft(bare()(x)).detach().numpy(), "with gradients": lambda: with_gradient,
    "seeding": lambda: Around(seeding), "switching": lambda: Around(switching), "eval in the call": lambda: partly_eval,
    "compiled in a function": lambda: (lambda net: lambda x: soft(net(x)))(torch.compile(bare(), backend="eager")),
}  # fmt: skip


@pytest.mark.parametrize("make", RIGHT.values(), ids=RIGHT)
def test_a_model_in_any_form_gets_the_report_of_its_clean_twin(clean, make):
    dtype, filters, draws = torch.get_default_dtype(), list(warnings.filters), torch.get_rng_state()
    others = random.getstate(), str(np.random.get_state())
    found = audited(make()).classes
    assert found[["class", "answered", "verdict"]].equals(clean.classes[["class", "answered", "verdict"]])
    for name in ("reach", "relative_reach", "p_value"):
        np.testing.assert_allclose(found[name], clean.classes[name], rtol=2e-3, atol=2e-4)
    assert (torch.get_default_dtype(), list(warnings.filters)) == (dtype, filters) and torch.is_grad_enabled()
    assert torch.equal(draws, torch.get_rng_state()) and others == (random.getstate(), str(np.random.get_state()))


def quantised():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(bare(), {nn.Linear}, dtype=torch.qint8)


ROUGH = {
    "half": lambda: bare().half(), "bfloat16": lambda: bare().bfloat16(), "quantised": quantised,
    "an array of half precision": lambda: lambda x: soft(bare()(x)).detach().numpy().astype(np.float16),
}  # fmt: skip


@pytest.mark.parametrize("make", ROUGH.values(), ids=ROUGH)
def test_a_model_of_less_precision_gets_the_same_verdict(clean, make):
    report = audited(make())
    assert report.forgotten == clean.forgotten == {2}
    np.testing.assert_allclose(report.classes.answered, clean.classes.answered, atol=25)


def not_finite(value, layer=0):
    net = bare()
    net[layer].weight.data[0, 0] = value
    return net


def raising(error):
    def answer(net, x):
        raise error

    return Around(answer)


class Shrinking:
    """Answers with a column fewer from its third call on."""

    def __init__(self):
        self.calls, self.net = 0, bare()

    def __call__(self, x):
        self.calls += 1
        return soft(self.net(x)[:, : 5 - (self.calls > 2)])


class TwoInputs(nn.Module):
    """Wants labels beside its inputs."""

    def forward(self, x, labels):
        return x


def noisy(net, x):
    return net(x) * (1 + torch.rand(len(x), 5))


def always_dropping(net, x):
    return net(nn.functional.dropout(x, 0.5, training=True))


def normed():
    return nn.Sequential(nn.BatchNorm1d(12), bare()).train()


WRONG = {
    "NaN weights": (lambda: not_finite(torch.nan), "parameter 0.weight of Sequential is 'not finite'"),
    "NaN weights, labels": (lambda: Around(lambda n, x: n(x).argmax(1), not_finite(torch.nan)), "'not finite'"),
    "infinite weights": (lambda: not_finite(-torch.inf, 2), "parameter 2.weight of Sequential is 'not finite'"),
    "NaN outputs": (lambda: Around(lambda net, x: net(x) * torch.nan), "NaN for some inputs"),
    "infinite outputs": (lambda: Around(lambda net, x: net(x).fill_(torch.inf)), "infinite for some inputs"),
    "on no device": (lambda: bare().to("meta"), "parameter 0.weight of Sequential is 'without values'"),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(5)), "parameter 0.weight of Sequential is 'without values'"),
    "dropout in the call": (lambda: Around(always_dropping), "answer to an input given twice"),
    "noise": (lambda: Around(noisy), "answer to an input given twice"),
    "noisy labels": (lambda: lambda x: torch.arange(len(x)) % 5, "answer to an input given twice"),
    "a function in training mode": (lambda: Around(None, in_training_mode()).inner.__call__, "running Dropout in tr"),
    "a function with batch norm": (lambda: (lambda net: lambda x: soft(net(x)))(normed()), "running BatchNorm1d in t"),
    "another width later": (Shrinking, "of 4 columns'; it must be one column for each of 5 classes"),
    "two inputs": (TwoInputs, "the model fails on inputs of shape (2, 12) (TypeError: "),
    "another shape": (lambda: lambda x: bare()(x[:, :3]), "the model fails on inputs of shape (2, 12) (RuntimeError: "),
    "a key error": (lambda: raising(KeyError("a\nb")), "the model fails on inputs of shape (2, 12) (KeyError: "),
    "a value error": (lambda: raising(ValueError("a\nb")), "the model fails on inputs of shape (2, 12) (ValueError: a"),
    "sys.exit": (lambda: raising(SystemExit(3)), "the model fails on inputs of shape (2, 12) (SystemExit: 3)"),
    "two outputs": (lambda: Around(lambda net, x: (net(x), x)), "the model's output is a tuple; it must be one array"),
    "a dict of its own": (lambda: Around(lambda net, x: {"out": net(x)}), "the model's output is a dict"),
    "nothing": (lambda: Around(lambda net, x: None), "the model's output is a NoneType"),
    "complex": (lambda: Around(lambda net, x: net(x).to(torch.complex64)), "of type torch.complex64'"),
    "booleans": (lambda: Around(lambda net, x: net(x) > 0), "of type torch.bool'; it must be real numbers"),
    "words": (lambda: lambda x: np.array(["cat"] * len(x)), "the model's output is a ndarray; it must be one array"),
    "turned": (lambda: Around(lambda net, x: net(x).T), "of 5 rows'; it must be one row for each of 2 inputs"),
    "four axes": (lambda: Around(lambda net, x: net(x)[..., None, None]), "of shape (2, 5, 1, 1)'"),
    "a state dict": (lambda: bare().state_dict(), "target is OrderedDict("),
    "a class": (lambda: Tied, "target is <class 'test_readers_models.Tied'>; it must be a module"),
    "an estimator": (lambda: LogisticRegression(max_iter=5), "a callable (predict_proba of a scikit-learn model)"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "words"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_audited_is_one_sentence(make, words):
    options = {"classes": 5} if "labels" in words or words == "answer to an input given twice" else {}
    with pytest.raises(ValueError) as stop:
        audited(make(), **options)
    said = str(stop.value)
    assert words in said and "\n" not in said and len(said) < 420


@pytest.mark.parametrize("error", [ConnectionError("reset"), QueryBudgetError("the budget is spent")])
def test_errors_of_a_connection_and_of_a_budget_pass_as_they_are(error):
    def answer(x):
        raise error

    with pytest.raises(type(error), match=str(error)):
        audited(answer)


@pytest.mark.parametrize("function", [in_place, spoiling, seeding], ids=lambda function: function.__name__)
def test_samples_stay_as_they_were_whatever_a_model_does_to_its_inputs(function):
    x, y = pictures(5, SHAPE)
    x, y = x[y != 2], y[y != 2]
    held = x.clone()
    found, plain = (audited(model, samples=(x, y)).classes for model in (Around(function), bare()))
    assert found.accuracy.equals(plain.accuracy) and torch.equal(x, held)
    given = [name for name in ("dot_product", "difference") if name in plain]
    np.testing.assert_allclose(found[given], plain[given])


def test_buffers_are_given_back_though_they_were_replaced_or_made_in_inference_mode():
    model, frozen = Replacing(), of_inference_mode()
    held, state = model.asked, snapshot(frozen)
    audited(model)
    audited(frozen)
    assert model.asked is held and held.item() == 0 and same_state(frozen.state_dict(), state)
    with as_it_was(model):
        model.asked.fill_(torch.nan)
    assert model.asked.item() == 0


def test_the_first_lines_of_a_model_are_shown_and_the_others_counted(capsys):
    def loud(net, x):
        print(f"{len(x)} inputs\n" * 10, end="")
        return net(x)

    audited(Around(loud))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 101 and said[0] == "2 inputs" and said[-1].startswith("(the model printed ")


AMBIENT = {
    "no gradients": torch.no_grad, "inference": torch.inference_mode, "a device": lambda: torch.device("meta"),
}  # fmt: skip


@pytest.mark.parametrize("mode", AMBIENT.values(), ids=AMBIENT)
def test_modes_that_a_notebook_left_on_change_nothing(clean, mode):
    model, (x, y) = bare(), pictures(5, SHAPE)
    expected = audited(model, samples=(x, y)).classes
    with contextlib.ExitStack() as stack:
        if mode is AMBIENT["a device"]:
            torch.set_default_device("meta")
            stack.callback(torch.set_default_device, None)
        else:
            stack.enter_context(mode())
        assert audited(model, samples=(x, y)).classes.equals(expected)


def test_a_default_type_that_a_notebook_left_changes_nothing(clean):
    model = bare()
    torch.set_default_dtype(torch.float64)
    try:
        assert audited(model).classes.equals(clean.classes)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_file_holds_shared_weights_once(clean, tmp_path):
    save_model(Tied(), str(tmp_path / "tied.safetensors"))
    report = audited(tmp_path / "tied.safetensors", factory=Tied, device="cpu")
    assert report.classes[NUMBERS].equals(clean.classes[NUMBERS])


FACTORIES = {
    "parallel": lambda: nn.DataParallel(bare()), "compiled": lambda: torch.compile(bare(), backend="eager"),
    "half": lambda: bare().float(), "training": lambda: bare().train(),
}  # fmt: skip


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES)
def test_a_factory_may_wrap_the_network(clean, factory, tmp_path):
    torch.save(bare().state_dict(), tmp_path / "net.pt")
    report = audited(tmp_path / "net.pt", factory=factory, device="cpu")
    np.testing.assert_allclose(report.classes.reach, clean.classes.reach, rtol=1e-4)


def leaving():
    raise SystemExit(2)


def needing(width):
    return nn.Linear(width, 5)


@pytest.mark.parametrize(
    ("factory", "words"),
    [
        (leaving, "factory is 'leaving', which fails (SystemExit: 2)"),
        (needing, "factory is 'needing', which fails (TypeError: "),
        (dict, "a function that returns a module, not dict"), (f"{__name__}:absent", "it cannot be found"),
        (f"{__name__}:needing", "which fails (TypeError: "), ("broken_factory:build", "it cannot be found: "),
    ],
)  # fmt: skip
def test_a_factory_that_fails_is_one_sentence(factory, words, tmp_path, monkeypatch):
    torch.save(bare().state_dict(), tmp_path / "net.pt")
    (tmp_path / "broken_factory.py").write_text("import nothing_of_this_name\nbuild = (\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError) as stop:
        audited(tmp_path / "net.pt", factory=factory, device="cpu")
    assert words in str(stop.value) and "\n" not in str(stop.value)
