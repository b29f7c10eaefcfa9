"""Pending: rows that wait for the tick that may see them.

They are kept in pieces, each with the span of moments at which its rows become visible. A tick
takes most pieces whole and leaves most others alone; only those that it falls into are cut.

A quiet stream comes in slivers, a few rows a poll: short pieces that follow each other are joined
when there are many of a size, as the runs of a ledger are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.core.match import Rows, joined

Span = tuple[int, int]  # of moments in milliseconds, the last included


_JOINED: Final = 16  # pieces of one tier
_LONG: Final = 2_048  # rows, from which on a piece is as good as any


@dataclass(slots=True)
class _Piece:
    """Rows, none of which is visible before `first_ms` or later than `last_ms`."""

    rows: Rows
    first_ms: int
    last_ms: int
    tier: int = 0


class Pending:
    """Rows by feed. `len` is how many there are."""

    def __init__(self) -> None:
        self._pieces: dict[int, list[_Piece]] = defaultdict(list)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, feed: int, rows: Rows, visible_ms: Span | None = None) -> None:
        """Add rows that become visible within a span; it is looked up where it is not given."""
        if len(rows):
            visible_ms = visible_ms or (int(rows.visible_ms.min()), int(rows.visible_ms.max()))
            self._count += len(rows)
            pieces = self._pieces[feed]
            pieces.append(_Piece(rows, *visible_ms))
            while len(pieces) >= _JOINED and pieces[-_JOINED].tier == pieces[-1].tier:
                if len(pieces[-1].rows) >= _LONG:
                    break
                pieces[-_JOINED:] = [_one_of(pieces[-_JOINED:])]

    def take(self, before_ms: int) -> Iterator[tuple[int, Rows]]:
        """Take out, feed by feed, what is visible before a moment."""
        for feed, pieces in self._pieces.items():
            taken, left = [], []
            for piece in pieces:
                if piece.first_ms >= before_ms:
                    left.append(piece)
                elif piece.last_ms < before_ms:
                    taken.append(piece.rows)
                else:
                    visible = piece.rows.visible_ms < before_ms
                    taken.append(piece.rows.take(visible))
                    rest = piece.rows.take(~visible)
                    if len(rest):
                        first_ms = int(rest.visible_ms.min())
                        left.append(_Piece(rest, first_ms, piece.last_ms, piece.tier))
            self._pieces[feed] = left
            rows = joined(taken) if taken else None
            if rows is not None and len(rows):
                self._count -= len(rows)
                yield feed, rows

    def all(self) -> Iterator[tuple[int, Rows]]:
        """Everything there is, feed by feed; it stays."""
        for feed, pieces in self._pieces.items():
            if pieces:
                yield feed, joined([piece.rows for piece in pieces])


def _one_of(pieces: list[_Piece]) -> _Piece:
    return _Piece(
        joined([piece.rows for piece in pieces]),
        min(piece.first_ms for piece in pieces),
        max(piece.last_ms for piece in pieces),
        pieces[-1].tier + 1,
    )
