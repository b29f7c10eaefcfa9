"""What Kafka carries of records beside their values, as the core takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from pipeline.core.carried import Carried


def carried_of(messages: Sequence[Message]) -> Carried:
    """Key, headers, place and time of each record."""
    return Carried(
        [_bytes(message.key()) for message in messages],
        [[(name, _bytes(value)) for name, value in headers_of(message)] for message in messages],
        [message.topic() for message in messages],
        [message.partition() for message in messages],
        [message.offset() for message in messages],
        [_time_ms(*message.timestamp()) for message in messages],
    )


def headers_of(record: Message) -> list[tuple[str, Any]]:
    """A record's headers; none where the client cannot tell them."""
    try:
        return [*(record.headers() or ())]
    except (SystemError, UnicodeDecodeError):  # a name is not UTF-8, and the client assumes it is
        return []


_UNKNOWN: Final = TIMESTAMP_NOT_AVAILABLE


def _time_ms(kind: int, time_ms: int) -> int | None:
    return None if kind == _UNKNOWN or time_ms <= 0 else time_ms


def _bytes(text: bytes | str | None) -> bytes | None:
    return text.encode() if isinstance(text, str) else text
