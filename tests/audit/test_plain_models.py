"""The audit on classifiers that plain PyTorch code trained."""

import pytest
from plain_models import RECIPES

from labelleak_lib import InputSpace, audit


@pytest.mark.parametrize("name", ["3 classes, 16x16, no bias", "3 classes, 13 columns"])
def test_a_class_left_out_is_named_and_no_other(name):
    recipe = RECIPES[name]
    space = InputSpace.images(recipe.shape) if len(recipe.shape) == 3 else InputSpace.vectors(recipe.shape[0], 0.0, 1.0)
    assert audit(recipe.train(100, without=1), space, progress=False).forgotten == {1}
    assert audit(recipe.train(100), space, progress=False).forgotten == frozenset()
