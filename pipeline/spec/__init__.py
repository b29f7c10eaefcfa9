"""Definitions: text -> `Plan`, or problems that say what to write instead."""

from pipeline.spec.problem import Problem, Severity
from pipeline.spec.published import json_schema
from pipeline.spec.read import (
    Result,
    definition_files,
    read_definition,
    read_definitions,
    read_text,
)
from pipeline.spec.reference_page import reference_page

__all__ = [
    "Problem",
    "Result",
    "Severity",
    "definition_files",
    "json_schema",
    "read_definition",
    "read_definitions",
    "read_text",
    "reference_page",
]
