"""What a definition may say of a stream; see `schema.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from pipeline.spec.fields import Duration, Name, one_as_parts
from pipeline.spec.problem import Refusal
from pipeline.spec.refused import refused
from pipeline.spec.strict import Strict

StreamParts = Annotated[
    dict[Name, Name],
    BeforeValidator(one_as_parts, json_schema_input_type=str | list[str] | dict[str, str]),
    Field(min_length=1),
]


def _gap_form(value: object) -> str:
    """A gap is how long a session may rest, or the events that have gaps between them."""
    return "duration" if isinstance(value, str) and not value[:1].isalpha() else "parts"


class UndoSource(Strict):
    """What makes an event as if it had never been."""

    event: Name = Field(description="the event that undoes it", examples=["cancelled"])
    by: Name = Field(description="the id that both carry", examples=["booking"])
    within: Duration = Field(description="how much later it may come", examples=["90d"])


class StreamSource(Strict):
    """What several events make together."""

    first: StreamParts | None = Field(
        None, description="events whose earliest row ever is an item", examples=["[ordered]"]
    )
    gap: (
        Annotated[
            Annotated[Duration, Tag("duration")] | Annotated[StreamParts, Tag("parts")],
            Discriminator(_gap_form),
        ]
        | None
    ) = Field(
        None,
        description="events between which the time is an item; of sessions, how long one may rest",
        examples=["[viewed]"],
    )
    session: StreamParts | None = Field(
        None, description="events that make sessions", examples=["[viewed, added]"]
    )
    pair: StreamParts | None = Field(
        None,
        description="two events, the second of which follows the first",
        examples=["{placed: order_placed, delivered: order_delivered}"],
    )
    sequence: StreamParts | None = Field(
        None, description="events that follow each other", examples=["[searched, carted, ordered]"]
    )
    by: Name = Field(description="the entity that the items belong to", examples=["user"])
    same: list[Name] = Field(
        default_factory=list,
        description="further ids that the rows of an item share",
        examples=["[product]"],
    )
    id: Name | None = Field(
        None, description="the id that the rows of a session share", examples=["visit"]
    )
    within: Duration | None = Field(
        None, description="how far the rows of an item may lie apart", examples=["2d"]
    )
    keep: Literal["all", "matched", "unmatched"] | None = Field(
        None, description="which pairs count: all, matched or unmatched", examples=["matched"]
    )
    seed: str | None = Field(
        None,
        description="a file beside the definition that says who had a first row before: an id a "
        "line, and after a tab when that was, where it is known",
        examples=["first_orders.tsv"],
    )
    remember: Literal["forever"] | None = Field(
        None,
        description="how long a first row is known: forever, as is so anyway",
        examples=["forever"],
    )
    at: Literal["first", "second"] | None = Field(
        None,
        description="when a pair counts: at its first or its second event",
        examples=["second"],
    )

    @model_validator(mode="after")
    def _one_kind(self) -> StreamSource:
        kinds = [self.first, self.session, self.pair, self.sequence]
        if not isinstance(self.gap, str):
            kinds.append(self.gap)
        if sum(kind is not None for kind in kinds) != 1:
            raise refused(
                Refusal(
                    "bad-stream",
                    "a stream is one of `first`, `gap`, `session`, `pair` and `sequence`",
                    "Write one of them with its events: `{pair: [placed, delivered], by: order, "
                    "within: 2d}`.",
                )
            )
        return self
