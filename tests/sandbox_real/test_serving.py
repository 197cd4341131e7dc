from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from sandbox_real.living import until

from pipeline.sandbox.real.serving import Serving

NET = "127.29.1"


@pytest.fixture
def serve() -> Iterator[Callable[[str], Serving]]:
    """Run the instance's server in this process."""
    ends: list[tuple[int, threading.Thread]] = []

    def start(behaviour: str) -> Serving:
        serving = Serving(f"{NET}.200", "i-1", "ami-1", behaviour, 10)
        serving.open(18200)
        reading, writing = os.pipe()
        os.write(writing, b"18201\n18202\n")
        thread = threading.Thread(target=serving.run, args=(reading,))
        thread.start()
        ends.extend([(writing, thread), (reading, thread)])
        return serving

    yield start
    for descriptor, thread in ends:
        os.close(descriptor)
        thread.join()


def exchange(port: int, request: bytes) -> bytes:
    """Send bytes to the server and read until it closes."""
    with socket.create_connection((f"{NET}.200", port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def test_the_server_keeps_connections_and_answers_pipelines(serve: Callable[[str], Serving]) -> None:
    """A balancer's pool rests on it; HEAD has no body."""
    serve("healthy")
    head = b"HEAD / HTTP/1.1\r\n\r\n"
    until(lambda: listens(18202))
    for port in (18200, 18201, 18202):
        answer = exchange(port, head + b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200 OK") == 2
        assert answer.count(b'"instance"') == 1


def listens(port: int) -> bool:
    """Whether the server has opened a port; it leaves in mid-request on purpose."""
    try:
        with socket.create_connection((f"{NET}.200", port), timeout=1) as connection:
            connection.sendall(b"GET / HT")
            return True
    except OSError:
        return False


@pytest.mark.parametrize(("behaviour", "first", "later"), [("turns-sick-after:3", b"200", b"500")])
def test_the_server_turns_sick(serve: Callable[[str], Serving], behaviour: str, first: bytes, later: bytes) -> None:
    """Seconds of sandbox time after its start."""
    serve(behaviour)
    request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert exchange(18200, request)[9:12] == first
    until(lambda: exchange(18200, request)[9:12] == later)


def test_the_server_fails_under_traffic(serve: Callable[[str], Serving]) -> None:
    """After so many answers, and then to the health check too, which does not count."""
    serve("fails-under-traffic:2")
    request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    check = request[:-2] + b"User-Agent: ELB-HealthChecker/2.0\r\n\r\n"
    statuses = [exchange(18200, each)[9:12] for each in (check, request, check, request, check, request)]
    assert statuses == [b"200", b"200", b"200", b"200", b"500", b"500"]


def test_the_server_may_start_slowly_or_never(serve: Callable[[str], Serving]) -> None:
    """Refused connections are what an instance looks like that has not booted."""
    begun = time.monotonic()
    serve("slow:3")
    assert not listens(18200)
    until(lambda: listens(18200))
    assert time.monotonic() - begun >= 0.3
    dead = Serving(f"{NET}.201", "i-1", "ami-1", "dead", 1)
    dead.open(18200)
    assert not dead._ports
