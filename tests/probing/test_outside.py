import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipeline.model.outcomes import TestResult, Verdict
from pipeline.model.settings import HttpProbe, Probe, TcpProbe
from pipeline.ports.clock import Clock
from pipeline.probing.outside import probe

HOME = "127.0.0.1"
WITHIN = timedelta(seconds=30)


class Handler(BaseHTTPRequestHandler):
    """Unavailable twice on /slow, a redirect on /moved, fine elsewhere."""

    asked = 0

    def do_GET(self) -> None:
        """Answer."""
        Handler.asked += self.path == "/slow"
        status = {"/slow": 200 if Handler.asked > 2 else 503, "/moved": 302, "/health": 200}[self.path]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "https://login.example.com/")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Serve HTTP on the loopback."""
    with HTTPServer((HOME, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def closed() -> int:
    """A port at which nobody listens."""
    with socket.create_server((HOME, 0)) as server:
        return int(server.getsockname()[1])


def probed(clock: Clock, what: Probe, address: str = HOME, budget: timedelta = timedelta(hours=1)) -> TestResult:
    """Probe within a budget."""
    return probe(what, address, clock=clock, deadline=clock.now() + budget)


def test_the_expected_status_passes(clock: Clock, port: int) -> None:
    """An answer as expected passes at once, under a name that says what was asked."""
    result = probed(clock, HttpProbe(port=port, path="/health", status=200, within=WITHIN))
    assert (result.name, result.verdict, result.message) == (f"probe http :{port}/health", Verdict.PASSED, "")


def test_a_service_that_comes_up_later_passes(clock: Clock, port: int) -> None:
    """Attempts go on until the service answers as it should."""
    result = probed(clock, HttpProbe(port=port, path="/slow", status=200, within=WITHIN))
    assert result.verdict is Verdict.PASSED
    assert timedelta(seconds=2) <= result.took < WITHIN


def test_a_redirect_is_an_answer(clock: Clock, port: int) -> None:
    """A redirect is never followed: a login page elsewhere says nothing about this instance."""
    result = probed(clock, HttpProbe(port=port, path="/moved", status=200, within=WITHIN))
    assert result.verdict is Verdict.FAILED
    assert result.message == "answered 302, not 200 (to https://login.example.com/), tried for 30 s"
    assert probed(clock, HttpProbe(port=port, path="/moved", status=302, within=WITHIN)).verdict is Verdict.PASSED


def test_silence_fails_after_its_time(clock: Clock, closed: int) -> None:
    """A port that stays closed fails when the time is up, HTTP and TCP alike."""
    http = probed(clock, HttpProbe(port=closed, path="/", status=200, within=WITHIN))
    assert http.message.startswith(f"no answer from {HOME}:{closed}")
    tcp = probed(clock, TcpProbe(port=closed, within=WITHIN))
    assert (tcp.name, tcp.verdict) == (f"probe tcp :{closed}", Verdict.FAILED)
    assert tcp.message.startswith(f"no connection to {HOME}:{closed}")


def test_an_open_port_passes(clock: Clock, port: int) -> None:
    """A TCP probe passes once the port is open."""
    assert probed(clock, TcpProbe(port=port, within=WITHIN)).verdict is Verdict.PASSED


def test_the_budget_of_all_tests_ends_a_probe(clock: Clock, closed: int) -> None:
    """A probe ends with the budget of all tests, even when its own time is longer."""
    result = probed(clock, TcpProbe(port=closed, within=timedelta(hours=1)), budget=timedelta(seconds=5))
    assert result.took < timedelta(seconds=10)


def test_an_instance_without_address_is_an_error(clock: Clock) -> None:
    """Nothing to connect to is an error, not a failure of the service."""
    assert probed(clock, TcpProbe(port=80, within=WITHIN), address="").verdict is Verdict.ERROR
