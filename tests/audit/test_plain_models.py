"""The audit on classifiers that plain PyTorch code trained, as modules and through files."""

import pytest
from audit_plain_models import space_of, through_file
from model_files import KINDS
from plain_models import RECIPES

from labelleak_lib import audit


@pytest.mark.parametrize("name", ["3 classes, 16x16, no bias", "3 classes, 13 columns"])
def test_a_class_left_out_is_named_and_no_other(name):
    recipe = RECIPES[name]
    assert audit(recipe.train(100, without=1), space_of(recipe), progress=False).forgotten == {1}
    assert audit(recipe.train(100), space_of(recipe), progress=False).forgotten == frozenset()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_any_kind_gets_the_verdict_of_the_module(kind):
    if kind == "ONNX":
        pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'labelleak[onnx]'")
        pytest.importorskip("onnx", reason="onnx, which writes the file of this test, is not installed")
    recipe = RECIPES["3 classes, 13 columns"]
    assert through_file(recipe, recipe.train(100, without=1), kind) == [1]
    assert through_file(recipe, recipe.train(100), kind) == []
