"""Defences that change the last layer by arithmetic."""

import copy

import pytest
import torch
from toys import blobs, rng, same_state, trained

from labelleak_lib.data.samples import split_classes
from labelleak_lib.defences.drop_rows import DropRows
from labelleak_lib.defences.matched_row import MatchedRow
from labelleak_lib.defences.rows import gone, with_head

FORGOTTEN, KEPT = [1, 3], [0, 2]
RETAIN, FORGET = split_classes(blobs(), FORGOTTEN)


@pytest.fixture
def model():
    """Return a model whose forgotten rows are like no others."""
    made = copy.deepcopy(trained())
    with torch.no_grad():
        made.head.weight[FORGOTTEN] = 5 + 3 * torch.randn((2, made.head.in_features), generator=rng(3))
        made.head.bias[FORGOTTEN] = torch.tensor([-4.0, 9.0])
    return made


def test_dropped_rows_leave_the_other_logits_as_they_are(model):
    found = DropRows().defend(model, RETAIN, FORGET, generator=rng())
    images = torch.rand((5, 1, 8, 8), generator=rng())
    torch.testing.assert_close(found(images), model(images)[:, KEPT])
    assert found.spec.classes == 2 and found.head.out_features == 2
    assert model.head.out_features == 4, "what was handed over is another model"


def test_a_matched_row_has_the_mean_spread_and_bias_of_the_retained_ones_and_its_own_direction(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = MatchedRow().defend(model, RETAIN, FORGET, generator=rng())
    weight, given = found.head.weight.detach(), before["head.weight"]
    kept = given[KEPT]
    torch.testing.assert_close(weight[FORGOTTEN].mean(1), kept.mean().expand(2))
    spread = (kept - kept.mean(1, keepdim=True)).norm(dim=1).mean()
    torch.testing.assert_close((weight[FORGOTTEN] - kept.mean()).norm(dim=1), spread.expand(2))
    torch.testing.assert_close(found.head.bias[FORGOTTEN].detach(), before["head.bias"][KEPT].mean().expand(2))
    for c in FORGOTTEN:
        both = torch.stack([weight[c] - weight[c].mean(), given[c] - given[c].mean()])
        assert torch.corrcoef(both)[0, 1] > 0.9999
    assert torch.equal(weight[KEPT], kept)
    assert same_state(found.features.state_dict(), trained().features.state_dict())


def test_which_outputs_are_gone_follows_the_forget_set():
    assert gone(trained(), FORGET).tolist() == [False, True, False, True]
    assert not gone(trained(), FORGET.where(FORGET.labels < 0)).any()


def test_a_head_of_other_width_shares_nothing_with_the_models(model):
    wide = with_head(model, torch.zeros(6, model.head.in_features), torch.arange(6.0))
    images = torch.rand((2, 1, 8, 8), generator=rng())
    torch.testing.assert_close(wide(images), torch.arange(6.0).expand(2, 6))
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert not own & {parameter.data_ptr() for parameter in wide.parameters()}
