"""Names: every exported Prometheus series and label, spelled once.

The exporter, the dashboards, the alert rules and the reference import them from here.
No name is made from a definition: the metric stands in a label, so that a query for one metric is
a query for any, and nobody can invent a name that breaks a scrape.

A metric's value goes to the family of its unit, because a Prometheus name has one unit:

| unit in the definition | family | label beside `product`, `metric` |
| --- | --- | --- |
| `ratio` | `northstar_metric_ratio`, 0 to 1 | |
| `seconds` | `northstar_metric_seconds` | |
| three capital letters (`EUR`) | `northstar_metric_amount` | `currency` |
| anything else (a plural noun) | `northstar_metric_value` | |

Its segments go to sibling families, `northstar_segment_value` and so on, with `dimension` and
`segment` beside: a sum over a family of metrics must never count anything twice.
"""

from __future__ import annotations

import re
from typing import Final

# ── metrics of the product ───────────────────────────────────────────────────────────────────────

METRIC_VALUE: Final = "northstar_metric_value"
METRIC_RATIO: Final = "northstar_metric_ratio"
METRIC_SECONDS: Final = "northstar_metric_seconds"
METRIC_AMOUNT: Final = "northstar_metric_amount"

SEGMENT_VALUE: Final = "northstar_segment_value"
SEGMENT_RATIO: Final = "northstar_segment_ratio"
SEGMENT_SECONDS: Final = "northstar_segment_seconds"
SEGMENT_AMOUNT: Final = "northstar_segment_amount"
SEGMENT_SAMPLES: Final = "northstar_segment_samples"

METRIC_INFO: Final = "northstar_metric_info"
METRIC_STATE: Final = "northstar_metric_state"
METRIC_LIMIT: Final = "northstar_metric_limit"
METRIC_BASELINE: Final = "northstar_metric_baseline"
METRIC_NUMERATOR: Final = "northstar_metric_numerator"
METRIC_DENOMINATOR: Final = "northstar_metric_denominator"
METRIC_SAMPLES: Final = "northstar_metric_samples"
METRIC_COVERAGE: Final = "northstar_metric_coverage_ratio"
METRIC_RESIDUAL: Final = "northstar_metric_residual"
METRIC_INTERVAL_LOW: Final = "northstar_metric_interval_low"
METRIC_INTERVAL_HIGH: Final = "northstar_metric_interval_high"
METRIC_PARTS_MISSING: Final = "northstar_metric_parts_missing"
METRIC_ATTAINMENT: Final = "northstar_metric_target_attainment_ratio"
METRIC_PACE: Final = "northstar_metric_target_pace_ratio"
METRIC_CORRELATION: Final = "northstar_metric_proxy_correlation_ratio"
METRIC_EVALUATED_AT: Final = "northstar_metric_evaluated_at_timestamp_seconds"
PRODUCT_INFO: Final = "northstar_product_info"

# ── telemetry: the engine about itself ───────────────────────────────────────────────────────────

RECORDS_CONSUMED: Final = "northstar_records_consumed_total"
RECORDS_MATCHED: Final = "northstar_records_matched_total"
RECORDS_FILTERED: Final = "northstar_records_filtered_total"
RECORDS_REJECTED: Final = "northstar_records_rejected_total"
RECORDS_DUPLICATE: Final = "northstar_records_duplicate_total"
RECORDS_LATE: Final = "northstar_records_late_total"
RECORDS_LOST: Final = "northstar_records_lost_total"
DEAD_LETTERS: Final = "northstar_dead_letters_total"

PARTITION_WATERMARK: Final = "northstar_partition_watermark_timestamp_seconds"
PARTITION_LAG_MESSAGES: Final = "northstar_partition_lag_messages"
PARTITION_LAG_SECONDS: Final = "northstar_partition_lag_seconds"
PARTITION_IDLE: Final = "northstar_partition_idle"
PARTITION_IDS: Final = "northstar_partition_ids"

TABLE_ENTITIES: Final = "northstar_table_entities"
PENDING_ROWS: Final = "northstar_pending_rows"
EVALUATED: Final = "northstar_evaluated_timestamp_seconds"
TICKS: Final = "northstar_ticks_total"
READY: Final = "northstar_ready"
BUILD_INFO: Final = "northstar_build_info"
PROCESSES: Final = "northstar_processes"
PROCESSES_UP: Final = "northstar_processes_up"
RESTARTS: Final = "northstar_restarts_total"

# ── labels ───────────────────────────────────────────────────────────────────────────────────────

PRODUCT: Final = "product"
METRIC: Final = "metric"
CURRENCY: Final = "currency"
DIMENSION: Final = "dimension"
SEGMENT: Final = "segment"
BOUND: Final = "bound"
REASON: Final = "reason"
OUTCOME: Final = "outcome"
TOPIC: Final = "topic"
PARTITION: Final = "partition"
TABLE: Final = "table"
ENTITY: Final = "entity"
ROLE: Final = "role"
FACET: Final = "facet"
UNIT: Final = "unit"
TITLE: Final = "title"
DEFINITION: Final = "definition"
TEAM: Final = "team"
GAME: Final = "game"
FINGERPRINT: Final = "fingerprint"
PROTECTS: Final = "protects"
SEVERITY: Final = "severity"
VERSION: Final = "version"

BOUND_WARN: Final = "warn"
BOUND_BREACH: Final = "breach"

# Scrape configurations and alert routes put meanings of their own on these.
FORBIDDEN_LABELS: Final = frozenset(
    {"type", "region", "cluster", "dc", "owner", "customer", "stage", "service", "env", "instance"}
    | {"le", "quantile", "job"}
)

# ── what the families say of themselves ──────────────────────────────────────────────────────────

HELP: Final[dict[str, str]] = {
    METRIC_VALUE: "Value of a metric that counts or scores, at the newest complete tick.",
    METRIC_RATIO: "Value of a metric that is a share, 0 to 1, at the newest complete tick.",
    METRIC_SECONDS: "Value of a metric that is a duration, at the newest complete tick.",
    METRIC_AMOUNT: "Value of a metric that is money, in whole units of its currency.",
    SEGMENT_VALUE: "Value of one segment of a metric that counts or scores.",
    SEGMENT_RATIO: "Value of one segment of a metric that is a share, 0 to 1.",
    SEGMENT_SECONDS: "Value of one segment of a metric that is a duration.",
    SEGMENT_AMOUNT: "Value of one segment of a metric that is money.",
    SEGMENT_SAMPLES: "Events or entities that the value of a segment rests on.",
    METRIC_INFO: "What a metric is: its role, unit, owner and definition; always 1.",
    METRIC_STATE: "Verdict on a guardrail: 0 green, 1 yellow, 2 red, 3 unknown.",
    METRIC_LIMIT: "Where a guardrail turns yellow (warn) or red (breach), in the metric's unit.",
    METRIC_BASELINE: "What a guardrail is held against, in the metric's unit.",
    METRIC_NUMERATOR: "Upper side of a metric that is a ratio.",
    METRIC_DENOMINATOR: "Lower side of a metric that is a ratio.",
    METRIC_SAMPLES: "Events or entities that a metric's value rests on.",
    METRIC_COVERAGE: "Share of a metric's window that was watched, 0 to 1.",
    METRIC_RESIDUAL: "A metric's value less the formula over its inputs.",
    METRIC_INTERVAL_LOW: "Where the interval of a survey's score begins, at 95 %.",
    METRIC_INTERVAL_HIGH: "Where the interval of a survey's score ends, at 95 %.",
    METRIC_PARTS_MISSING: "Parts of an index that have no value.",
    METRIC_ATTAINMENT: "A metric's value as a share of its next target.",
    METRIC_PACE: "A metric's value as a share of what the line to its next target expects now.",
    METRIC_CORRELATION: "How a metric moves with the one it is a proxy for, over 28 days: -1 to 1.",
    METRIC_EVALUATED_AT: "Event time of the newest complete tick of a product.",
    PRODUCT_INFO: "The product and the fingerprint of its compiled definition; always 1.",
    RECORDS_CONSUMED: "Records read; equals matched, filtered, rejected and duplicate together.",
    RECORDS_MATCHED: "Records that are at least one of the events.",
    RECORDS_FILTERED: "Records in order that are none of the events.",
    RECORDS_REJECTED: "Records that were refused.",
    RECORDS_DUPLICATE: "Records whose id was seen before within the dedup horizon.",
    RECORDS_LATE: "Matched records whose tick had already been due; they count from then on.",
    RECORDS_LOST: "Records that were gone before they were read, passed over by policy.",
    DEAD_LETTERS: "Rejected records by what became of them where a topic takes dead letters.",
    PARTITION_WATERMARK: "Event time up to which a partition is complete.",
    PARTITION_LAG_MESSAGES: "Records of a partition that are not read yet.",
    PARTITION_LAG_SECONDS: "Age of the newest record read while newer ones wait; 0 without lag.",
    PARTITION_IDLE: "1 while a partition is too quiet to hold the others back, else 0.",
    PARTITION_IDS: "Ids of a kind that a partition has brought, where that is limited.",
    TABLE_ENTITIES: "Rows that a table holds, over the shards of this process.",
    PENDING_ROWS: "Rows that wait for their tick.",
    EVALUATED: "Event time of the newest tick that this process evaluated.",
    TICKS: "Ticks evaluated.",
    READY: "1 when readings may be shown, 0 while state is restored or caught up.",
    BUILD_INFO: "The version that runs; always 1.",
    PROCESSES: "Processes that the work is spread over.",
    PROCESSES_UP: "Those of them that run.",
    RESTARTS: "How often all processes were started again after a failure.",
}

_CURRENCY = re.compile(r"[A-Z]{3}")

# Control characters, lone surrogates (they make a whole scrape fail), line separators, and marks
# that turn the direction of the text after them.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")
_REPLACEMENT: Final = "\ufffd"
LABEL_CHARACTERS_MAX: Final = 512  # the length of an id; a definition's text is the longest


def is_currency(unit: str) -> bool:
    """Whether a unit is money: three capital letters.

    >>> is_currency("EUR"), is_currency("users")
    (True, False)
    """
    return _CURRENCY.fullmatch(unit) is not None


def metric_family(unit: str) -> str:
    """The family that holds the values of metrics of this unit.

    >>> metric_family("users"), metric_family("EUR")
    ('northstar_metric_value', 'northstar_metric_amount')
    """
    if is_currency(unit):
        return METRIC_AMOUNT
    return {"ratio": METRIC_RATIO, "seconds": METRIC_SECONDS}.get(unit, METRIC_VALUE)


def segment_family(unit: str) -> str:
    """The family that holds the segments of metrics of this unit.

    >>> segment_family("users")
    'northstar_segment_value'
    """
    siblings = {
        METRIC_VALUE: SEGMENT_VALUE,
        METRIC_RATIO: SEGMENT_RATIO,
        METRIC_SECONDS: SEGMENT_SECONDS,
        METRIC_AMOUNT: SEGMENT_AMOUNT,
    }
    return siblings[metric_family(unit)]


def label_value(text: str) -> str:
    r"""The text as a label may hold it: valid UTF-8, one line, at most 512 characters.

    Every label value that came from outside goes through here.

    >>> label_value("caf\u00e9 \ud800\n") == "caf\u00e9 \ufffd\ufffd"
    True
    """
    fit = _UNFIT.sub(_REPLACEMENT, text[: LABEL_CHARACTERS_MAX + 1])
    return fit if len(fit) <= LABEL_CHARACTERS_MAX else f"{fit[: LABEL_CHARACTERS_MAX - 1]}…"
