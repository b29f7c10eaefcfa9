"""The life of a metric as a file says it: why it is good, since when, until when, and for what."""

from __future__ import annotations

from pydantic import Field

from pipeline.spec.fields import DateText
from pipeline.spec.strict import Strict


class ChecklistSource(Strict):
    """The seven points of a good North Star, each answered in a sentence."""

    expresses_value: str | None = Field(
        None,
        description="what customers get out of it when it rises",
        examples=["A chart that two others looked at has taught somebody something."],
    )
    represents_strategy: str | None = Field(
        None,
        description="which part of the product's strategy it stands for",
        examples=["We win where analysts share, not where they query alone."],
    )
    leading: str | None = Field(
        None,
        description="which later result it foretells, such as revenue or renewals",
        examples=["Renewals a quarter later."],
    )
    actionable: str | None = Field(
        None,
        description="what teams can do about it; inputs with owners say it too",
        examples=["Sharing, discovery and onboarding each move one of its inputs."],
    )
    understandable: str | None = Field(
        None,
        description="how people who are no analysts say it; definition and unit say it too",
        examples=["People whose charts are looked at."],
    )
    measurable: str | None = Field(
        None,
        description="how it is measured; a value that is computed says it too",
        examples=["From the events of the product, to the minute."],
    )
    not_vanity: str | None = Field(
        None,
        description="why it cannot rise without anybody being better off",
        examples=["An own view does not count."],
    )


class AllowanceSource(Strict):
    """A warning that is known, and borne until a day."""

    lint: str = Field(description="the warning's name", examples=["vanity-north-star"])
    until: DateText = Field(
        description="the last day on which it is borne", examples=["2027-03-01"]
    )
    reason: str = Field(
        description="why, for whoever reads it later",
        examples=["The next North Star is being tried out until spring."],
        min_length=1,
    )


class TargetSource(Strict):
    """Where a metric is to be on a day."""

    by: DateText = Field(description="the day that ends it", examples=["2026-12-31"])
    value: float = Field(description="what the metric should be then", examples=["1200"])
