"""The HTTP server on loopback: what it answers, and whom it outlives."""

import gzip
import http.client
import json
import socket
import threading
import time
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry

from pipeline.edges.http import HttpServer, Response, application, standard_routes
from pipeline.edges.newest import Newest
from pipeline.edges.prometheus import MetricsCollector
from pipeline.settings import load
from pipeline.telemetry import Telemetry
from tests.edges import plans
from tests.integration.waiting import wait_until

TIMEOUT_S = 20.0
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def settings(**changes):
    """Settings of a server on a port of its own."""
    given = {"port": 0, **changes}
    return load(environment={}, flags={f"http.{name}": value for name, value in given.items()}).http


@pytest.fixture
def newest():
    """The newest tick of the small plan; none yet."""
    return Newest(plans.plan())


@pytest.fixture
def telemetry():
    """Telemetry of an engine that waits for nothing."""
    return Telemetry()


@pytest.fixture
def start(newest, telemetry):
    """Starts servers with the standard routes; they end with the test."""
    registry = CollectorRegistry()
    registry.register(MetricsCollector(newest))
    with ExitStack() as ends:

        def run(routes=None, **changes):
            known = standard_routes(newest, telemetry, registry) | (routes or {})
            server = HttpServer(settings(**changes), application(known))
            ends.callback(server.close)
            return server

        yield run


def ask(server, path, method="GET", body=None, **headers):
    """Status, headers and body of one request on a connection of its own."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT_S)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def test_a_free_port_is_picked_and_told(start):
    """Port 0 gives each server a port of its own on loopback."""
    first, second = start(), start()

    assert first.port not in {0, second.port}
    assert first.url == f"http://127.0.0.1:{first.port}"


def test_a_port_in_use_is_an_error_at_once(start):
    """A server that cannot listen says so, and leaves no thread behind."""
    taken = start()
    threads = threading.active_count()

    with pytest.raises(OSError, match="in use"):
        start(port=taken.port)

    assert threads == threading.active_count()


def test_health_is_answered_before_anything_is_known(start):
    """The process is alive, whatever it waits for."""
    status, headers, body = ask(start(), "/healthz")

    assert (status, body) == (200, b"ok\n")
    assert headers["Cache-Control"] == "no-store"
    assert headers["Server"] is None


def test_not_ready_names_what_is_missing(start, telemetry):
    """Until state is restored and a tick is complete, the body says what is awaited."""
    telemetry.waiting_for.add("state of 3 shards")

    status, _, body = ask(start(), "/readyz")

    assert status == 503
    assert body.decode().splitlines() == [
        "waiting for state of 3 shards",
        "waiting for a first complete tick",
    ]


def test_ready_with_a_tick_and_nothing_awaited(start, newest, telemetry):
    """A tick alone is not enough while something is still awaited."""
    server = start()
    newest.publish(plans.tick())
    telemetry.waiting_for.add("catching up")
    assert ask(server, "/readyz")[0] == 503

    telemetry.waiting_for.clear()

    assert ask(server, "/readyz")[::2] == (200, b"ready\n")


def test_metrics_are_plain_text_for_who_asks_nothing(start, newest):
    """Without a wish the old text format is given."""
    newest.publish(plans.tick())

    status, headers, body = ask(start(), "/metrics")

    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert b"northstar_metric_ratio{" in body


def test_metrics_are_openmetrics_and_packed_for_who_asks(start, newest):
    """Prometheus asks for both, and gets both."""
    newest.publish(plans.tick())

    _, headers, body = ask(start(), "/metrics", Accept=OPENMETRICS, Accept_Encoding="gzip")

    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body).endswith(b"# EOF\n")


def test_readings_are_rows_of_json(start, newest):
    """Before a tick there are none; then one for each metric, unknown values null."""
    server = start()
    assert json.loads(ask(server, "/api/v1/readings")[2]) == []

    newest.publish(plans.tick(readings=(plans.reading(None), *plans.READINGS[1:])))
    status, headers, body = ask(server, "/api/v1/readings")

    rows = json.loads(body)
    assert status == 200
    assert headers["Content-Type"].startswith("application/json")
    assert [row["metric"] for row in rows] == list(plans.UNITS)
    assert rows[0]["value"] is None
    assert rows[1]["state"] == "red"


@pytest.mark.parametrize("path", ["/", "/metrics/", "/api/v1", "/%2e%2e/etc/passwd", "/\x80"])
def test_everything_else_is_not_found(start, path):
    """An unknown path is a problem in JSON that tells the known ones."""
    status, _, body = ask(start(), path.replace("\x80", "%80"))

    assert status == 404
    assert json.loads(body)["error"] == "not found"
    assert "/readyz" in json.loads(body)["detail"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_allowed(start, method):
    """Whatever would change something is refused with the methods there are."""
    status, headers, _ = ask(start(), "/metrics", method)

    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


def test_head_is_get_without_its_body(start):
    """The headers are those of GET."""
    server = start()

    status, headers, body = ask(server, "/healthz", "HEAD")

    assert (status, body) == (200, b"")
    assert headers["Content-Length"] == ask(server, "/healthz")[1]["Content-Length"]


def test_a_route_can_be_put_beside_the_others(start):
    """A page is one more route."""
    server = start({"/page": lambda _: Response(b"<html>", "text/html; charset=utf-8")})

    assert ask(server, "/page")[::2] == (200, b"<html>")


def test_a_route_that_fails_shows_nothing_of_why(start):
    """The caller learns that it failed, the log why."""

    def fail(_):
        raise RuntimeError("inside")

    status, _, body = ask(start({"/fail": fail}), "/fail")

    assert status == 500
    assert b"inside" not in body


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [({"X-Long": "x" * 20_000}, None, 431), ({}, b"x" * 2_000, 413)],
    ids=["headers", "body"],
)
def test_a_request_beyond_the_limits_is_refused(start, headers, body, status):
    """Long headers and bodies end the request, not the server."""
    server = start()

    assert ask(server, "/healthz", "GET", body, **headers)[0] == status
    assert ask(server, "/healthz")[0] == 200


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text; version=x", ";;;,", "text/plain; version=9.9"]
)
def test_a_strange_wish_is_no_failure(start, accept):
    """What cannot be given is answered in a format that can."""
    assert ask(start(), "/metrics", Accept=accept)[0] == 200


def half_open(server, count, ends):
    """Connections that begin a request and never finish it."""
    opened = []
    for _ in range(count):
        client = ends.enter_context(
            socket.create_connection((server.host, server.port), timeout=TIMEOUT_S)
        )
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        opened.append(client)
    return opened


def is_closed(client):
    """Whether the server has let go of this connection."""
    client.settimeout(0.01)
    try:
        return client.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize("connections_max", [512, 64], ids=["within the limit", "beyond it"])
def test_slow_clients_do_not_stop_health(start, connections_max):
    """300 connections that never finish their request leave the answer quick, and few threads."""
    threads = threading.active_count()
    server = start(connections_max=connections_max)

    with ExitStack() as ends:
        half_open(server, 300, ends)
        started_s = time.monotonic()
        answers = [ask(server, "/healthz")[0] for _ in range(5)]
        took_s = time.monotonic() - started_s

        assert answers == [200] * 5
        assert took_s < 2.5
        assert threading.active_count() - threads <= 5


def test_beyond_the_limit_the_oldest_is_closed(start):
    """Those who came last are served; whoever has waited longest for nothing goes."""
    server = start(connections_max=8)

    with ExitStack() as ends:
        clients = half_open(server, 12, ends)
        wait_until(lambda: is_closed(clients[0]), "the oldest to be closed", TIMEOUT_S)

        assert ask(server, "/healthz")[0] == 200
        assert not is_closed(clients[-1])


def test_an_idle_connection_is_closed(start):
    """A client that says nothing more is let go after the idle timeout."""
    server = start(idle_timeout="1s")

    with ExitStack() as ends:
        (client,) = half_open(server, 1, ends)
        wait_until(lambda: is_closed(client), "the idle one to be closed", TIMEOUT_S)

    assert ask(server, "/healthz")[0] == 200


def test_a_client_that_trickles_is_closed(start):
    """One byte at a time keeps a connection no longer than its greatest age."""
    server = start(connection_age_max="1s")

    with ExitStack() as ends:
        started_s = time.monotonic()
        (client,) = half_open(server, 1, ends)

        def closed():
            try:
                client.sendall(b"x")
            except OSError:
                return True
            return is_closed(client)

        wait_until(closed, "the trickling one to be closed", TIMEOUT_S, interval_s=0.1)
        assert time.monotonic() - started_s >= 1.0
        assert ask(server, "/healthz")[0] == 200


def test_closing_is_clean(start):
    """After `close` nothing listens and no thread of the server is left; twice is no harm."""
    threads = threading.active_count()
    server = start()
    with ExitStack() as ends:
        half_open(server, 3, ends)
        ask(server, "/healthz")

        server.close()
        server.close()

    wait_until(lambda: threading.active_count() == threads, "the threads to end", TIMEOUT_S)
    with pytest.raises(OSError, match="refused"):
        ask(server, "/healthz")


def test_closing_finishes_what_is_being_answered(start):
    """A request that is being answered gets its answer."""
    running, go_on = threading.Event(), threading.Event()

    def slow(_):
        running.set()
        go_on.wait(TIMEOUT_S)
        return Response(b"done")

    server = start({"/slow": slow})
    got = []
    client = threading.Thread(target=lambda: got.append(ask(server, "/slow")[2]))
    client.start()
    assert running.wait(TIMEOUT_S)
    closing = threading.Thread(target=server.close)
    closing.start()
    go_on.set()
    closing.join(TIMEOUT_S)
    client.join(TIMEOUT_S)

    assert got == [b"done"]
