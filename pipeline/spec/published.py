"""The schema as it is published: for editors, and as a page."""

from __future__ import annotations

import json
from typing import Any

from pipeline.spec.load import load
from pipeline.spec.schema import Definition


def json_schema() -> str:
    """The JSON Schema of a definition, as committed in `definitions/schema.json`."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_tidied(Definition.model_json_schema(by_alias=True)),
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _tidied(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema as editors should know it: no nulls, names of the language only, examples as data.

    A key without a value is refused, but pydantic knows an optional key only as one that may be
    null. What tells the forms of a value apart is no part of a JSON Schema, so a text may fit two
    of them, and fits all the same.
    """
    tidy = {key: _tidied_part(part) for key, part in schema.items()}
    forms = tidy.pop("anyOf", []) + tidy.pop("oneOf", [])
    choices = [form for form in forms if form != {"type": "null"}]
    if "default" in tidy and tidy["default"] is None:
        del tidy["default"]
    if "patternProperties" in tidy:
        tidy["additionalProperties"] = False
    if "examples" in tidy:
        tidy["examples"] = [load(example, "example").data for example in tidy["examples"]]
    if isinstance(tidy.get("title"), str):
        del tidy["title"]
    return {**tidy, **(choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})}


def _tidied_part(part: Any) -> Any:  # noqa: ANN401 - any part of a JSON Schema
    if isinstance(part, dict):
        return _tidied(part)
    return [_tidied_part(item) for item in part] if isinstance(part, list) else part
