"""A refusal on its way through pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from pipeline.spec.problem import Refusal


def refused(refusal: Refusal) -> PydanticCustomError:
    """The error that carries a refusal."""
    return PydanticCustomError(
        "refusal", "{message}", {"refusal": refusal, "message": str(refusal)}
    )
