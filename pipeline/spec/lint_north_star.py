"""Is it a North Star at all? Known kinds of metrics that are none, by word and by form.

The words are looked for in the name, in the label, and in what the definition names first: "Page
views of signed-in people" is about page views, "People who read what they viewed" is not.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pipeline.core.formula import OfTerm
from pipeline.core.plan import MemoryKind, TermKind
from pipeline.core.sets import AtLeast
from pipeline.core.tree import Role
from pipeline.core.windows import DAY_MS, Calendar, Trailing, Unit
from pipeline.spec.fields import date_of
from pipeline.spec.lint_tree import north_star_of
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from pipeline.core.plan import Event, Plan, Term
    from pipeline.core.windows import Window
    from pipeline.spec.findings import Findings
    from pipeline.spec.schema import Definition, MetricSource

CHANGE_MIN: Final = timedelta(days=183)  # half a year: a North Star that moves guides nobody


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of metric that is no North Star, the words it goes by, and what to do instead."""

    lint: str
    words: re.Pattern[str]
    why: str
    advice: str


_VANITY: Final = _Kind(
    "vanity-north-star",
    re.compile(
        r"\b(registered|registrations?|sign ?ups?|signed up|total users|all users"
        r"|(total|all|open|new|created) accounts|accounts? (created|opened)"
        r"|(page|screen) ?views?|impressions?|hits|visits?|visitors?|clicks?|followers?|likes?"
        r"|downloads?|downloaded|installs?|installations?|installed|app opens?|log ?ins?"
        r"|time (spent|on|in) \w*|session (length|duration)"
        r"|(daily|weekly|monthly) active (users?|people|customers?|accounts?|members?)"
        r"|[dwm]aus?)\b"
    ),
    "rises without anybody being better off: a vanity metric",
    "Count who got what the product promises: an act that is of value, how often, and within "
    "which window.",
)
_LAGGING: Final = _Kind(
    "lagging-north-star",
    re.compile(
        r"\b(revenues?|mrr|arr|churn(ed)?|turnover|profits?|sales|gmv|ltv|clv|arpu|income"
        r"|lifetime value|margins?|earnings|market share)\b"
    ),
    "is a result: when it moves, it is too late to act",
    "Make it `role: result`, and take as North Star what customers do before it moves.",
)
_LIFELONG: Final = re.compile(
    r"\b(life ?long|for life|lifetime|forever|all time|permanent(ly)?|eternal|loyal for ever)\b"
)
_PRESENCE: Final = re.compile(
    r"\b(page|screen|app|site|session|account|user|log)s? ?"
    r"(view(ed|s)?|open(ed|s)?|visit(ed|s)?|start(ed|s)?|created?|register(ed)?|in|install(ed|s)?)\b"
    r"|\b(sign(ed)? ?(up|in)|logged in|registered|downloaded|installed|visited|clicked)\b"
)
_VERB: Final = re.compile(
    r"(it |this )?(tracks?|measures?|monitors?|shows?|looks? at|watch(es)?|reports?|captures?)\b"
)
_SPAN_OR_NUMBER: Final = re.compile(
    r"\d|\b(one|once|two|twice|three|four|five|six|seven|ten|seconds?|minutes?|hours?|days?|daily"
    r"|weeks?|weekly|fortnight|months?|monthly|quarters?|years?|today|yesterday|now)\b"
)


def lint_north_star(plan: Plan, definition: Definition, findings: Findings) -> None:
    """Report what is known to make a bad North Star, or a bad input."""
    name, star = north_star_of(definition)
    words = _words(name, star)
    lagging = _LAGGING.words.search(words)
    lifelong = None if lagging else _LIFELONG.search(words)
    if lagging or re.fullmatch(r"[A-Z]{3}", star.unit):
        _warn(name, lagging[0] if lagging else star.unit, _LAGGING, findings)
    elif vanity := _VANITY.words.search(words) or _vanity_form(plan):
        said = vanity if isinstance(vanity, str) else vanity[0]
        _warn(name, said, _VANITY, findings)
    if lifelong:
        _warn_lifelong(name, lifelong[0], findings)
    for other, metric in definition.metrics.items():
        if metric.role == "input" and (found := _LIFELONG.search(_words(other, metric))):
            _warn_lifelong(other, found[0], findings)
        _vague(other, metric, findings)
    _changed_again(name, definition, findings)


def _words(name: str, metric: MetricSource) -> str:
    """What a metric is called, and what its definition names first; in small letters."""
    first = re.split(r"\b(?:who|that|which|whose|with|where|for|of)\b|[.,;:(]", metric.definition)[
        0
    ]
    called = f"{name} . {metric.label or ''} . {first}".lower()
    return re.sub(r"[-_\s]+", " ", called)


def _warn(name: str, said: str, kind: _Kind, findings: Findings) -> None:
    message = f"`{name}` ({said.strip()}) {kind.why}"
    findings.warn(("metrics", name), Refusal(kind.lint, message, kind.advice))


def _warn_lifelong(name: str, said: str, findings: Findings) -> None:
    refusal = Refusal(
        "unmeasurable-metric",
        f"`{name}` ({said}) cannot be measured within any window, and nobody can act on it in time",
        "Measure what comes before it and can be counted within a window: who did what, how "
        "often, in the last seven or 28 days.",
    )
    findings.warn(("metrics", name), refusal)


def _vague(name: str, metric: MetricSource, findings: Findings) -> None:
    """`Tracks subscribers who share`: how often, and within which time?"""
    text = metric.definition.strip()
    if metric.role not in ("north_star", "input") or not _VERB.match(text.lower()):
        return
    if _SPAN_OR_NUMBER.search(text.lower()):
        return
    refusal = Refusal(
        "vague-definition",
        f"the definition of `{name}` says neither how often nor within which time",
        "Name who counts, from how many of what, and within which window: "
        "`Subscribers who shared at least two articles in the last seven days.`",
    )
    findings.warn(("metrics", name, "definition"), refusal)


def _vanity_form(plan: Plan) -> str | None:
    """What makes the North Star a vanity metric, whatever it is called; None if nothing does."""
    star = next(metric for metric in plan.metrics if metric.role is Role.NORTH_STAR)
    if not isinstance(star.value, OfTerm):
        return None
    term = plan.terms[star.value.term]
    seen = _seen(plan, term)
    if seen is None:
        return None
    event, window, is_filtered = seen
    if all(_PRESENCE.search(_spoken(name)) for name in event.record_names):
        return f"nothing but `{event.record_names[0]}`"
    if term.kind is not TermKind.PANES and not is_filtered and _is_a_day(window):
        return "whoever did it once a day"
    return None


def _seen(plan: Plan, term: Term) -> tuple[Event, Window | None, bool] | None:
    """The one event that a term counts or wants to see once, its window, and if with a `where`."""
    memory, window = term.memory, term.windows[0] if term.windows else None
    if term.set is not None:
        when = plan.sets[term.set].when
        if not isinstance(when, AtLeast) or when.threshold > 1:
            return None
        memory, window = when.memory, when.window
    if memory is None or plan.memories[memory].kind is MemoryKind.TOP_K:
        return None
    feed = plan.memories[memory].feed
    if feed is None:
        return None
    event = plan.events[plan.feeds[feed].event]
    return event, window, plan.feeds[feed].where is not None or event.where is not None


def _spoken(name: str) -> str:
    """`PageViewed`, `page_viewed` and `Page Viewed` alike."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[^a-z]+", " ", apart.lower())


def _is_a_day(window: Window | None) -> bool:
    if isinstance(window, Trailing):
        return window.size_ms <= DAY_MS
    return isinstance(window, Calendar) and window.unit is Unit.DAY


def _changed_again(name: str, definition: Definition, findings: Findings) -> None:
    star = definition.metrics[name]
    before = definition.metrics.get(star.replaces or "")
    if before is None:
        return
    if star.since is None:
        message = f"`{name}` replaces `{star.replaces}`, but nothing says since when"
        advice = "Add `since:` with the day."
        findings.warn(("metrics", name, "replaces"), Refusal("since-missing", message, advice))
    elif before.since is not None:
        held = date_of(star.since) - date_of(before.since)
        if held < CHANGE_MIN:
            refusal = Refusal(
                "north-star-changed",
                f"`{star.replaces}` was the North Star for {held.days} days only",
                "Keep a North Star for half a year at least: teams need that long to move it. "
                "Try the new one beside it, as a `reference`, until then.",
            )
            findings.warn(("metrics", name, "replaces"), refusal)
