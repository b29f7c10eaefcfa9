"""What a definition may contain: the file's schema, and nothing of its meaning.

The description of each field is shown under a problem with it, and in editors by way of
`definitions/schema.json`; it says what to write to someone who has read nothing else.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from pipeline.spec.envelope_schema import AnyId
from pipeline.spec.fields import (
    NUMBER_MAX,
    Amount,
    Baseline,
    DateText,
    DimensionText,
    Duration,
    ExpressionText,
    GapText,
    Name,
    Percentage,
    RecordName,
    SetWindowText,
    UnitText,
    Version,
    WindowText,
    ids_by_name,
    one_as,
    one_as_list,
)
from pipeline.spec.life import AllowanceSource, ChecklistSource, TargetSource
from pipeline.spec.problem import Refusal
from pipeline.spec.refused import refused
from pipeline.spec.schema_source import CalendarSource, Source
from pipeline.spec.stream_schema import StreamSource, UndoSource
from pipeline.spec.strict import Strict


class Attribute(Strict):
    """Something that events teach about an entity."""

    is_: Name | None = Field(
        None,
        alias="is",
        description="the entity that the attribute is; not given for a value",
        examples=["user"],
    )
    from_: str = Field(
        alias="from",
        description="event.entity or event.value: the id or the value that this event carries",
        examples=["shared.user"],
    )


class ValueSource(Strict):
    """A named value of an event."""

    from_: ExpressionText = Field(
        alias="from", description="an expression over paths", examples=["properties.ms / 1000"]
    )
    min: Amount | None = Field(
        None, description="the least a number may be (0 if not given)", examples=["0"]
    )
    max: Amount | None = Field(
        None, description=f"the most a number may be ({NUMBER_MAX} if not given)", examples=["3600"]
    )
    time: Literal["iso", "s", "ms"] | None = Field(
        None,
        description="the value is a time: ISO 8601 text, or a number of s or ms since 1970",
        examples=["iso"],
    )


class EventSource(Strict):
    """One thing that happens."""

    name: Annotated[
        list[RecordName], BeforeValidator(one_as_list, json_schema_input_type=str | list[str])
    ] = Field(
        description="the record's name, or a list of names", examples=["order_placed"], min_length=1
    )
    ids: Annotated[
        dict[Name, AnyId],
        BeforeValidator(ids_by_name, json_schema_input_type=list[Name] | dict[Name, AnyId]),
    ] = Field(
        default_factory=dict,
        description="entity → path to its id; or a list of those that the envelope has",
        examples=["{user: userId}"],
    )
    values: dict[
        Name,
        Annotated[
            ValueSource,
            BeforeValidator(
                one_as("from"), json_schema_input_type=str | float | bool | ValueSource
            ),
        ],
    ] = Field(
        default_factory=dict,
        description="name → expression over paths",
        examples=["{seconds: properties.ms / 1000}"],
    )
    where: ExpressionText | None = Field(
        None,
        description="a condition over paths; records that do not meet it are not this event",
        examples=['properties.plan == "pro"'],
    )
    undone_by: UndoSource | None = Field(
        None,
        description="the event that makes it as if it had never been",
        examples=["{event: cancelled, by: booking, within: 90d}"],
    )


Numbers = dict[Name, Amount]


class SetSource(Strict):
    """Which entities qualify."""

    of: Name = Field(description="the entity whose members qualify", examples=["user"])
    when: ExpressionText = Field(
        description="comparisons of count, sum, distinct or a habit with a number, or of what "
        "an entity is with texts and numbers, joined with and, or, not",
        examples=["count(active) >= 1"],
    )
    window: SetWindowText | None = Field(
        None, description="the span that the comparisons look at", examples=["trailing 7d"]
    )
    params: Numbers = Field(
        default_factory=dict,
        description="numbers with names, for the expressions of this set",
        examples=["{hours: 60}"],
    )
    matured: WindowText | None = Field(
        None,
        description="of a window `first … after …`: when it ended, for an entity to take part",
        examples=["trailing 28d"],
    )
    started: WindowText | None = Field(
        None,
        description="of a window `first … after …`: when it began, for an entity to take part",
        examples=["trailing 28d"],
    )
    transitions: bool = Field(
        default=False,
        description="true to tell who enters and who leaves, by id; raw ids are then kept",
        examples=["true"],
    )
    gap: GapText | None = Field(
        None,
        description="of a window `first session after …`: what ends it when nothing happens; 30m "
        "if not given",
        examples=["30m"],
    )


class Between(Strict):
    """A range that a guardrail should stay in."""

    between: list[float] = Field(
        description="the lower and the upper bound", examples=["[0.9, 1.1]"]
    )

    @model_validator(mode="after")
    def _ordered(self) -> Between:
        if len(self.between) != 2 or self.between[0] >= self.between[1]:  # noqa: PLR2004 - low, high
            raise refused(
                Refusal(
                    "bad-range",
                    "`between` takes two numbers, the lower one first",
                    "Write `{between: [0.9, 1.1]}`.",
                )
            )
        return self


def _form(value: object) -> str:
    return "range" if isinstance(value, dict) else "direction"


class GuardSource(Strict):
    """Where a guardrail begins to be a problem."""

    protects: Name = Field(
        description="the metric that this guardrail stands beside", examples=["weekly_users"]
    )
    better: Annotated[
        Annotated[Literal["lower", "higher"], Tag("direction")] | Annotated[Between, Tag("range")],
        Discriminator(_form),
    ] = Field(description="lower, higher, or {between: [low, high]}", examples=["lower"])
    baseline: Baseline | None = Field(
        None,
        description="what the value is held against: previous, fixed, median or trailing_median",
        examples=["previous(7d)"],
    )
    warn: Percentage = Field(
        description="how far from the baseline it turns yellow", examples=["3%"]
    )
    breach: Percentage = Field(
        description="how far from the baseline it turns red", examples=["5%"]
    )
    min_samples: int = Field(
        0, description="with fewer samples the verdict is unknown", examples=["500"], ge=0
    )
    hold: Duration = Field("0s", description="how long before someone is called", examples=["10m"])
    severity: Literal["page", "ticket"] = Field(
        "ticket",
        description="page wakes someone, ticket waits for the morning",
        examples=["ticket"],
    )
    owner: str | None = Field(None, description="who is called", examples=["support-platform"])
    runbook: str | None = Field(
        None,
        description="the page that says what to do",
        examples=["https://example.org/runbooks/tickets"],
    )


class MetricSource(Strict):
    """A number of the tree."""

    label: str | None = Field(None, description="the name people read", examples=["Weekly users"])
    definition: str = Field(
        "", description="what it means, in a sentence", examples=["Users active within a week."]
    )
    role: Literal["north_star", "input", "guardrail", "result", "reference"] = Field(
        "reference",
        description="what it is for: north_star, input, guardrail, result or reference",
        examples=["input"],
    )
    facet: Literal["breadth", "depth", "frequency", "efficiency"] | None = Field(
        None,
        description="what an input says about use: breadth, depth, frequency or efficiency",
        examples=["breadth"],
    )
    value: ExpressionText = Field(
        description="arithmetic over aggregates (count, sum, mean, distinct, size, …), other "
        "metrics and numbers; or an index, nps or csat alone",
        examples=["size(weekly_users)"],
    )
    window: WindowText | None = Field(
        None,
        description="the span that aggregates of events and streams look at",
        examples=["trailing 7d"],
    )
    params: Numbers = Field(
        default_factory=dict,
        description="numbers with names, for the expressions of this metric",
        examples=["{hours: 60}"],
    )
    variants: dict[Name, Numbers] = Field(
        default_factory=dict,
        description="the metric again as name__variant, with other numbers",
        examples=["{strict: {hours: 80}}"],
    )
    missing: Literal["refuse", "skip_and_say"] | None = Field(
        None,
        description="what an index does without one of its parts: refuse (no value) or "
        "skip_and_say (the others' mean, naming it)",
        examples=["skip_and_say"],
    )
    unit: UnitText = Field(
        "",
        description="ratio (a share from 0 to 1), seconds, a currency (EUR), or a plural noun",
        examples=["users"],
        validate_default=False,
    )
    owner: str | None = Field(None, description="the team that answers for it", examples=["core"])
    inputs: dict[Name, Literal["formula", "hypothesis"]] = Field(
        default_factory=dict,
        description="metric → formula (arithmetic, checked) or hypothesis (believed)",
        examples=["{new_users: hypothesis}"],
    )
    formula: ExpressionText | None = Field(
        None,
        description="an expression over the formula inputs that must equal the value",
        examples=["customers * orders_per_customer"],
    )
    by: Annotated[
        list[DimensionText], BeforeValidator(one_as_list, json_schema_input_type=str | list[str])
    ] = Field(
        default_factory=list,
        description="what the metric is cut into segments by: values of its events, value "
        "attributes of its sets' entity, or what an entity of its events was when they happened",
        examples=["[platform, user.plan]"],
    )
    cap: int | None = Field(
        None,
        description="how many texts have a segment of their own, 1 to 100 (20 if not given)",
        examples=["20"],
        ge=1,
        le=100,
    )
    guard: GuardSource | None = Field(
        None, description="the limits of a guardrail", examples=["{protects: …, better: lower, …}"]
    )
    checklist: ChecklistSource | None = Field(
        None,
        description="why it is a good North Star, point by point",
        examples=["{expresses_value: …, represents_strategy: …, leading: …}"],
    )
    proxy_for: Name | None = Field(
        None,
        description="the slower metric that this one stands for; their correlation is published",
        examples=["yearly_renewals"],
    )
    targets: list[TargetSource] = Field(
        default_factory=list,
        description="where it is to be, and by when",
        examples=["[{by: 2026-12-31, value: 1200}]"],
    )
    since: DateText | None = Field(
        None, description="the day from which this definition holds", examples=["2026-07-01"]
    )
    replaces: Name | None = Field(
        None, description="the metric whose place it has taken", examples=["monthly_users"]
    )
    review_by: DateText | None = Field(
        None, description="the day by which somebody looks at it again", examples=["2027-01-31"]
    )
    retire_on: DateText | None = Field(
        None, description="the day from which it is no longer needed", examples=["2027-06-30"]
    )
    allow: list[AllowanceSource] = Field(
        default_factory=list,
        description="warnings about this metric that are borne until a day",
        examples=["[{lint: few-inputs, until: 2027-03-01, reason: …}]"],
    )


class Definition(Strict):
    """One product: what arrives, who qualifies, what is measured, what must not get worse."""

    version: Version = Field(description="the version of the language: 1", examples=["1"])
    product: Name = Field(description="the product's name, snake_case", examples=["insight_suite"])
    label: str | None = Field(None, description="the name people read", examples=["Insight Suite"])
    game: Literal["attention", "transaction", "productivity"] | None = Field(
        None,
        description="what the product is about: attention, transaction or productivity",
        examples=["productivity"],
    )
    calendar: CalendarSource = Field(
        default_factory=CalendarSource,
        description="zone and first day of the week, for calendar windows",
        examples=["{zone: Europe/Berlin, week_starts: monday}"],
    )
    source: Source = Field(
        description="where events come from: topics and envelope",
        examples=["{topics: [product-events], envelope: segment}"],
    )
    params: Numbers = Field(
        default_factory=dict,
        description="numbers with names, for the expressions of sets and metrics",
        examples=["{hours: 60}"],
    )
    entities: dict[Name, dict[Name, Attribute]] = Field(
        default_factory=dict,
        description="entity → what events teach about it",
        examples=["{chart: {owner: {is: user, from: shared.user}}}"],
    )
    events: dict[Name, EventSource] = Field(
        description="what happens: name → which records, ids, values",
        examples=["{active: {name: page_viewed, ids: {user: userId}}}"],
        min_length=1,
    )
    streams: dict[Name, StreamSource] = Field(
        default_factory=dict,
        description="what several events make together",
        examples=["{deliveries: {pair: [placed, delivered], by: order, within: 2d}}"],
    )
    sets: dict[Name, SetSource] = Field(
        default_factory=dict,
        description="which entities qualify",
        examples=["{weekly_users: {of: user, when: count(active) >= 1, window: trailing 7d}}"],
    )
    metrics: dict[Name, MetricSource] = Field(
        description="the numbers; exactly one has the role north_star",
        examples=["{users: {role: north_star, value: size(weekly_users)}}"],
        min_length=1,
    )
    allow: list[AllowanceSource] = Field(
        default_factory=list,
        description="warnings about the whole product that are borne until a day",
        examples=["[{lint: unused-event, until: 2027-03-01, reason: …}]"],
    )
