"""Where events come from, and when days begin: the schema's first sections."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pipeline.spec.envelope_schema import EnvelopeSource
from pipeline.spec.fields import Topic, Weekday, ZoneName
from pipeline.spec.presets import ENVELOPES, preset
from pipeline.spec.strict import Strict


class CalendarSource(Strict):
    """Where and when days and weeks begin."""

    zone: ZoneName = Field(
        "UTC", description="IANA time zone of calendar windows", examples=["Europe/Berlin"]
    )
    week_starts: Weekday = Field(
        "monday", description="first day of a calendar week", examples=["monday"]
    )


class Source(Strict):
    """Where events come from."""

    topics: list[Topic] = Field(
        description="Kafka topics", examples=["[product-events]"], min_length=1
    )
    envelope: Annotated[
        EnvelopeSource,
        BeforeValidator(preset, json_schema_input_type=Literal[*ENVELOPES] | EnvelopeSource),
    ] = Field(
        description=(
            "where a record keeps its name, time and id: a preset such as `segment`, "
            "or {name: …, time: …, id: …}"
        ),
        examples=["segment"],
    )
