"""What a test does without a service it needs: skip with the reason, or fail where CI says so."""

import os
from collections.abc import Callable
from typing import NoReturn, TypeVar

import pytest

Service = TypeVar("Service")


class ServiceMissingError(Exception):
    """A service cannot be had on this machine; the text says what is missing."""


def do_without(reason: str) -> NoReturn:
    """Skip the test, or fail it where `NORTHSTAR_REQUIRE_SERVICES=1` forbids skipping."""
    if os.environ.get("NORTHSTAR_REQUIRE_SERVICES") == "1":
        pytest.fail(f"NORTHSTAR_REQUIRE_SERVICES=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def present(make: Callable[[], Service]) -> Service:
    """What `make` gives; without the service it needs, the test skips or fails here."""
    try:
        return make()
    except ServiceMissingError as error:
        do_without(str(error))
