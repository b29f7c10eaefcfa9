"""A definition to start from, made of what was seen: it is valid, and runs on that very input."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pipeline.core.carried import ROOT
from pipeline.core.expression import Path
from pipeline.sniff.envelope import Fit
from pipeline.sniff.fields import EventSeen, Field, is_private, shown_name
from pipeline.spec.fields import NAME_LENGTH_MAX, NUMBER_MAX, name_of
from pipeline.spec.paths import path_text
from pipeline.spec.problem import Refusal

EVENTS_MAX: Final = 5
INPUTS_MAX: Final = 5  # nobody keeps more in mind
VALUES_MAX: Final = 2
_OFTEN: Final = 0.5  # a number that fewer have is left for people to find
_INTERNAL: Final = re.compile(r"^(\$|\[)|^(identify|alias|group)$")
_TAKEN: Final = frozenset({"active", "weekly_users", "weekly_active_users"})


def starter(product: str, topics: Sequence[str], fit: Fit, seen: Mapping[str, EventSeen]) -> str:
    """The text of a definition. Raises ValueError where there is no event to make it of."""
    chosen = [name for name in seen if not _INTERNAL.search(name) and shown_name(name) == name]
    names = _named(chosen[:EVENTS_MAX])
    if not names:
        raise ValueError("no event has a name that a definition could use")
    has_user = any(seen[name].users for name in names)
    return "\n".join([*_head(product, topics, fit), *_events(names, seen, fit, has_user=has_user)])


def snake(text: str, otherwise: str = "event") -> str:
    """A name of the language that sounds like a text."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()
    found = re.sub(r"[^a-z0-9]+", "_", words).strip("_")
    found = found if re.match(r"[a-z]", found) else f"{otherwise}_{found}".strip("_")
    found = found[: NAME_LENGTH_MAX - 12].strip("_")
    try:
        return name_of(found)
    except Refusal:
        return f"{found}_{otherwise}"


def _named(chosen: Sequence[str]) -> dict[str, str]:
    """Record names → names in the definition, none twice."""
    found: dict[str, str] = {}
    for name in chosen:
        base = snake(name)
        taken = {*found.values(), *_TAKEN}
        more = (base if turn == 1 else f"{base}_{turn}" for turn in range(1, len(chosen) + 5))
        found[name] = next(each for each in more if each not in taken)
    return found


def _head(product: str, topics: Sequence[str], fit: Fit) -> Iterator[str]:
    envelope = fit.preset if fit.spelled_out is None else json.dumps(dict(fit.spelled_out))
    yield "# A start, made of what a sample shows. Say what is of value to people, and rename."
    yield "# The language: definitions/LANGUAGE.md."
    if not fit.with_user:
        yield "# No user was found, so events are counted and nobody is. To count people, say where"
        yield "# the id of a user is, in each event: ids: {user: path.to.its.id}"
    yield "version: 1"
    yield f"product: {snake(product, 'product')}"
    yield ""
    yield f"source: {{topics: [{', '.join(map(json.dumps, topics))}], envelope: {envelope}}}"
    yield ""


def _events(
    names: Mapping[str, str], seen: Mapping[str, EventSeen], fit: Fit, *, has_user: bool
) -> Iterator[str]:
    numbers = {name: dict(_numbers(seen[name], fit)) for name in names}
    yield "events:"
    for name, own in names.items():
        values = ", ".join(f"{key}: {source}" for key, source in numbers[name].items())
        yield f"  {own}:"
        yield f"    name: {json.dumps(name)}"
        yield from ["    ids: [user]"] * has_user
        yield from [f"    values: {{{values}}}"] * bool(values)
    ids = ", ids: [user]" if has_user else ""
    yield f"  active: {{name: [{', '.join(map(json.dumps, names))}]{ids}}}"
    yield ""
    yield from (_with_users() if has_user else _without_users())
    yield from _inputs(names, numbers)


def _with_users() -> Iterator[str]:
    yield "sets:"
    yield "  weekly_users: {of: user, when: count(active) >= 1, window: trailing 7d}"
    yield ""
    yield "metrics:"
    yield from _north_star("size(weekly_users)", "users", "Users who did any of these", "")


def _without_users() -> Iterator[str]:
    yield "metrics:"
    yield from _north_star("count(active)", "events", "Events of these names", "trailing 7d")


def _north_star(value: str, unit: str, what: str, window: str) -> Iterator[str]:
    yield "  weekly_active_users:" if unit == "users" else "  weekly_events:"
    yield f"    definition: {what} in the last seven days. Put here what people get out of it."
    yield "    role: north_star"
    yield f"    value: {value}"
    yield from ([f"    window: {window}"] if window else [])
    yield f"    unit: {unit}"
    yield "    owner: who-answers-for-it"
    yield "    inputs:"


def _inputs(names: Mapping[str, str], numbers: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    metrics = dict(list(_metrics(names, numbers))[:INPUTS_MAX])
    yield from (f"      {name}: hypothesis" for name in metrics)
    for name, value in metrics.items():
        yield f"  {name}:"
        yield "    role: input"
        yield f"    value: {value}"
        yield "    window: trailing 7d"
        yield f"    unit: {'events' if value.startswith('count') else 'units'}"
        yield "    owner: who-answers-for-it"


def _metrics(
    names: Mapping[str, str], numbers: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, str]]:
    yield from ((f"{own}_weekly", f"count({own})") for own in names.values())
    for name, own in names.items():
        for key in numbers[name]:
            yield f"{own}_{key}"[:NAME_LENGTH_MAX].strip("_"), f"sum({own}.{key})"


def _numbers(event: EventSeen, fit: Fit) -> Iterator[tuple[str, str]]:
    """Values that are numbers, in most of an event's records, and no ids."""
    found = [
        (path, field)
        for path, field in event.fields.items()
        if field.types.keys() == {"number"} and field.present >= _OFTEN * event.count
    ]
    usable = [(path, field) for path, field in found if _is_usable(path, fit)]
    taken: set[str] = set()
    for path, field in usable:
        key = snake(path[-1], "value")
        if len(taken) < VALUES_MAX and key not in taken:
            taken.add(key)
            yield key, _source(path, field)


def _is_usable(path: Path, fit: Fit) -> bool:
    nested = len(path) > 1 or not _is_of_a_preset(fit)
    return nested and "*" not in path and path[0] != ROOT and not is_private(path, fit)


def _is_of_a_preset(fit: Fit) -> bool:
    """A tracker keeps what is asked of it within an object; beside it stands its own."""
    return fit.preset not in (None, "kafka")


def _source(path: Path, field: Field) -> Any:  # noqa: ANN401 - a piece of YAML
    text = json.dumps(path_text(path), ensure_ascii=False)
    return f"{{from: {text}, min: -{NUMBER_MAX}}}" if field.negative else text
