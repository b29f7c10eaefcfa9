"""Ids as people know them, for sets whose transitions are told; everybody else has hashes alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.event_batch import Written
from pipeline.core.identity import canonical
from pipeline.core.plan import IdMode, IdSource, Plan

JOIN = ":"  # between the parts of an id, and after the place of one that is not read from the first


def told_ids(plan: Plan) -> frozenset[IdSource]:
    """Where ids stand that somebody is to be told."""
    return frozenset(
        dict(plan.events[feed.event].ids)[feed.text or ""] for feed in plan.feeds if feed.ids
    )


def as_written(columns: Sequence[Sequence[Any]]) -> Written:
    """What stands at the places of an id, as columns that rows can be taken of."""
    return tuple(_objects(column) for column in columns)


def _objects(column: Sequence[Any]) -> NDArray[np.object_]:
    found = np.empty(len(column), np.object_)
    found[:] = column
    return found


def id_texts(source: IdSource, written: Written, chosen: NDArray[np.int64]) -> NDArray[np.bytes_]:
    """The ids of some rows as UTF-8; each of these rows has one, and it is in order."""
    rows = zip(*(column[chosen].tolist() for column in written), strict=True)
    read = _together if source.mode is IdMode.TOGETHER else _first
    return np.array([read(source, row).encode() for row in rows], np.bytes_)


def _together(_: IdSource, row: tuple[Any, ...]) -> str:
    return JOIN.join(canonical(part) or "" for part in row)


def _first(source: IdSource, row: tuple[Any, ...]) -> str:
    """The first that is there; with its place where that is not the usual one, as for the hash."""
    at, found = next((at, part) for at, part in enumerate(row) if part is not None)
    text = canonical(found) or ""
    return text if at == 0 else f"{'.'.join(source.paths[at])}{JOIN}{text}"
