"""The schema as a page: every mapping of a definition, and every key in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from pipeline.spec.schema import Definition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD = """\
# Keys

Every key of a definition file, from its schema.
`northstar schema --format markdown` writes this page.
What the keys mean to the millisecond is in [LANGUAGE.md](LANGUAGE.md),
what can be wrong with them in [LINTS.md](LINTS.md).
In editors that know JSON Schema, `schema.json` says the same while one types.
"""


def reference_page() -> str:
    """`definitions/REFERENCE.md`: a section for each mapping, in the order of the file."""
    sections = [_section(place, model) for place, model in _models("", Definition)]
    return "\n".join([_HEAD, *sections])


def _models(place: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """A mapping and those within it, each with where it stands: `metrics.<name>.guard`."""
    yield place, model
    for name, field in model.model_fields.items():
        key = f"{place}.{field.alias or name}".removeprefix(".")
        for inside, found in _within(field.annotation, key):
            yield from _models(inside, found)


def _within(kind: object, place: str) -> list[tuple[str, type[BaseModel]]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [(place, kind)]
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return _within(arguments[-1], f"{place}.<name>")
    if get_origin(kind) is list:
        return _within(arguments[0], f"{place}[]")
    if get_origin(kind) is Literal:
        return []
    found = [one for argument in arguments for one in _within(argument, place)]
    return list(dict.fromkeys(found))


def _section(place: str, model: type[BaseModel]) -> str:
    title = f"`{place}`" if place else "A definition"
    rows = [_row(field.alias or name, field) for name, field in model.model_fields.items()]
    head = "| key | needed | what | example |\n| --- | --- | --- | --- |"
    return f"## {title}\n\n{_first_line(model)}\n\n{head}\n" + "\n".join(rows) + "\n"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _row(key: str, field: FieldInfo) -> str:
    example = str((field.examples or [""])[0])
    what = _plain(field.description or "")
    return f"| `{key}` | {_needed(field)} | {what} | {_code(f'{key}: {example}')} |"


def _needed(field: FieldInfo) -> str:
    if field.is_required():
        return "yes"
    default: Any = field.default
    if default in (None, "", PydanticUndefined):
        return "no"
    return f"no: {_code(str(default))}"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    """Code within a table, where a bar would end the cell."""
    return f"`{text}`".replace("|", "\\|")
