"""From a place in the data to the field of the schema that describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args, get_origin

from pydantic import BaseModel

from pipeline.spec.schema import Definition

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from pipeline.spec.load import DataPath


# name → thing, in the file's order
SECTIONS: Final = ("entities", "events", "streams", "sets", "metrics")


def field_of(at: DataPath) -> tuple[str, FieldInfo] | None:
    """The key and field that a data path leads to, or the last on the way; None outside of any."""
    found: tuple[str, FieldInfo] | None = None
    kind: object = Definition
    for step in at:
        field = fields_of(kind).get(str(step))
        if field is not None:
            found = str(step), field
        kind = _inside(kind) if field is None else field.annotation
    return found


def keys_at(at: DataPath) -> tuple[str, ...]:
    """The keys that may stand in the mapping at a data path; empty where any name may."""
    kind: object = Definition
    for step in at:
        field = fields_of(kind).get(str(step))
        kind = _inside(kind) if field is None else field.annotation
    return tuple(fields_of(kind))


def fields_of(kind: object) -> dict[str, FieldInfo]:
    """The fields of the model within an annotation, by the key that the file has."""
    model = _model(kind)
    if model is None:
        return {}
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model(kind: object) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) in (dict, list):
        return None
    found = (_model(part) for part in get_args(kind))
    return next((model for model in found if model is not None), None)


def _inside(kind: object) -> object:
    """What the items of a list or the values of a mapping are."""
    return get_args(kind)[-1] if get_origin(kind) in (dict, list) else None
