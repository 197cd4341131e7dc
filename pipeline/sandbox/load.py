"""Continuous HTTP load on a sandbox's balancer, counted by image: ``python -m pipeline.sandbox.load URL``.

It ends by time, by count or by SIGTERM, whichever comes first, and then writes its result as JSON.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import math
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import UsageError

_TIMEOUT = 10.0  # seconds for one answer
_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to ask for. ``seconds`` are real ones."""

    address: str
    port: int
    path: str
    seconds: float
    requests: int
    concurrency: int


def load_of(url: str, *, seconds: float, requests: int, concurrency: int) -> Load:
    """Describe a load.

    Raises:
        UsageError: the URL is not ``http://`` on a loopback address; a load generator must not leave the machine.
    """
    parts = urlsplit(url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname or ""
    try:
        local = parts.scheme == "http" and ipaddress.ip_address(host).is_loopback
        port = parts.port or 80
    except ValueError:
        local, port = False, 0
    if not local:
        raise UsageError(
            f"{url} is not an http:// address on loopback", hint="load is for sandboxes: give http://127.…"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Load(
        address=host,
        port=port,
        path=path,
        seconds=seconds,
        requests=requests,
        concurrency=concurrency,
    )


@dataclass(slots=True)
class Count:
    """What the workers saw. ``timeline`` is second -> image -> answers; ``!`` are requests without an answer.

    ``failed`` counts them and 5xx answers by the second.
    """

    status: Counter[str] = field(default_factory=Counter)
    images: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    timeline: defaultdict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failed: Counter[int] = field(default_factory=Counter)


class Generator:
    """Workers with one kept-alive connection each."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._left = load.requests
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def stop(self) -> None:
        """End soon; safe in a signal handler."""
        self._stop.set()

    def run(self) -> dict[str, Any]:
        """Ask until the end and answer the figures (latencies in milliseconds)."""
        count = Count()
        start = time.monotonic()
        workers = [
            threading.Thread(target=self._work, args=(count, start), daemon=True) for _ in range(self._load.concurrency)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():
                worker.join(0.2)  # in slices, so that the main thread can take a signal
        return _figures(count, time.monotonic() - start)

    def _work(self, count: Count, start: float) -> None:
        load = self._load
        connection = http.client.HTTPConnection(load.address, load.port, timeout=_TIMEOUT)
        while self._take(start):
            begun = time.monotonic()
            try:
                connection.request("GET", load.path)
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                with self._lock:
                    count.errors[type(error).__name__] += 1
                    count.timeline[int(begun - start)]["!"] += 1
                    count.failed[int(begun - start)] += 1
                self._stop.wait(0.02)  # a refused connection fails at once: do not spin on it
                continue
            image = response.headers.get("X-Sandbox-Image", "none")
            with self._lock:
                count.status[str(response.status)] += 1
                count.images[image] += 1
                count.latencies.append(time.monotonic() - begun)
                count.timeline[int(begun - start)][image] += 1
                count.failed[int(begun - start)] += response.status >= _SERVER_ERROR
        connection.close()

    def _take(self, start: float) -> bool:
        if self._stop.is_set() or time.monotonic() - start >= self._load.seconds:
            return False
        with self._lock:
            self._left -= 1
            return self._left >= 0


def percentile(ordered: Sequence[float], share: float) -> float:
    """Tell the value under which this share of an ordered sequence lies (nearest rank); 0 for an empty one."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def _figures(count: Count, seconds: float) -> dict[str, Any]:
    ordered = sorted(count.latencies)
    answers = len(ordered)
    return {
        "seconds": round(seconds, 3),
        "requests": answers + sum(count.errors.values()),
        "answers": answers,
        "failed": sum(count.failed.values()),
        "status": dict(count.status),
        "images": dict(count.images),
        "errors": dict(count.errors),
        "latency_ms": {f"p{share}": round(percentile(ordered, share / 100) * 1000, 2) for share in (50, 90, 99, 100)},
        "timeline": [
            {"second": second, "images": dict(counts), "failed": count.failed[second]}
            for second, counts in sorted(count.timeline.items())
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; the result goes to ``--json`` or stdout."""
    parser = argparse.ArgumentParser(prog="pipeline.sandbox.load", description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--max-requests", type=int, default=1_000_000)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--json", type=Path)
    words = parser.parse_args(arguments)
    try:
        load = load_of(
            words.url,
            seconds=words.seconds,
            requests=words.max_requests,
            concurrency=words.concurrency,
        )
    except UsageError as error:
        parser.exit(error.exit_code, f"{error.whole}\n")
    generator = Generator(load)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: generator.stop())
    text = json.dumps(generator.run())
    if words.json is None:
        sys.stdout.write(text + "\n")
    else:
        part = words.json.with_suffix(".part")
        part.write_text(text)
        part.replace(words.json)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
