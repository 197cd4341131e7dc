from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest
from sandbox_real.balancing import (
    DOOR,
    OK,
    PORT,
    ask,
    at,
    balancer,
    forward,
    group,
    saying,
    target,
    tell,
    well,
)

from pipeline.sandbox.machines import HealthCheck
from pipeline.sandbox.real.balancer.serve import Balancer
from pipeline.sandbox.real.balancer.wire import read_health

A, B = "127.81.1.1", "127.81.1.2"
HEAD_END = b"\r\n\r\n"
KEEP = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSE = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def test_a_slow_reader_slows_the_target_down() -> None:
    """Megabytes pass through without piling up, whole, and the connection to the target can be used again."""
    size = 24_000_000

    async def story() -> tuple[int, int, int]:
        big = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size
        async with target(A, saying(big)) as seen, balancer(group(at("i-1", A))):
            reader, writer = await asyncio.open_connection(DOOR, PORT, limit=1024)
            writer.write(KEEP)
            await asyncio.sleep(0.3)
            await reader.readuntil(HEAD_END)
            got = len(await reader.readexactly(size))
            writer.write(CLOSE)
            again = len((await reader.read()).partition(HEAD_END)[2])
            writer.close()
            return got, again, len(seen.heads)

    assert asyncio.run(story()) == (size, size, 2)


LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nhalf"


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ((b"", OK), b"HTTP/1.1 504 Gateway Timeout"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", b"k"), b"HTTP/1.1 504 Gateway Timeout"),
        ((LARGE, b"x" * 89996), b"HTTP/1.1 200 OK"),
    ],
)
def test_a_target_that_takes_too_long_is_cut_off(parts: tuple[bytes, ...], status: bytes) -> None:
    """With 504 while nothing was passed on; in mid-answer the connection breaks, so that nobody takes it for whole."""

    async def story() -> bytes:
        async with target(A, saying(*parts, pause=5)), balancer(group(at("i-1", A)), patience=0.2):
            return await ask()

    answer = asyncio.run(story())
    assert answer.startswith(status) or (parts[0] == LARGE and answer == b"reset")
    assert len(answer) < 1000


def test_a_changed_check_and_a_removed_group_start_over() -> None:
    """Routing is whatever the last word says."""

    async def story() -> tuple[bytes, bytes]:
        one = at("i-1", A)
        async with target(A, well), balancer(group(one)) as running:
            changed = group(one, check=HealthCheck(path="/health", timeout=timedelta(seconds=1), matcher="204"))
            await tell(running, [changed], [forward()])
            answer = await ask()
            await tell(running, [], [forward()])
            return answer, await ask()

    answer, none = asyncio.run(story())
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert none.startswith(b"HTTP/1.1 503")


def test_a_check_that_is_not_answered_times_out(capsys: pytest.CaptureFixture[str]) -> None:
    """The reason tells it from a refused connection."""

    async def story() -> None:
        slow = HealthCheck(path="/slow", interval=timedelta(seconds=0.1), unhealthy_threshold=1)
        async with target(A, saying(b"", b"", pause=5)), balancer(group(at("i-1", A), check=slow)):
            pass
        checks = Balancer(10.0)
        async with target(A, saying(b"", b"", pause=5)):
            await tell(checks, [group(at("i-1", A), check=slow)], [])
            await asyncio.sleep(0.7)
            await checks.close()

    asyncio.run(story())
    assert "Target.Timeout" in capsys.readouterr().out


def test_a_check_without_a_path_only_connects(capsys: pytest.CaptureFixture[str]) -> None:
    """As a Network Load Balancer's TCP check does: a target that answers 500 passes, one that is not there fails."""
    connect = HealthCheck(path="", interval=timedelta(seconds=0.1), unhealthy_threshold=1)

    async def story() -> None:
        sick = saying(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        async with target(A, sick), balancer(group(at("i-1", A), at("i-2", B), check=connect)):
            await asyncio.sleep(0.2)

    asyncio.run(story())
    told = dict(read_health(json.loads(line)) for line in capsys.readouterr().out.splitlines())
    assert told["tg", "i-1", 18080].state == "healthy"
    assert told["tg", "i-2", 18080].reason == "Target.FailedHealthChecks"


def test_an_address_that_is_taken_is_told_and_tried_again(capsys: pytest.CaptureFixture[str]) -> None:
    """The other listeners go on."""

    async def story() -> bytes:
        async with target(DOOR, well), target(A, well), balancer(group(at("i-1", A))) as running:
            await asyncio.sleep(0)
            assert running is not None
        async with target(A, well), balancer(group(at("i-1", A))):
            return await ask()

    assert asyncio.run(story()).startswith(b"HTTP/1.1 200 OK")
    assert f"cannot listen on {DOOR}:{PORT}" in capsys.readouterr().err
