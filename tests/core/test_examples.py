"""The examples in docstrings of the core say what is so."""

import doctest
import pkgutil
from importlib import import_module

import pytest

from pipeline import core

MODULES = [name for _, name, _ in pkgutil.walk_packages(core.__path__, f"{core.__name__}.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    """Every example gives what stands beneath it."""
    assert doctest.testmod(import_module(name)).failed == 0
