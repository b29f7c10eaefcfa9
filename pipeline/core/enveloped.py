"""What the envelope says of rows: their names, times and message ids."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.core.expression import At, Path
from pipeline.core.identity import message_hashes, together
from pipeline.core.plan import Plan, Value
from pipeline.core.record_shape import Fields, RecordShape, Use, fits
from pipeline.core.timestamps import milliseconds
from pipeline.core.wanted import USE, id_paths, time_places

Flags = NDArray[np.bool_]

_EXACT: Final = range(-(1 << 63), 1 << 64)  # what 64 bits hold, with a sign or without


def fitting(shape: RecordShape, fields: Fields, path: Path, use: Use) -> tuple[list[Any], Flags]:
    """What stands at a path, less what that use cannot read; and where that is."""
    found = fields.at(path)
    misfits = np.zeros(len(found), np.bool_)
    if shape.is_ambiguous(path):
        misfits = np.array([not fits(value, use) for value in found], np.bool_)
        found = [None if misfit else value for value, misfit in zip(found, misfits, strict=True)]
    return found, misfits


def times_of(shape: RecordShape, fields: Fields, value: Value) -> tuple[Flags, NDArray[np.int64]]:
    """Where a value that is a time is written, and what it says; `timestamps.BAD` if it is none."""
    assert isinstance(value.expression, At)
    assert value.time_unit is not None
    written, _ = fitting(shape, fields, value.expression.path, USE[value.expression.kind])
    given = np.array([each is not None for each in written], np.bool_)
    return given, milliseconds(written, value.time_unit)


class Enveloped:
    """Reads what every record of a plan has; of several places the first that is present counts."""

    def __init__(self, plan: Plan, shape: RecordShape) -> None:
        self._envelope = plan.envelope
        self._shape = shape
        units = [time.unit for time in plan.envelope.times]
        self._times = [(*place, unit) for place, unit in zip(time_places(plan), units, strict=True)]
        self._id_paths = frozenset(id_paths(plan))

    def names(self, fields: Fields) -> tuple[Sequence[Any], Flags]:
        """The name of each row, and which are no text."""
        if not self._envelope.names:
            return [self._envelope.constant] * len(fields), np.zeros(len(fields), np.bool_)
        first, *others = self._envelope.names
        names, misnamed = fitting(self._shape, fields, first, Use.TEXT)
        for path in others:
            found, misfits = fitting(self._shape, fields, path, Use.TEXT)
            names = [*map(_first_present, names, found)] if None in names else names
            misnamed |= misfits
        return names, misnamed

    def times_ms(self, fields: Fields) -> NDArray[np.int64]:
        """The time of each row, `timestamps.BAD` where there is none or it cannot be read."""
        (path, use, unit), *others = self._times
        written = fitting(self._shape, fields, path, use)[0]
        times = milliseconds(written, unit)
        for path, use, unit in others:
            if None not in written:
                break
            absent = np.array([value is None for value in written], np.bool_)
            found = fitting(self._shape, fields, path, use)[0]
            times[absent] = milliseconds([*compress(found, absent)], unit)
            written = [*map(_first_present, written, found)]
        return times

    def ids(self, fields: Fields, path: Path) -> list[Any]:
        """What stands at the place of an id; numbers that are exact there are texts."""
        found = fitting(self._shape, fields, path, Use.ID)[0]
        if path not in self._envelope.exact:
            return found
        return [
            str(value) if isinstance(value, int) and value in _EXACT else value for value in found
        ]

    def id_hashes(self, fields: Fields, times_ms: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The hash of each row's message id, 0 where it has none."""
        parts = [self._part_of_id(fields, times_ms, path) for path in self._envelope.id]
        return message_hashes(parts[0] if len(parts) == 1 else together(parts))

    def _part_of_id(self, fields: Fields, times_ms: NDArray[np.int64], path: Path) -> Sequence[Any]:
        if path in self._id_paths:
            return fitting(self._shape, fields, path, Use.ID)[0]
        return self.names(fields)[0] if path in self._envelope.names else times_ms.tolist()


def _first_present(one: object, other: object) -> object:
    return other if one is None else one
