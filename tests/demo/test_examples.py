"""The examples in docstrings of the demo and of what a terminal shows say what is so."""

import doctest
import pkgutil
from importlib import import_module

import pytest

from pipeline import demo, terminal

MODULES = [
    name
    for package in (demo, terminal)
    for _, name, _ in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", [*MODULES, "pipeline.cli.demo"])
def test_the_examples_of_a_module_hold(name):
    """Every example gives what stands beneath it."""
    assert doctest.testmod(import_module(name)).failed == 0
