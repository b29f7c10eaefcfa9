"""Small cases to be worked by hand: short records, times in seconds from one midnight."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from tests.oracle.oracle import Expected, Record, Seeds, Settings, expected

MIDNIGHT_MS = 1_736_899_200_000
"""2025-01-15T00:00Z, a Wednesday; a multiple of every resolution up to a day."""

EVENTS = {
    "open": {
        "name": "open",
        "ids": {"user": "user", "item": "item"},
        "values": {"n": "n", "plan": "plan", "ok": "ok"},
    },
    "share": {"name": "share", "ids": {"user": "user", "item": "item", "org": "org"}},
}
OWNER = {"item": {"owner": {"is": "user", "from": "share.user"}}}


def definition(
    metrics: dict[str, Any],
    *,
    events: dict[str, Any] | None = None,
    window: str = "trailing 10s",
    **top: Any,
) -> str:
    """Write a definition; a metric that is only text is its value, over the window given."""
    return json.dumps(
        {
            "version": 1,
            "product": "worked",
            "source": {
                "topics": ["events"],
                "envelope": {"name": "kind", "time": {"from": "ts", "unit": "ms"}, "id": "id"},
            },
            "events": events or EVENTS,
            "metrics": {
                name: {"value": about, "window": window} if isinstance(about, str) else about
                for name, about in metrics.items()
            },
            **top,
        }
    )


def ms(seconds: float) -> int:
    """Give the time that lies so many seconds after the midnight."""
    return MIDNIGHT_MS + round(seconds * 1_000)


def seconds(iso: str) -> float:
    """Give the seconds from the midnight to a moment."""
    return datetime.fromisoformat(iso).timestamp() - MIDNIGHT_MS / 1_000


def event(at: float, kind: str = "open", **fields: object) -> dict[str, object]:
    """Write the body of a record."""
    return {"kind": kind, "ts": ms(at), **fields}


def feed(bodies: Iterable[dict[str, object] | bytes | None], partition: int = 0) -> list[Record]:
    """Put bodies into a partition in this order, each ingested at its own time."""
    return [
        Record(
            partition,
            offset,
            body["ts"] if isinstance(body, dict) and isinstance(body.get("ts"), int) else ms(0),
            json.dumps(body).encode() if isinstance(body, dict) else body,
        )
        for offset, body in enumerate(bodies)
    ]


def run(
    text: str,
    bodies: Iterable[dict[str, object] | bytes | None],
    ticks: Iterable[float] = (),
    *,
    lateness: float = 0,
    seeds: Seeds | None = None,
    **settings: int,
) -> Expected:
    """Ask the oracle about one partition."""
    return expected(
        text,
        feed(bodies),
        Settings(round(lateness * 1_000), **settings),
        [ms(tick) for tick in ticks],
        seeds,
    )


def series(found: Expected, metric: str = "m", part: str = "value") -> list[Any]:
    """Give one part of a metric's readings, tick by tick."""
    return [
        getattr(reading, part) for (name, _), reading in found.readings.items() if name == metric
    ]


def rejected(found: Expected) -> dict[str, int]:
    """Give the rejections by reason."""
    reasons = found.counts["rejected"]
    assert isinstance(reasons, dict)
    return reasons
