"""The shape of a record: a typed decoder for just the fields that some metric uses.

The fast way is one msgspec decoder made from the plan; it skips everything else in a record. What
it refuses is read again the slow way, place by place as plain objects, to say why: the record may
be broken, or only carry, under an unknown name, a field of a type that we never read.
Both ways give the same row; a test draws records to hold them to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec

from pipeline.core.expression import Path
from pipeline.core.records import Reason


class Use(StrEnum):
    """What a place of the record is read as."""

    ID = "id"
    NUMBER = "number"
    TEXT = "text"
    TRUTH = "truth"


_TYPES: Final[Mapping[Use, tuple[type, ...]]] = {
    Use.ID: (str, int),
    Use.NUMBER: (float, int),
    Use.TEXT: (str,),
    Use.TRUTH: (bool,),
}

# Whole numbers beyond 64 bits are left to the slow way, which knows those beyond a double.
_WHOLE: Final = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]

Place = tuple[Path, Use]
Row = Any  # an instance of the struct that stands for the record


def fits(value: object, use: Use) -> bool:
    """Whether a value, if present, may be read that way; whole numbers pass as numbers and ids."""
    if isinstance(value, bool):
        return use is Use.TRUTH
    return value is None or isinstance(value, _TYPES[use])


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that never becomes a row."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Ill:
    """A row with a field that is not of the type its use asks for; that field is left empty."""

    row: Row


@dataclass(slots=True)
class _Branch:
    """What is read below one key: the uses of the value itself, and further keys.

    `struct` stands for the object here, with one field for each key below, named f0, f1, … since
    a key may be any text. `raws` is the same with every field as it is written.
    """

    uses: set[Use] = field(default_factory=set)
    below: dict[str, _Branch] = field(default_factory=dict)
    struct: Any = None
    raws: Any = None

    def name_of(self, key: str) -> str:
        return f"f{[*self.below].index(key)}"

    def seal(self) -> None:
        """Make the structs, innermost first."""
        for child in self.below.values():
            child.seal()
        if self.below:
            fields = [(self.name_of(key), child.type, None) for key, child in self.below.items()]
            renamed = {self.name_of(key): key for key in self.below}
            self.struct = msgspec.defstruct("Record", fields, rename=renamed, gc=False)
            written = [(name, msgspec.Raw, _NULL) for name in renamed]
            self.raws = msgspec.defstruct("Raws", written, rename=renamed, gc=False)

    @property
    def type(self) -> Any:  # noqa: ANN401 - a type made at run time
        """What msgspec may find here."""
        found: Any = None if self.struct is None else self.struct | None
        # A float alone takes whole numbers too; beside an id the two stay apart.
        plain = {kind for use in self.uses for kind in _TYPES[use]}
        if Use.ID not in self.uses:
            plain.discard(int)
        for kind in sorted(plain, key=str):
            found = (_WHOLE if kind is int else kind) | found
        return found

    def plain(self, written: bytes) -> object:
        """What is written here as plain objects, without what nobody reads.

        Raises:
            msgspec.MsgspecError: when a number that is read is beyond a double.
        """
        if written.startswith(b"{"):
            raws = msgspec.json.decode(written, type=self.raws) if self.below else None
            return {
                key: child.plain(bytes(getattr(raws, self.name_of(key))))
                for key, child in self.below.items()
            }
        if written.startswith(b"[") or not self.uses:
            return []
        value = msgspec.json.decode(written)
        if isinstance(value, int):
            _hold_to_a_double(value)
        return value


class RecordShape:
    """Reads records of one plan.

    `name` and `time` are read in every record. `by_name` says which places a record of each known
    name is read for: only there a wrong type matters.
    """

    def __init__(self, name: Path, time: Place, by_name: Mapping[str, frozenset[Place]]) -> None:
        self._name = name
        self._by_name = by_name
        self._root = _Branch()
        places: set[Place] = {(name, Use.TEXT), time, *(p for ps in by_name.values() for p in ps)}
        for path, use in sorted(places):
            self._branch(path).uses.add(use)
        self._root.seal()
        self._decode = msgspec.json.Decoder(self._root.struct).decode

    def _branch(self, path: Path) -> _Branch:
        branch = self._root
        for key in path:
            branch = branch.below.setdefault(key, _Branch())
        return branch

    def is_ambiguous(self, path: Path) -> bool:
        """Whether a place is read in several ways, so that a row may hold what one cannot use."""
        branch = self._branch(path)
        return len(branch.uses) + bool(branch.below) > 1

    def read(self, values: Iterable[bytes]) -> list[Row | Ill | Unreadable]:
        """A row for each record, or why there is none."""
        rows: list[Row | Ill | Unreadable] = []
        add, decode = rows.append, self._decode
        for value in values:
            try:
                add(decode(value))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                add(self.read_slowly(value))
        return rows

    def read_slowly(self, value: bytes) -> Row | Ill | Unreadable:
        """The same for one record, by way of plain objects."""
        try:
            written = bytes(msgspec.json.decode(value, type=msgspec.Raw))
            record = self._root.plain(written)
        except RecursionError:
            return Unreadable(Reason.TOO_DEEP)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return Unreadable(Reason.INVALID_JSON)
        if not isinstance(record, dict):
            return Unreadable(Reason.NOT_OBJECT)
        row = _filled(self._root, record)
        return row if next(self._misfits(record), None) is None else Ill(row)

    def misfit(self, value: bytes) -> Path | None:
        """The first place whose value is not of the type that its use asks for.

        None where there is none, or the record cannot be read at all.
        """
        try:
            record = self._root.plain(bytes(msgspec.json.decode(value, type=msgspec.Raw)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return next(self._misfits(record), None) if isinstance(record, dict) else None

    def _misfits(self, record: dict[str, Any]) -> Iterator[Path]:
        if not _readable(record, (self._name, Use.TEXT)):
            yield self._name
            return
        name = look_up(record, self._name)
        places = self._by_name.get(name, frozenset()) if isinstance(name, str) else frozenset()
        yield from (path for path, use in sorted(places) if not _readable(record, (path, use)))

    def fields(self, rows: Sequence[Row]) -> Fields:
        """What rows hold, place by place."""
        return Fields(self._root, rows)


class Fields:
    """What rows hold, place by place; the way to an object is gone once for all that is in it."""

    def __init__(self, root: _Branch, rows: Sequence[Row]) -> None:
        self._objects: dict[Path, tuple[Sequence[Row], _Branch]] = {(): (rows, root)}

    def at(self, path: Path) -> list[Any]:
        """What each row has at a path, None where that is absent."""
        *above, key = path
        objects, branch = self._objects_at(tuple(above))
        return list(map(attrgetter(branch.name_of(key)), objects))

    def _objects_at(self, path: Path) -> tuple[Sequence[Row], _Branch]:
        if path not in self._objects:
            *above, key = path
            objects, branch = self._objects_at(tuple(above))
            child = branch.below[key]
            struct, nothing = child.struct, child.struct()
            found = map(attrgetter(branch.name_of(key)), objects)
            below = [at if at.__class__ is struct else nothing for at in found]
            self._objects[path] = below, child
        return self._objects[path]


_NULL: Final = msgspec.Raw(b"null")


def _hold_to_a_double(value: int) -> None:
    try:
        float(value)
    except OverflowError as error:
        raise msgspec.ValidationError("a number beyond a double") from error


def look_up(record: object, path: Path) -> object:
    """What stands at a path, None where it is absent: also where the way there is no object."""
    for key in path:
        if not isinstance(record, dict):
            return None
        record = record.get(key)
    return record


def _readable(record: dict[str, Any], place: Place) -> bool:
    path, use = place
    return fits(look_up(record, path), use)


def _filled(branch: _Branch, record: dict[str, Any]) -> Row:
    """A row from plain objects; what no use could read stays empty."""
    fields = {}
    for key, child in branch.below.items():
        value = record.get(key)
        if isinstance(value, dict):
            if child.below:
                fields[branch.name_of(key)] = _filled(child, value)
        elif any(fits(value, use) for use in child.uses):
            fields[branch.name_of(key)] = value
    return branch.struct(**fields)
