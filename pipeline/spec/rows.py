"""Rows: which of an event's are on their way to which table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.spec.canonical import expression_text

if TYPE_CHECKING:
    from pipeline.core.expression import Expression

Marks = tuple["Expression", ...]
ANYBODY: Final = "*"  # in a key, in place of the entity of a table without entities


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows: of an event, at a level, that meet a condition, for an entity's table."""

    level: int
    event: int
    event_name: str
    where: Expression | None
    entity: str | None
    may_lack_entity: bool = False  # rows without its id come as well
    text: str | None = None  # the key, for the table of texts
    names: bool = False  # of each text the first only, with the text
    ids: bool = False  # with the key as it was written: the id that is called `text`
    marks: Marks = ()  # conditions of which it is kept beside each row whether it meets them

    @property
    def table(self) -> str:
        """The first part of every key: level and entity."""
        return f"{self.level}/{self.entity or ANYBODY}"

    @property
    def origin(self) -> str:
        """The last part of every key: event and condition."""
        where = "" if self.where is None else f"[{expression_text(self.where)}]"
        lacking = " or none" if self.may_lack_entity else ""
        how = "ids of" if self.ids else "names of" if self.names else "by"
        text = "" if self.text is None else f" {how} {self.text}"
        return f"{self.event_name}{where}{text}{lacking}"
