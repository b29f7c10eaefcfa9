"""What each place and value of an event is: number, text or truth, told from its uses.

A definition never declares kinds. Every use asks for one, places that are compared with each other
have one kind between them, and a place that is asked for two is an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.core.expression import Kind
from pipeline.spec.problem import Refusal

if TYPE_CHECKING:
    from pipeline.core.expression import Path

_ARTICLES: Final = {
    Kind.NUMBER: "a number",
    Kind.TEXT: "text",
    Kind.TRUTH: "true or false",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A path of the record (`is_value` False), or one of the event's values."""

    path: Path
    is_value: bool


@dataclass(frozen=True, slots=True)
class Use:
    """Why a place has a kind, and in which line of the file that stands."""

    kind: Kind
    line: int


class Kinds:
    """The kinds of one event's places and values."""

    def __init__(self) -> None:
        self._same: dict[Place, Place] = {}
        self._uses: dict[Place, Use] = {}

    def ask(self, place: Place, use: Use) -> None:
        """Note a use.

        Raises:
            Refusal: where another use asks for another kind.
        """
        root = self._root(place)
        other = self._uses.setdefault(root, use)
        if other.kind is not use.kind:
            raise _conflict(place, use.kind, other)

    def unite(self, one: Place, other: Place) -> None:
        """Note that two places are of one kind.

        Raises:
            Refusal: where their uses ask for different ones.
        """
        root, second = self._root(one), self._root(other)
        if root == second:
            return
        use = self._uses.pop(second, None)
        self._same[second] = root
        if use is not None:
            mine = self._uses.setdefault(root, use)
            if mine.kind is not use.kind:
                raise _conflict(one, use.kind, mine)

    def kind(self, place: Place) -> Kind | None:
        """The kind that the uses have agreed on; None for a place that nothing asks about."""
        use = self._uses.get(self._root(place))
        return None if use is None else use.kind

    def _root(self, place: Place) -> Place:
        while place in self._same:
            place = self._same[place]
        return place


def called(kind: Kind) -> str:
    """A kind in a sentence."""
    return _ARTICLES[kind]


def _conflict(place: Place, kind: Kind, other: Use) -> Refusal:
    name = ".".join(place.path)
    return Refusal(
        "kind-conflict",
        f"`{name}` is used as {called(kind)} here, "
        f"but as {called(other.kind)} in line {other.line}",
        "Use it in one way; a place of the record is a number, text, or true or false.",
    )
