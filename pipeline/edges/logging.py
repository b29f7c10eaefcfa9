"""Log lines: structlog on standard error, JSON or for people.

Everything that logs through the standard library (librdkafka, waitress) comes out the same way.
Secrets are taken out by value and by name. Raw ids, keys and payloads are no business of a log:
fields that would hold them are left out, so that a slip in one place shows nothing.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Collection, Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from pipeline.settings import LogFormat, LogSettings

HIDDEN: Final = "***"
NOT_LOGGED: Final = "(not logged)"
DEPTH_MAX: Final = 4  # of what a field holds

_SECRET_NAME = re.compile("(?i)passw|secret|token|salt|authorization|credential|private_?key")
_RAW_NAMES: Final = frozenset(
    {"id", "ids", "key", "value", "values", "payload", "record", "records", "message", "entity"}
)
_RAW_NAME = re.compile(r"(entity|user|message|anonymous|customer|device)_?ids?")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def configure(
    settings: LogSettings, secrets: Collection[str] = (), stream: TextIO | None = None
) -> None:
    """Log to `stream` (standard error) from now on, in all of the process.

    No text of `secrets` will be in any line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _render_fault,
        _Redact(secrets),
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings, handler.stream),
            ],
        )
    )
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    logging.basicConfig(handlers=[handler], level=level, force=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def _renderer(settings: LogSettings, stream: TextIO) -> Processor:
    if settings.format is LogFormat.JSON:
        return structlog.processors.JSONRenderer(sort_keys=True, default=str)
    return structlog.dev.ConsoleRenderer(colors=stream.isatty() and not os.environ.get("NO_COLOR"))


def _render_fault(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """An exception as text. Never with local variables, which hold records and passwords."""
    return structlog.processors.format_exc_info(logger, name, event)


class _Redact:
    """Takes secrets and raw ids out of every field."""

    def __init__(self, secrets: Collection[str]) -> None:
        # The longest first, so that one that is part of another leaves no rest of it.
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    def __call__(self, _logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
        return {name: self._field(name, value) for name, value in event.items()}

    def _field(self, name: str, value: object) -> object:
        if name.startswith("_"):  # structlog's own
            return value
        if _SECRET_NAME.search(name):
            return HIDDEN
        if name.lower() in _RAW_NAMES or _RAW_NAME.fullmatch(name.lower()):
            return NOT_LOGGED
        return self._clean(value, DEPTH_MAX)

    def _clean(self, value: Any, depth: int) -> object:  # noqa: ANN401 - a field holds anything
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping) and depth:
            return {str(name): self._nested(str(name), item, depth) for name, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset) and depth:
            return [self._clean(item, depth - 1) for item in value]
        if isinstance(value, bytes | bytearray | memoryview):
            return NOT_LOGGED
        return self._text(str(value))

    def _nested(self, name: str, value: object, depth: int) -> object:
        if _SECRET_NAME.search(name):
            return HIDDEN
        return self._clean(value, depth - 1)

    def _text(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        fit = text.encode(errors="replace").decode()  # lone surrogates
        return _CONTROL.sub("\ufffd", fit)
