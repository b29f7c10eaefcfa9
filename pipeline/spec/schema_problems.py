"""Data -> `Definition`, with every mistake in our words and as much of the rest as can be read.

What pydantic refuses is reported and taken out of the data, and the rest is read again: a slip in
one metric must not hide the slips in another. What was taken out is marked as broken, so that
nobody complains about its absence.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pipeline.spec.canonical import number_text
from pipeline.spec.described import SECTIONS, field_of, keys_at
from pipeline.spec.problem import Refusal, listed, nearest, suggestion
from pipeline.spec.schema import Definition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from pipeline.spec.findings import Findings
    from pipeline.spec.load import DataPath

PASSES_MAX: Final = 8  # each takes out what the one before found; two do in practice
_PLACEHOLDERS: Final[dict[str, Any]] = {
    "version": 1,
    "product": "product",
    "source": {"topics": ["topic"], "envelope": "segment"},
}
_WANTED: Final = {
    "string_type": "text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_SAME: Final = {
    **dict.fromkeys(("up", "more", "high", "increase", "rising"), "higher"),
    **dict.fromkeys(("down", "less", "low", "decrease", "falling"), "lower"),
    **dict.fromkeys(("sec", "second", "seconds", "epoch", "unix"), "s"),
    **dict.fromkeys(("millis", "millisecond", "milliseconds"), "ms"),
    **dict.fromkeys(("iso8601", "iso-8601", "rfc3339"), "iso"),
    **dict.fromkeys(("critical", "error", "pager"), "page"),
    **dict.fromkeys(("warning", "warn", "info"), "ticket"),
    **dict.fromkeys(("nsm", "north-star", "kpi"), "north_star"),
}


def read_schema(findings: Findings) -> Definition | None:
    """What of a document can be read as a definition; None where a whole section cannot."""
    data = copy.deepcopy(findings.document.data)
    if not isinstance(data, dict):
        findings.refuse((), _wrong_kind((), "a mapping", data))
        return None
    for _ in range(PASSES_MAX):
        try:
            return Definition.model_validate(data)
        except ValidationError as error:
            # a misspelt key explains the one that is missing, so it comes first
            details = sorted(error.errors(include_url=False), key=_is_missing)
            taken_out = [_take_out(data, _report(findings, detail), detail) for detail in details]
            if not all(taken_out):
                return None
    return None


def _report(findings: Findings, detail: ErrorDetails) -> DataPath:
    """Add the problem that a pydantic error stands for, and say where it is."""
    at = _data_path(findings.document.data, detail)
    if not findings.is_broken(*at):
        report = findings.refuse_key if _is_about_key(detail) else findings.refuse
        report(at, _refusal(at, detail))
    if detail["type"] == "extra_forbidden":
        _excuse_meant(findings, at)
    return at


def _excuse_meant(findings: Findings, at: DataPath) -> None:
    """Do not complain about the absence of the key that a misspelt one was meant to be."""
    meant = nearest(str(at[-1]), keys_at(at[:-1]))
    if meant is not None:
        findings.mark_broken((*at[:-1], meant))


def _is_missing(detail: ErrorDetails) -> bool:
    return detail["type"] == "missing"


def _is_about_key(detail: ErrorDetails) -> bool:
    return detail["type"] in ("extra_forbidden", "missing") or "[key]" in detail["loc"]


def _data_path(data: object, detail: ErrorDetails) -> DataPath:
    """A pydantic location without the steps that shorthands and choices add to it."""
    path: list[str | int] = []
    for name in detail["loc"]:
        # an id of a list is read as a key
        is_listed = isinstance(data, list) and isinstance(name, str) and name in data
        step = data.index(name) if is_listed and isinstance(data, list) else name
        children = dict(enumerate(data)) if isinstance(data, list) else data
        if isinstance(children, dict) and step in children:
            data = children[step]
            path.append(step)
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path)


def _take_out(data: dict[str, object], at: DataPath, detail: ErrorDetails) -> bool:
    """Remove from the data what a problem makes useless; False where that is a whole section."""
    if len(at) == 0 or (len(at) == 1 and at[0] in SECTIONS):
        return False
    if at[-2:-1] == ("params",):
        _pop(data, at) if _is_about_key(detail) else _put_placeholder(data, at, 1)
    elif at[0] not in SECTIONS:
        _replace(data, str(at[0]))
    elif _is_about_key(detail) and detail["type"] != "missing":
        _pop(data, at[:-1] if isinstance(at[-1], int) else at)
    elif at[0] == "events" and at[2:3] in (("ids",), ("values",)) and len(at) > 3:  # noqa: PLR2004
        _put_placeholder(data, at[:4], "placeholder")
    else:
        found = field_of(at[:3])
        required = len(at) > 2 and found is not None and found[1].is_required()  # noqa: PLR2004
        _pop(data, at[:2] if required and at[0] != "entities" else at[:3])
    return True


def _replace(data: dict[str, object], key: str) -> None:
    data.pop(key, None)
    if key in _PLACEHOLDERS:
        data[key] = _PLACEHOLDERS[key]


def _put_placeholder(data: object, at: DataPath, placeholder: str | int) -> None:
    """Replace a path, expression or number by one that is right and says nothing."""
    holder = _holder(data, at)
    if holder is not None:
        holder[str(at[-1])] = placeholder


def _pop(data: object, at: DataPath) -> None:
    holder = _holder(data, at)
    if holder is not None:
        holder.pop(str(at[-1]), None)


def _holder(data: object, at: DataPath) -> dict[str, object] | None:
    """The mapping that a key stands in; None where that was taken out already."""
    for step in at[:-1]:
        data = data.get(step) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else None


def _refusal(at: DataPath, detail: ErrorDetails) -> Refusal:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "refusal":
        return _own(context)
    if kind == "missing":
        return Refusal("missing-key", f"{_named_owner(at[:-1])} has no `{at[-1]}`", _example(at))
    if kind == "extra_forbidden":
        return _unknown_key(at)
    if kind == "literal_error":
        return _no_choice(at, detail["input"], str(context["expected"]))
    if kind in _WANTED:
        return _wrong_kind(at, _WANTED[kind], detail["input"])
    return _out_of_bounds(at, context)


def _own(context: Mapping[str, Any]) -> Refusal:
    refusal = context["refusal"]
    assert isinstance(refusal, Refusal)
    return refusal


def _unknown_key(at: DataPath) -> Refusal:
    owner = _owner(at[:-1])
    advice = suggestion(str(at[-1]), keys_at(at[:-1]), f"keys of {owner}")
    return Refusal("unknown-key", f"`{at[-1]}` is no key of {owner}", advice)


def _no_choice(at: DataPath, given: object, expected: str) -> Refusal:
    choices = re.findall(r"'([^']*)'", expected) or [expected]
    near = _choice_meant(str(given).lower(), choices) or nearest(str(given), choices)
    advice = f"Did you mean `{near}`? " if near else ""
    message = f"`{given}` is no choice for {_called(at)}"
    return Refusal("unknown-choice", message, f"{advice}Write {listed(choices, last='or')}.")


def _choice_meant(given: str, choices: list[str]) -> str | None:
    """The one choice that a word begins with or is the beginning of, or another word for it."""
    if given in _SAME and _SAME[given] in choices:
        return _SAME[given]
    alike = [one for one in choices if len(given) > 1 and one.startswith(given)]
    return alike[0] if len(alike) == 1 else None


def _wrong_kind(at: DataPath, wanted: str, given: object) -> Refusal:
    message = f"{_called(at)} has to be {wanted}, not {_kind(given)}"
    is_number = isinstance(given, int | float)
    if at[:1] == ("streams",) and at[-1] == "gap" and is_number:
        message = "`gap` has to be a duration, not a number"
        return Refusal("wrong-kind", message, "Write `gap: 30m`.")
    if wanted == "text" and _is_for_people(at) and is_number:  # true and false are numbers, too
        return Refusal("wrong-kind", message, f'Put it in quotes: "{given}".')
    return Refusal("wrong-kind", message, _meant(at, wanted, given) or _example(at))


def _meant(at: DataPath, wanted: str, given: object) -> str | None:
    """The user's own value in the form that it should have; None where that is not clear."""
    if at[-2:] == ("guard", "baseline") and isinstance(given, int | float):
        return f"Write `baseline: fixed({given})`."
    if at[-1:] == ("inputs",) and isinstance(given, list):
        inputs = ", ".join(f"{one}: hypothesis" for one in given)
        return f"Write `inputs: {{{inputs}}}`."
    if wanted == "a list" and isinstance(given, str):
        return f"Write `{at[-1]}: [{given}]`."
    if at[:1] == ("metrics",) and len(at) == 2 and isinstance(given, str):  # noqa: PLR2004
        value = f"'{given}'" if "," in given else given
        return f"Write `{at[1]}: {{value: {value}}}`."
    return None


def _out_of_bounds(at: DataPath, context: Mapping[str, Any]) -> Refusal:
    if "ge" in context:
        return Refusal(
            "out-of-range", f"{_called(at)} has to be at least {number_text(context['ge'])}"
        )
    if "le" in context:
        return Refusal(
            "out-of-range", f"{_called(at)} has to be at most {number_text(context['le'])}"
        )
    return Refusal("empty", f"{_called(at)} is empty", _example(at))


def _kind(given: object) -> str:
    kinds = {
        bool: "true or false",
        str: "text",
        int: "a number",
        float: "a number with a point",
        list: "a list",
        dict: "a mapping",
    }
    return kinds.get(type(given), "nothing")


def _called(at: DataPath) -> str:
    """A part of a definition, as a sentence names it."""
    if not at:
        return "a definition"
    if isinstance(at[-1], int):
        return f"entry {at[-1] + 1} of {_called(at[:-1])}"
    return f"`{at[-1]}`"


def _owner(at: DataPath) -> str:
    """What the keys of a mapping belong to, as a sentence names it."""
    nouns = {
        "events": "an event", "streams": "a stream", "sets": "a set", "metrics": "a metric",
    }  # fmt: skip
    if len(at) == 2 and at[0] in nouns:  # noqa: PLR2004 - section, name
        return nouns[str(at[0])]
    if len(at) == 3 and at[0] == "entities":  # noqa: PLR2004 - section, entity, attribute
        return "an attribute"
    return _called(at)


def _named_owner(at: DataPath) -> str:
    """The very thing that keys belong to, as a sentence names it."""
    if len(at) == 2 and at[0] in ("events", "streams", "sets", "metrics"):  # noqa: PLR2004 - section, name
        return f"the {str(at[0]).removesuffix('s')} `{at[1]}`"
    return _called(at) if at else "the definition"


def _is_for_people(at: DataPath) -> bool:
    found = field_of(at)
    return found is not None and found[0] in ("label", "definition", "owner", "runbook", "name")


def _example(at: DataPath) -> str:
    found = field_of(at)
    if found is None or not found[1].examples:
        return ""
    return f"For example: `{found[0]}: {found[1].examples[0]}`."
