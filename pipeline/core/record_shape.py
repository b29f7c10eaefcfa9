"""The shape of a record: a typed decoder for just the fields that some metric uses.

The fast way is one msgspec decoder made from the plan; it skips everything else in a record. What
it refuses is read again the slow way, place by place as plain objects, to say why: the record may
be broken, or only carry, under an unknown name, a field of a type that we never read.
Both ways give the same row; a test draws records to hold them to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec

from pipeline.core.carried import Beside, is_bytes, is_carried
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
    a key may be any text. `raws` is the same with every field as it is written. `is_text` says that
    the object may be written as JSON text.
    """

    uses: set[Use] = field(default_factory=set)
    below: dict[str, _Branch] = field(default_factory=dict)
    struct: Any = None
    raws: Any = None
    is_text: bool = False

    def name_of(self, key: str) -> str:
        return f"f{[*self.below].index(key)}"

    def seal(self) -> None:
        """Make the structs, innermost first; a record of which nothing is read has one, too."""
        for child in self.below.values():
            if child.below:
                child.seal()
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
        plain |= {str} if self.is_text else set()
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
        if written.startswith(b"[") or not (self.uses or self.is_text):
            return []
        value = msgspec.json.decode(written)
        if isinstance(value, int):
            _hold_to_a_double(value)
        return self._opened(value) if self.is_text and isinstance(value, str) else value

    def _opened(self, text: str) -> object:
        """The object that a text holds; the text itself, where it holds none."""
        try:
            written = bytes(msgspec.json.decode(text, type=msgspec.Raw))
            return self.plain(written) if written.startswith(b"{") else text
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return text


class RecordShape:
    """Reads records of one plan.

    `names` and `times` are read in every record, and of names the first that is present counts.
    `by_name` says which places a record of each known name is read for: only there a wrong type
    matters. `texts` are the places of objects that may be written as JSON text.
    """

    def __init__(
        self,
        names: Sequence[Path],
        times: Sequence[Place],
        by_name: Mapping[str, frozenset[Place]],
        texts: Sequence[Path] = (),
        constant: str | None = None,
    ) -> None:
        self._names = tuple(names)
        self._constant = constant
        self._by_name = {
            name: frozenset(place for place in places if not is_carried(place[0]))
            for name, places in by_name.items()
        }
        self._root = _Branch()
        places = {(name, Use.TEXT) for name in names}
        places |= {*times, *(place for places in by_name.values() for place in places)}
        for path, use in sorted(place for place in places if not is_carried(place[0])):
            self._branch(path).uses.add(use)
        self._texts = tuple(path for path in texts if self._marked_as_text(path))
        self._root.seal()
        self._decode = _decoder(self._root, self._texts)

    def _marked_as_text(self, path: Path) -> bool:
        """Whether anything is read within an object that may be written as text."""
        branch = self._root
        for key in path:
            if key not in branch.below:
                return False
            branch = branch.below[key]
        branch.is_text = bool(branch.below)
        return branch.is_text

    def _branch(self, path: Path) -> _Branch:
        branch = self._root
        for key in path:
            branch = branch.below.setdefault(key, _Branch())
        return branch

    def is_ambiguous(self, path: Path) -> bool:
        """Whether a place is read in several ways, so that a row may hold what one cannot use."""
        if is_carried(path):
            return is_bytes(path)
        branch = self._branch(path)
        return len(branch.uses) + bool(branch.below) > 1

    def read(
        self, values: Iterable[bytes], beside: Beside | None = None
    ) -> list[Row | Ill | Unreadable]:
        """A row for each record, or why there is none; `beside` is what the log carries of them."""
        rows: list[Row | Ill | Unreadable] = []
        add, decode = rows.append, self._decode
        for value in values:
            try:
                add(decode(value))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                add(self.read_slowly(value, self._told(len(rows), beside)))
        return rows

    def _told(self, row: int, beside: Beside | None) -> dict[Path, Any]:
        """The names that the log has for a record."""
        if beside is None:
            return {}
        return {name: beside.column(name)[row] for name in self._names if is_carried(name)}

    def read_slowly(
        self, value: bytes, told: Mapping[Path, Any] = MappingProxyType({})
    ) -> Row | Ill | Unreadable:
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
        return row if next(self._misfits(record, told), None) is None else Ill(row)

    def misfit(self, value: bytes) -> Path | None:
        """The first place whose value is not of the type that its use asks for.

        None where there is none, or the record cannot be read at all.
        """
        try:
            record = self._root.plain(bytes(msgspec.json.decode(value, type=msgspec.Raw)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return next(self._misfits(record, {}), None) if isinstance(record, dict) else None

    def _misfits(self, record: dict[str, Any], told: Mapping[Path, Any]) -> Iterator[Path]:
        known = {path: told.get(path) for path in self._names if is_carried(path)}
        known |= {path: look_up(record, path) for path in self._names if path not in known}
        ill = [
            path
            for path in self._names
            if not fits(known[path], Use.TEXT) or next(self._unopened_on(path, record), None)
        ]
        if ill:
            yield ill[0]
            return
        written = (known[path] for path in self._names)
        name = next((each for each in written if each is not None), self._constant)
        places = self._by_name.get(name, frozenset()) if isinstance(name, str) else frozenset()
        for path, use in sorted(places):
            if not _readable(record, (path, use)):
                yield path
            yield from self._unopened_on(path, record)

    def _unopened_on(self, path: Path, record: dict[str, Any]) -> Iterator[Path]:
        """The places on the way of a path where text is no object."""
        return (at for at in self._texts if at == path[: len(at)] and _unopened(record, at))

    def fields(self, rows: Sequence[Row], beside: Beside | None = None) -> Fields:
        """What rows hold, place by place, and what the log carries beside them."""
        return Fields(self._root, rows, beside)


class Fields:
    """What rows hold, place by place; the way to an object is gone once for all that is in it."""

    def __init__(self, root: _Branch, rows: Sequence[Row], beside: Beside | None = None) -> None:
        self._objects: dict[Path, tuple[Sequence[Row], _Branch]] = {(): (rows, root)}
        self._beside = beside

    def __len__(self) -> int:
        return len(self._objects[()][0])

    def at(self, path: Path) -> list[Any]:
        """What each row has at a path, None where that is absent."""
        if is_carried(path):
            assert self._beside is not None
            return self._beside.column(path)
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


def _decoder(root: _Branch, texts: Sequence[Path]) -> Callable[[bytes], Row]:
    """What makes a record a row, the fast way."""
    decode: Callable[[bytes], Row] = msgspec.json.Decoder(root.struct).decode
    if not texts:
        return decode
    openings = [_Opening(root, path) for path in texts]

    def opened(value: bytes) -> Row:
        row = decode(value)
        for opening in openings:
            opening.of(row)
        return row

    return opened


class _Opening:
    """Puts an object in the place of the JSON text that it was written as."""

    def __init__(self, root: _Branch, path: Path) -> None:
        branch, names = root, []
        for key in path:
            names.append(branch.name_of(key))
            branch = branch.below[key]
        *self._above, self._name = names
        self._decode = msgspec.json.Decoder(branch.struct).decode

    def of(self, row: Row) -> None:
        """Open what is text. Raises msgspec's errors where it is not the object that is read."""
        for name in self._above:
            row = getattr(row, name, None)
        found = getattr(row, self._name, None)
        if found.__class__ is str:
            setattr(row, self._name, self._decode(found))


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


def _unopened(record: dict[str, Any], path: Path) -> bool:
    """Whether text that is no object, nor empty, stands where an object may be written as text."""
    return look_up(record, path) not in (None, "") and isinstance(look_up(record, path), str)


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
