"""Where a record keeps what every record has: the schema of `envelope`, and of ids."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from pipeline.spec.fields import Name, PathText, RecordName, one_as, one_as_first
from pipeline.spec.problem import Refusal
from pipeline.spec.refused import refused
from pipeline.spec.strict import Strict


class NameSource(Strict):
    """Where a record keeps its name; one of the three is given."""

    from_: PathText | None = Field(
        None, alias="from", description="path to the record's name", examples=["event"]
    )
    first: list[PathText] | None = Field(
        None,
        description="paths; the first that is present",
        examples=["[event, type]"],
        min_length=1,
    )
    constant: RecordName | None = Field(
        None, description="the name of every record", examples=["order_placed"]
    )

    @model_validator(mode="after")
    def _one(self) -> NameSource:
        if [self.from_, self.first, self.constant].count(None) != 2:  # noqa: PLR2004 - of three
            raise refused(
                Refusal(
                    "bad-name-source",
                    "a record's name is a path, the `first` of several, or a `constant`",
                    "Write a path, `{first: [path, …]}` or `{constant: order_placed}`.",
                )
            )
        return self


class TimeSource(Strict):
    """Where a record keeps its time, and how it is written."""

    from_: PathText = Field(alias="from", description="path to the record's time", examples=["ts"])
    unit: Literal["iso", "utc", "s", "ms"] = Field(
        description="how the time is written: ISO 8601 text (utc: where it names no zone it is "
        "UTC), or a number of s or ms since 1970",
        examples=["ms"],
    )


AnyTime = Annotated[
    TimeSource, BeforeValidator(one_as("from", unit="iso"), json_schema_input_type=str | TimeSource)
]


class FirstTime(Strict):
    """Several places of a record's time."""

    first: list[AnyTime] = Field(
        description="times; the first that is present",
        examples=["[{from: sent_at, unit: ms}, received_at]"],
        min_length=1,
    )


def _several(value: object) -> str:
    return "several" if isinstance(value, dict) and "first" in value else "one"


class MessageIdSource(Strict):
    """Where a record keeps its message id; one of the two is given."""

    from_: PathText | None = Field(
        None, alias="from", description="path to the message id", examples=["uuid"]
    )
    together: list[PathText] | None = Field(
        None,
        description="paths; an id made of all of them",
        examples=["[source, id]"],
        min_length=1,
    )

    @model_validator(mode="after")
    def _one(self) -> MessageIdSource:
        if (self.from_ is None) == (self.together is None):
            raise refused(
                Refusal(
                    "bad-id-source",
                    "a message id is a path or several `together`",
                    "Write a path or `{together: [path, …]}`.",
                )
            )
        return self


class IdSource(Strict):
    """Where an id is; one of the three is given."""

    first: list[PathText] | None = Field(
        None,
        description="paths; the first that is present",
        examples=["[userId, anonymousId]"],
        min_length=1,
    )
    together: list[PathText] | None = Field(
        None,
        description="paths; an id made of all of them",
        examples=["[shop, order]"],
        min_length=1,
    )
    from_: Literal["envelope"] | None = Field(
        None, alias="from", description="the id that the envelope has", examples=["envelope"]
    )

    @model_validator(mode="after")
    def _one(self) -> IdSource:
        if [self.first, self.together, self.from_].count(None) != 2:  # noqa: PLR2004 - of three
            raise refused(
                Refusal(
                    "bad-id-source",
                    "an id is either the `first` of several paths or several `together`",
                    "Write a path, `{first: [path, …]}`, `{together: [path, …]}`, "
                    "or `{from: envelope}`.",
                )
            )
        return self


AnyId = Annotated[IdSource, BeforeValidator(one_as_first, json_schema_input_type=str | IdSource)]


class EnvelopeSource(Strict):
    """Where a record keeps its name, time and message id."""

    preset: str | None = Field(
        None, description="the preset that the other keys differ from", examples=["segment"]
    )
    name: Annotated[
        NameSource, BeforeValidator(one_as("from"), json_schema_input_type=str | NameSource)
    ] = Field(
        description="path to the record's name, {first: [path, …]} or {constant: name}",
        examples=["event"],
    )
    time: Annotated[
        Annotated[TimeSource, Tag("one")] | Annotated[FirstTime, Tag("several")],
        Discriminator(_several),
        BeforeValidator(
            one_as("from", unit="iso"), json_schema_input_type=str | TimeSource | FirstTime
        ),
    ] = Field(
        description="path to ISO 8601 text, {from: path, unit: iso | utc | s | ms}, "
        "or {first: [time, …]}",
        examples=["{from: ts, unit: ms}"],
    )
    id: (
        Annotated[
            MessageIdSource,
            BeforeValidator(one_as("from"), json_schema_input_type=str | MessageIdSource),
        ]
        | None
    ) = Field(
        None,
        description="path to the message id, or {together: [path, …]}; "
        "without it nothing is deduplicated",
        examples=["uuid"],
    )
    ids: dict[Name, AnyId] = Field(
        default_factory=dict,
        description="entity → where its id is in every record; "
        "events take it by name: `ids: [user]`",
        examples=["{user: {first: [userId, anonymousId]}}"],
    )
    text: list[PathText] = Field(
        default_factory=list,
        description="places of objects that may be written as JSON text",
        examples=["[properties]"],
    )
    each: PathText | None = Field(
        None,
        description="the key of a list at the top whose every item is an event of its own; in "
        "paths it leads to that item",
        examples=["events"],
    )
    exact: list[PathText] = Field(
        default_factory=list,
        description="places of ids whose whole numbers are exact, however large",
        examples=["[mpid]"],
    )
    binary_mode: bool = Field(
        default=False,
        description="CloudEvents in binary mode are read as structured ones: attributes from the "
        "headers ce_…, the value as `data`",
        examples=["true"],
    )
