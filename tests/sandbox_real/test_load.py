from __future__ import annotations

import http.server
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_real.living import until

from pipeline.errors import UsageError
from pipeline.sandbox.load import Generator, load_of, main, percentile


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers by path: /ok, /bad (500), /gone (no answer at all); every other answer is of another image."""

    protocol_version = "HTTP/1.1"
    count = 0

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/gone":
            self.close_connection = True
            return
        type(self).count += 1
        self.send_response(500 if self.path == "/bad" else 200)
        if self.path == "/ok":
            self.send_header("X-Sandbox-Image", f"ami-{type(self).count % 2}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve."""
    server = http.server.ThreadingHTTPServer(("127.81.3.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.81.3.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_answers_are_counted_by_image(url: str) -> None:
    """Bounded by count: exactly so many requests, each in one second of the timeline."""
    figures = Generator(load_of(f"{url}/ok", seconds=30, requests=100, concurrency=4)).run()
    assert figures["requests"] == figures["answers"] == 100
    assert figures["failed"] == 0
    assert figures["images"] == {"ami-0": 50, "ami-1": 50}
    assert figures["status"] == {"200": 100}
    assert sum(n for row in figures["timeline"] for n in row["images"].values()) == 100
    assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p100"]


def test_server_errors_and_broken_connections_have_failed(url: str) -> None:
    """Both are what a bad rollout shows its users; each by its kind."""
    other = Generator(load_of(f"{url}/bad?x", seconds=30, requests=5, concurrency=1)).run()
    assert (other["failed"], other["images"]) == (0, {"none": 5})
    bad = Generator(load_of(f"{url}/bad", seconds=30, requests=5, concurrency=1)).run()
    assert (bad["failed"], bad["status"]) == (5, {"500": 5})
    gone = Generator(load_of(f"{url}/gone", seconds=30, requests=3, concurrency=1)).run()
    assert (gone["failed"], gone["answers"], gone["errors"]) == (3, 0, {"RemoteDisconnected": 3})
    refused = Generator(load_of("http://127.81.3.2:1/", seconds=30, requests=2, concurrency=1)).run()
    assert refused["errors"] == {"ConnectionRefusedError": 2}


def test_time_ends_it_too(url: str) -> None:
    """Whichever bound comes first."""
    begun = time.monotonic()
    Generator(load_of(f"{url}/ok", seconds=0.2, requests=10**9, concurrency=2)).run()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1/", "https://127.0.0.1/", "http://example.com/", "nonsense", "http://127.0.0.1:x/"]
)
def test_only_loopback_is_loaded(url: str) -> None:
    """A load generator that can be pointed at others is a weapon."""
    with pytest.raises(UsageError, match="loopback"):
        load_of(url, seconds=1, requests=1, concurrency=1)
    assert load_of("http://localhost", seconds=1, requests=1, concurrency=1).address == "127.0.0.1"


def test_percentiles_are_nearest_ranks() -> None:
    """None of nothing."""
    assert percentile([], 0.5) == 0
    assert [percentile([1, 2, 3, 4], share) for share in (0, 0.5, 0.51, 1)] == [1, 2, 3, 4]


def test_the_command_writes_its_result(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the file or to stdout; a wrong address is exit 64."""
    words = [f"{url}/ok", "--max-requests", "10", "--seconds", "20"]
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert main([*words, "--json", str(tmp_path / "out.json")]) == 0
        assert main(words) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert json.loads((tmp_path / "out.json").read_text())["answers"] == 10
    assert json.loads(capsys.readouterr().out)["answers"] == 10
    with pytest.raises(SystemExit, match="64"):
        main(["http://10.0.0.1/"])


def test_sigterm_ends_it_with_its_result(url: str, tmp_path: Path) -> None:
    """A demo stops it when the roll is over."""
    out = tmp_path / "out.json"
    words = [sys.executable, "-m", "pipeline.sandbox.load", f"{url}/ok", "--seconds", "60", "--json", str(out)]
    seen = Answering.count
    with subprocess.Popen(words) as process:
        until(lambda: Answering.count > seen)
        process.terminate()
        assert process.wait(10) == 0
    assert json.loads(out.read_text())["answers"] > 0
