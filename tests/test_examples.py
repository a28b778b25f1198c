"""The examples in docstrings print what they say."""

import doctest
import importlib
import pkgutil

import pytest

from labelleak_lib import metrics, paper, results, theory

MODULES = [metrics.__name__] + [
    f"{package.__name__}.{module.name}"
    for package in (paper, results, theory)
    for module in pkgutil.iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_an_example_prints_what_it_says(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", ["metrics", "paper.published", "paper.granularity", "results.intervals"])
def test_the_arithmetic_that_readers_meet_first_has_examples(name):
    assert doctest.testmod(importlib.import_module(f"labelleak_lib.{name}")).attempted > 0
