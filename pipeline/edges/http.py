"""The HTTP server: metrics, health, readings. Read-only, and on loopback unless told otherwise.

Python's own servers start a thread for each connection, so a few hundred clients that never finish
their request use the process up. Here one thread reads all connections, a few answer, and a
connection that asks for nothing is closed: when it is idle, when it is old, or when there are more
than the limit and it is the oldest.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer, create_server

from pipeline.core.publish import rows
from pipeline.edges.newest import Newest
from pipeline.settings import HttpSettings
from pipeline.telemetry import Telemetry

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOOP_TIMEOUT_S: Final = 1.0  # how often idle connections are looked for
DRAIN_TIMEOUT_S: Final = 0.05
CLOSE_TIMEOUT_S: Final = 5
BACKLOG: Final = 1_024
# Those above the limit that may come before the oldest is closed: one round of the loop.
CONNECTIONS_SPARE: Final = 64

JSON: Final = "application/json; charset=utf-8"
TEXT: Final = "text/plain; charset=utf-8"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Response:
    """What a route answers; `status` is the number and the words after it."""

    body: bytes
    content_type: str = JSON
    status: str = "200 OK"
    headers: tuple[tuple[str, str], ...] = field(default=())


Headers = Mapping[str, str]  # of the request, as `HTTP_ACCEPT`
Route = Callable[[Headers], Response]


# ── routes ───────────────────────────────────────────────────────────────────────────────────────


def standard_routes(
    newest: Newest, telemetry: Telemetry, registry: CollectorRegistry
) -> dict[str, Route]:
    """The routes that every deployment has, by path; others may be put beside them."""
    return telemetry_routes(registry) | {
        "/readyz": lambda _: _ready(newest, telemetry),
        "/api/v1/readings": lambda _: _readings(newest),
    }


def telemetry_routes(registry: CollectorRegistry) -> dict[str, Route]:
    """The routes of a process that shows no readings: its metrics, and that it is there."""
    return {
        "/metrics": lambda headers: _metrics(registry, headers),
        "/healthz": lambda _: Response(b"ok\n", TEXT),
    }


def _metrics(registry: CollectorRegistry, headers: Headers) -> Response:
    try:
        encode, content_type = choose_encoder(headers.get("HTTP_ACCEPT", ""))
    except (TypeError, ValueError):  # a version that is no number
        encode, content_type = choose_encoder("")
    body = encode(registry)
    varies = (("Vary", "Accept, Accept-Encoding"),)
    if not gzip_accepted(headers.get("HTTP_ACCEPT_ENCODING", "")):
        return Response(body, content_type, headers=varies)
    packed = gzip.compress(body, compresslevel=1, mtime=0)
    return Response(packed, content_type, headers=(*varies, ("Content-Encoding", "gzip")))


def _ready(newest: Newest, telemetry: Telemetry) -> Response:
    missing = sorted(telemetry.waiting_for)
    if newest.tick is None:
        missing.append("a first complete tick")
    if not missing:
        return Response(b"ready\n", TEXT)
    text = "".join(f"waiting for {what}\n" for what in missing)
    return Response(text.encode(errors="replace"), TEXT, "503 Service Unavailable")


def _readings(newest: Newest) -> Response:
    """A JSON array with one row for each metric; empty before the first tick."""
    tick = newest.tick
    return Response(orjson.dumps([] if tick is None else list(rows(newest.plan, tick))))


def _problem(status: str, detail: str, *headers: tuple[str, str]) -> Response:
    body = orjson.dumps({"error": status.partition(" ")[2].lower(), "detail": detail})
    return Response(body, status=status, headers=headers)


# ── the application ──────────────────────────────────────────────────────────────────────────────


def application(routes: Mapping[str, Route]) -> WSGIApplication:
    """A WSGI application of GET and HEAD routes; all else is a problem in JSON."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        response = _answer(routes, environ)
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
            *response.headers,
        ]
        start_response(response.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    return answer


def _answer(routes: Mapping[str, Route], environ: WSGIEnvironment) -> Response:
    route = routes.get(environ["PATH_INFO"])
    if route is None:
        return _problem("404 Not Found", f"there are {', '.join(sorted(routes))}")
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        allow = ("Allow", "GET, HEAD")
        return _problem("405 Method Not Allowed", "only GET and HEAD", allow)
    try:
        return route(environ)
    except Exception:  # a scrape that fails must not take the server down, nor show its insides
        log.exception("request failed", path=environ["PATH_INFO"])
        return _problem("500 Internal Server Error", "the log says what happened")


# ── the server ───────────────────────────────────────────────────────────────────────────────────


class HttpServer:
    """A running server; `host` and `port` say where it listens."""

    def __init__(self, settings: HttpSettings, app: WSGIApplication) -> None:
        """Listen and serve, in threads of its own.

        Raises:
            OSError: The address cannot be listened on.
        """
        self._settings = settings
        listening = _listen(settings.host, settings.port)
        self.host, self.port = listening.getsockname()[:2]
        self._map: dict[int, Any] = {}
        adjustments: dict[str, Any] = _adjustments(settings)
        self._server = create_server(app, map=self._map, sockets=[listening], **adjustments)
        self._stopping = threading.Event()
        self._waking = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address for a client, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def close(self) -> None:
        """Stop listening, finish what is being answered, and let every connection go."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with self._waking:
            if self._map:
                self._wake()
        self._thread.join(2 * CLOSE_TIMEOUT_S)

    def _wake(self) -> None:
        assert isinstance(self._server, BaseWSGIServer)  # it has one socket
        self._server.accepting = False
        self._server.pull_trigger()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._round(LOOP_TIMEOUT_S)
                self._close_unwanted()
            self._drain()
        finally:
            self._server.task_dispatcher.shutdown(timeout=CLOSE_TIMEOUT_S)
            with self._waking:  # or else a closed descriptor is woken, or its next owner's
                wasyncore.close_all(self._map)

    def _round(self, timeout_s: float) -> None:
        # poll, since select fails beyond 1,024 descriptors
        wasyncore.loop(timeout_s, use_poll=True, map=self._map, count=1)

    def _channels(self) -> list[HTTPChannel]:
        return [channel for channel in self._map.values() if isinstance(channel, HTTPChannel)]

    def _close_unwanted(self) -> None:
        """Close connections that are too old, and the oldest of too many."""
        channels = self._channels()
        waiting = sorted(
            (channel for channel in channels if not channel.requests),
            key=lambda channel: channel.creation_time,
        )
        oldest_s = time.time() - self._settings.connection_age_max_ms / 1000
        excess = len(channels) - self._settings.connections_max
        for place, channel in enumerate(waiting):
            if place < excess or channel.creation_time < oldest_s:
                channel.handle_close()

    def _drain(self) -> None:
        deadline_s = time.monotonic() + CLOSE_TIMEOUT_S
        while time.monotonic() < deadline_s and any(map(_is_answering, self._channels())):
            self._round(DRAIN_TIMEOUT_S)


def _is_answering(channel: HTTPChannel) -> bool:
    return bool(channel.requests or channel.total_outbufs_len)


def _listen(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return socket.create_server(address, family=family, backlog=BACKLOG)


def _adjustments(settings: HttpSettings) -> dict[str, Any]:
    return {
        "threads": settings.threads,
        "connection_limit": settings.connections_max + CONNECTIONS_SPARE,
        "channel_timeout": max(1, settings.idle_timeout_ms // 1000),
        "cleanup_interval": 1,
        "max_request_header_size": settings.header_bytes_max,
        "max_request_body_size": settings.body_bytes_max,
        "ident": "",
        "log_socket_errors": False,
    }
