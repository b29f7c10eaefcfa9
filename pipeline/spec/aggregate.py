"""Aggregates: `count(viewed, where=seconds > 30, window="trailing 28d")`, in sets and metrics."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.spec import growth, habits, measures
from pipeline.spec.as_of import Split, split
from pipeline.spec.attributes import what_is
from pipeline.spec.findings import Broken
from pipeline.spec.parts import part_of_event, part_of_set, part_of_stream
from pipeline.spec.problem import Refusal, a, listed, nearest
from pipeline.spec.spans import window_of
from pipeline.spec.syntax import place_of

if TYPE_CHECKING:
    from pipeline.core.windows import Window
    from pipeline.spec.parts import Home

IN_SETS: Final = ("count", "sum", "distinct", *habits.FORMS)
IN_METRICS: Final = (
    *("count", "sum", "mean", "distinct", "sum_distinct", "size", "cohort"),
    *measures.FORMS,
    *growth.FORMS,
)
OF_SETS: Final = ("size", "cohort", *growth.FORMS)
REACHED: Final = "reached"  # of streams, in metrics
_OPTIONS: Final = ("where", "window", "other_than", "within")
_OPTIONS_OF: Final = {
    **habits.OPTIONS,
    **measures.OPTIONS,
    **dict.fromkeys(growth.FORMS, ("period",)),
}
_OF_TWO: Final = ("quantile", REACHED, *growth.FORMS)
_FORMS: Final = {
    "count": "count(event)",
    "sum": "sum(event.value)",
    "mean": "mean(event.value)",
    "distinct": "distinct(event.entity)",
    "sum_distinct": "sum_distinct(event.entity, within=set)",
    "size": "size(set)",
    "cohort": "cohort(set)",
    **habits.FORMS,
    **measures.FORMS,
    **growth.FORMS,
    "reached": "reached(sequence, 2)",
}
_SYNONYMS: Final = {
    "average": "mean", "avg": "mean", "total": "sum", "unique": "distinct", "len": "size",
    "uniq": "distinct", "count_distinct": "distinct", "minimum": "min", "maximum": "max",
    "percentile": "quantile", "p95": "quantile", "approx_count_distinct": "approx_distinct",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One call, its names looked up.

    `subject` is an event, a set where `is_of_set`, or a stream where `is_of_stream`. `part` is the
    value or column of a sum or mean, the entity of a distinct, the attribute of a roll-up; else
    None. `window` is None for sets and habits, `period_ms` is that of a set's growth. `steps` is
    for `reached`. `share` is the q of a quantile, the threshold of a csat, the share of a top
    share; `by` is whose.
    """

    node: ast.Call
    function: str
    subject: str
    is_of_set: bool
    part: str | None = None
    where: ast.expr | None = None
    window: Window | None = None
    other_than: str | None = None
    habit: habits.Habit | None = None
    period_ms: int | None = None
    is_of_stream: bool = False
    steps: int | None = None
    share: float | None = None
    by: str | None = None
    within: str | None = None  # the set whose members a distinct is about
    known_of: str | None = None  # the entity that `states` are about
    states: tuple[ast.expr, ...] = ()  # what of `where` is about it, as of the event's time


def read_aggregate(home: Home, node: ast.Call) -> Aggregate:
    """Read a call.

    Raises:
        Refusal: pointing at the part that is wrong.
        Broken: for a name that has a problem of its own.
    """
    function = _function(home, node)
    argument = _argument(home, node, function)
    subject = (place_of(argument) or ("",))[0]
    options = _options(home, node, _OPTIONS_OF.get(function, _OPTIONS))
    section = home.names.section_of(subject)
    with home.code.pointing_at(argument):
        if section == "events":
            part = part_of_event(home, function, argument)
        elif section == "sets":
            part = part_of_set(home, function, argument)
        elif section == "streams":
            part = part_of_stream(home, function, argument)
        else:
            wanted = ("sets",) if function in OF_SETS else ("events",)
            raise home.names.unknown(subject, *wanted, *_also(home, function))
    if section == "sets":
        period_ms = _period_ms(home, node, options.pop("period", None))
        _refuse_options(home, options, function, subject)
        return Aggregate(node, function, subject, is_of_set=True, part=part, period_ms=period_ms)
    where = options["where"].value if "where" in options else None
    parted = split(home, function, where) if section == "events" else Split(where)
    where = parted.where
    if parted.entity is not None:
        _check_known(home, node, subject, part, parted)
    if function in habits.FORMS:
        habit = habits.read_habit(home.code, home.names, node, function, options)
        return Aggregate(node, function, subject, is_of_set=False, where=where, habit=habit)
    return Aggregate(
        node,
        function,
        subject,
        is_of_set=False,
        part=part,
        where=where,
        window=_window(home, node, options.get("window")),
        other_than=_other_than(home, function, part, options.get("other_than")),
        within=_within(home, node, function, subject, options.get("within")),
        known_of=parted.entity,
        states=parted.states,
        is_of_stream=section == "streams",
        steps=_steps(home, node) if function == REACHED else None,
        share=measures.asked_share(home, node, function),
        by=measures.asked_by(home, node, function, subject),
    )


def _period_ms(home: Home, node: ast.Call, option: ast.keyword | None) -> int | None:
    """The period of a set's growth, None where it is left to the set."""
    given = [*node.args[1:], *([] if option is None else [option.value])]
    if len(given) > 1:
        message = "the period stands here a second time"
        raise home.code.refusal(given[1], "bad-aggregate", message, "Keep one.")
    return growth.period_ms_of(home.code, given[0]) if given else None


def _check_known(home: Home, node: ast.Call, event: str, part: str | None, parted: Split) -> None:
    """Refuse what cannot be told by what an entity was."""
    with home.code.pointing_at(node):
        home.names.check_carries(event, parted.entity or "")
        if any(keyword.arg == "within" for keyword in node.keywords):
            message = f"`within` does not go with what {a(parted.entity or '')} was"
            raise Refusal("bad-aggregate", message, "Leave out one of the two.")
        is_distinct = isinstance(node.func, ast.Name) and node.func.id == "distinct"
        if home.entity is None and is_distinct and part != parted.entity:
            raise Refusal(
                "bad-aggregate",
                f"with what {a(parted.entity or '')} was, a metric tells no other ids apart",
                f"Write `distinct({event}.{parted.entity})`, or count.",
            )


def _also(home: Home, function: str) -> tuple[str, ...]:
    """The other section that the function takes names of."""
    return ("sets",) if function == "count" and home.entity is not None else ()


def _function(home: Home, node: ast.Call) -> str:
    known = IN_METRICS if home.entity is None else IN_SETS
    name = node.func.id if isinstance(node.func, ast.Name) else home.code.written(node.func)
    if name in known or (name == REACHED and home.entity is None):
        return name
    if name in OF_SETS:
        message = f"`{name}` is for metrics, which are about everybody"
        advice = "A set counts members of another one by what they are: `count(set.attribute) >= 1`"
        advice += ", with an attribute that leads to an entity of this set."
        raise home.code.refusal(node.func, "unknown-function", message, advice)
    near = _SYNONYMS.get(name.lower()) or nearest(name, known)
    message = f"there is no function `{name}` in {'a metric' if home.entity is None else 'a set'}"
    advice = f"Did you mean `{near}`? " if near in known else ""
    forms = listed((_FORMS[function] for function in known), last="or")
    raise home.code.refusal(node.func, "unknown-function", message, f"{advice}Write {forms}.")


def _argument(home: Home, node: ast.Call, function: str) -> ast.expr:
    form = _form(home, function)
    if not node.args:
        message = f"`{function}` says nothing of what to look at"
        raise home.code.refusal(node, "bad-aggregate", message, f"Write `{form}`.")
    if len(node.args) > (2 if function in _OF_TWO else 1):
        instead = form if function in _OPTIONS_OF else f'{form[:-1]}, where=…, window="…")'
        raise home.code.refusal(
            node.args[-1],
            "bad-aggregate",
            f"`{function}` takes one thing; all else needs its name",
            f"Write `{instead}`.",
        )
    place = place_of(node.args[0])
    longest = 3 if place and home.names.section_of(place[0]) == "streams" else 2
    if place is None or len(place) > longest:  # stream.part.value, event.value
        message = f"`{function}` takes a name, not `{home.code.written(node.args[0])}`"
        advice = f"Write `{form}`; arithmetic belongs in the event's `values`."
        raise home.code.refusal(node.args[0], "bad-aggregate", message, advice)
    return node.args[0]


def _steps(home: Home, node: ast.Call) -> int:
    """How many steps a `reached` asks for."""
    match node.args:
        case [_, ast.Constant(value=int() as steps)] if not isinstance(steps, bool) and steps > 0:
            of = home.names.stream((place_of(node.args[0]) or ("",))[0]).sequence or {}
            if steps <= len(of):
                return steps
            message = f"there are {len(of)} steps, not {steps}"
        case _:
            message = "`reached` does not say how many steps"
    advice = "Write the number of steps: `reached(checkout, 2)`."
    raise home.code.refusal(node.args[-1], "bad-aggregate", message, advice)


def _form(home: Home, function: str) -> str:
    """How to write the function, in a set or in a metric."""
    return _FORMS[function] if home.entity is None else _FORMS[function].replace("entity", "other")


def _options(home: Home, node: ast.Call, known: tuple[str, ...]) -> dict[str, ast.keyword]:
    options = {}
    for keyword in node.keywords:
        if keyword.arg not in known:
            near = nearest(keyword.arg or "", known)
            meant = f"Did you mean `{near}`? " if near else ""
            raise home.code.refusal(
                keyword,
                "bad-aggregate",
                f"`{keyword.arg or '**'}` is no option of an aggregate",
                f"{meant}The options are {listed(known)}.",
            )
        if keyword.arg in options:
            message = f"`{keyword.arg}` stands here a second time"
            advice = "Join two conditions with `and`." if keyword.arg == "where" else "Keep one."
            raise home.code.refusal(keyword, "bad-aggregate", message, advice)
        options[keyword.arg] = keyword
    return options


def _refuse_options(
    home: Home, options: dict[str, ast.keyword], function: str, subject: str
) -> None:
    for name, keyword in options.items():
        raise home.code.refusal(
            keyword,
            "bad-aggregate",
            f"`{function}` of a set takes no `{name}`",
            f"Membership of `{subject}` has its own; write it there.",
        )


def _window(home: Home, node: ast.Call, option: ast.keyword | None) -> Window | None:
    if option is not None:
        value = option.value.value if isinstance(option.value, ast.Constant) else None
        if not isinstance(value, str):
            message, advice = "`window` takes a text", 'Write `window="trailing 7d"`.'
            raise home.code.refusal(option.value, "bad-window", message, advice)
        with home.code.pointing_at(option.value), home.code.within_quotes(option.value):
            return window_of(value, home.names.zone)
    home.uses_window = True
    if home.is_window_broken:
        raise Broken
    if home.window is None:
        raise home.code.refusal(
            node,
            "window-missing",
            f"nothing says which span `{home.code.written(node)}` looks at",
            'Add `window: trailing 7d` below, or `window="trailing 7d"` within the parentheses.',
        )
    return home.window


def _other_than(
    home: Home, function: str, part: str | None, option: ast.keyword | None
) -> str | None:
    if option is None:
        return None
    if home.entity is None or function != "distinct":
        raise home.code.refusal(
            option,
            "bad-aggregate",
            "`other_than` is for `distinct` in a set only",
            "Remove it, or make a set of it.",
        )
    name = option.value.id if isinstance(option.value, ast.Name) else ""
    if name == home.entity:
        return name
    with home.code.pointing_at(option.value):
        attribute = home.names.attribute(home.entity, name)
        if attribute.is_ != part:
            raise Refusal(
                "wrong-attribute",
                f"`{name}` of {a(home.entity)} is {what_is(attribute)}, not {a(part or '')}",
                f"Take an attribute that is {a(part or '')}, or `other_than={home.entity}`.",
            )
    return name


def _within(
    home: Home, node: ast.Call, function: str, event: str, option: ast.keyword | None
) -> str | None:
    """The set that a distinct of a metric is about; the event carries its entity too."""
    if option is None:
        if function == "sum_distinct":
            message = "`sum_distinct` does not say over whose members it adds up"
            advice = f"Write `{_FORMS[function]}`, or `distinct` for how many there are in all."
            raise home.code.refusal(node, "bad-aggregate", message, advice)
        return None
    if home.entity is not None or function not in ("distinct", "sum_distinct"):
        raise home.code.refusal(
            option,
            "bad-aggregate",
            "`within` is for `distinct` and `sum_distinct` in a metric only",
            "Remove it.",
        )
    name = option.value.id if isinstance(option.value, ast.Name) else ""
    with home.code.pointing_at(option.value):
        if home.names.section_of(name) != "sets":
            raise home.names.unknown(name or home.code.written(option.value), "sets")
        home.names.check_carries(event, home.names.set(name).of)
    return name
