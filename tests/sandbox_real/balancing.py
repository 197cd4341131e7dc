"""A balancer in this process, raw targets that misbehave on demand, and a raw client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from pipeline.sandbox.machines import HealthCheck, Listener, Rule, Target, TargetGroup
from pipeline.sandbox.real.balancer.serve import Balancer
from pipeline.sandbox.real.balancer.wire import write_routing

DOOR = "127.81.0.1"
PORT = 18080
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Behaviour = Callable[[bytes, asyncio.StreamWriter, int], Awaitable[bool]]
"""Answers a request (its head, the writer, its number on this connection); False closes the connection."""


@dataclass(slots=True)
class Seen:
    """What a raw target saw."""

    heads: list[bytes] = field(default_factory=list)
    connections: int = 0


@contextlib.asynccontextmanager
async def target(address: str, behaviour: Behaviour, port: int = PORT) -> AsyncIterator[Seen]:
    """Serve a behaviour; health checks (path /health) always pass."""
    seen = Seen()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        number = 0
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b" /health " in head:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    break
                seen.heads.append(head)
                number += 1
                if not await behaviour(head, writer, number):
                    break
        writer.close()

    server = await asyncio.start_server(serve, address, port)
    try:
        yield seen
    finally:
        server.close()


async def well(_head: bytes, writer: asyncio.StreamWriter, _number: int) -> bool:
    """Answer 200 and stay."""
    writer.write(OK)
    return True


def saying(*parts: bytes, stay: bool = True, pause: float = 0.0) -> Behaviour:
    """Answer with these bytes, with a pause before each but the first."""

    async def behave(_head: bytes, writer: asyncio.StreamWriter, _number: int) -> bool:
        for index, part in enumerate(parts):
            if index and pause:
                await asyncio.sleep(pause)
            writer.write(part)
            await writer.drain()
        return stay

    return behave


def group(*targets: Target, arn: str = "tg", check: HealthCheck | None = None) -> TargetGroup:
    """Build a target group with a quick check."""
    quick = HealthCheck(path="/health", interval=timedelta(seconds=0.1), timeout=timedelta(seconds=1))
    return TargetGroup(arn=arn, check=check or quick, targets=targets)


def at(instance: str, address: str, *, draining: bool = False) -> Target:
    """Build a target on the usual port; the image of instance ``i-x`` is ``ami-x``."""
    image = instance.replace("i-", "ami-")
    return Target(instance=instance, image=image, address=address, port=PORT, draining=draining)


def forward(**weights: int) -> Listener:
    """Build a listener that forwards everything by weights (``tg=1``)."""
    return listener(Rule(priority=1, weights=weights or {"tg": 1}))


def listener(*rules: Rule) -> Listener:
    """Build the usual listener."""
    return Listener(arn="l", address=DOOR, port=PORT, rules=rules)


@contextlib.asynccontextmanager
async def balancer(
    *groups: TargetGroup, door: Listener | None = None, patience: float = 10.0
) -> AsyncIterator[Balancer]:
    """Run a balancer that routes to groups."""
    running = Balancer(1.0, patience=patience)
    await tell(running, groups, [door or forward()])
    await asyncio.sleep(0.05)
    try:
        yield running
    finally:
        await running.close()


async def tell(running: Balancer, groups: Sequence[TargetGroup], doors: Sequence[Listener]) -> None:
    """Change what it routes."""
    await running.apply(write_routing(doors, groups))


async def ask(request: bytes = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") -> bytes:
    """Send bytes and read until the balancer closes."""
    reader, writer = await asyncio.open_connection(DOOR, PORT)
    writer.write(request)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b"reset"
    finally:
        writer.close()
