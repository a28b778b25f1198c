"""Reading the last layer of anybody's network."""

import warnings

import numpy as np
import pytest
import torch
from forgetful import fitted, network, pictures
from torch import nn
from toys import trained

import labelleak_lib
from labelleak_lib import InputSpace
from labelleak_lib.audit.head import head_of
from labelleak_lib.audit.targets import normalised, of_module
from labelleak_lib.models.classifier import extract_features

SHAPE = (12,)
SPACE = InputSpace(SHAPE)


class Twice(nn.Module):
    """A network whose linear layer of as many outputs as classes is not the last one."""

    def __init__(self):
        super().__init__()
        self.first, self.scale = nn.Linear(12, 5), nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return self.scale * self.first(x) ** 2


@pytest.mark.parametrize("ending", [None, nn.Softmax(1), nn.LogSoftmax(1)])
@pytest.mark.parametrize("bias", [True, False])
def test_features_and_head_make_the_models_own_answers(ending, bias):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 5, bias=bias))
    target = of_module(body if ending is None else nn.Sequential(body, ending))
    model, x = head_of(target, SPACE, 5), torch.rand(9, 12)
    answers = model(x) if ending is None else ending(model(x))
    torch.testing.assert_close(answers.detach(), target.answer(x))
    torch.testing.assert_close(model.features(x), body[:2](x).detach())
    assert bias or not model.head.bias.any()


def test_features_are_those_of_the_library_on_its_own_networks():
    model = trained()
    space = InputSpace(model.spec.shape)
    x = torch.rand((3, *space.shape))
    torch.testing.assert_close(
        extract_features(head_of(of_module(model), space, model.spec.classes), x), extract_features(model, x)
    )


def test_features_are_taken_behind_the_normalisation():
    body = network(5, SHAPE)
    model, x = head_of(normalised(of_module(body), [0.5], [0.25]), SPACE, 5), torch.rand(4, 12)
    torch.testing.assert_close(model.features(x), body[:2]((x - 0.5) / 0.25).detach())


def test_a_layer_that_is_not_the_last_is_no_head():
    assert head_of(of_module(Twice()), SPACE, 5) is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        script = torch.jit.script(network(5, SHAPE))
    assert head_of(of_module(script), SPACE, 5) is None
    with pytest.raises(ValueError, match="head is 'first'; it must be the layer whose outputs"):
        head_of(of_module(Twice()), SPACE, 5, "first")
    with pytest.raises(ValueError, match=r"head is 'fc'; it must be a linear layer of 5 outputs: 2$"):
        head_of(of_module(network(5, SHAPE)), SPACE, 5, "fc")
    with pytest.raises(ValueError, match="head is 'fc'; it must be left out"):
        labelleak_lib.audit(lambda x: x[:, :5].softmax(1), SPACE, head="fc", progress=False)


def test_the_report_shows_what_the_head_says_and_decides_nothing_by_it():
    model, (x, y) = fitted(5, SHAPE, (2,)), pictures(5, SHAPE)
    bare = labelleak_lib.audit(model, SPACE, progress=False)
    np.testing.assert_allclose(bare.classes.head_bias, -model[2].bias.detach())
    np.testing.assert_allclose(bare.classes.head_row_sum, -model[2].weight.detach().sum(1), rtol=1e-5)
    assert "dot_product" not in bare.classes
    full = labelleak_lib.audit(model, SPACE, samples=(x, y), progress=False)
    assert int(full.classes.dot_product.argmax()) == 2 and np.isfinite(full.classes.difference).all()
    assert full.forgotten == bare.forgotten == {2}
    without = labelleak_lib.audit(model, SPACE, samples=(x[y > 0], y[y > 0]), progress=False)
    assert "dot_product" not in without.classes, "auxiliary heads need samples of every class"
    assert "head_bias" not in labelleak_lib.audit(lambda x: model(x).softmax(1).detach(), SPACE, progress=False).classes


def test_heads_that_would_not_fit_into_memory_are_left_out(monkeypatch):
    monkeypatch.setattr("labelleak_lib.audit.head.MOST", 2 * 200 * 5 * 65 - 1)
    report = labelleak_lib.audit(fitted(5, SHAPE), SPACE, samples=pictures(5, SHAPE), progress=False)
    assert "dot_product" not in report.classes and "head_bias" in report.classes
