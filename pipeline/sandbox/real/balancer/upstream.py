"""Connections to targets: one request at a time, kept alive in a pool per target."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.sandbox.real.balancer.http1 import (
    HEAD_END,
    HEAD_MAX,
    BadMessageError,
    Body,
    EndlessBody,
    Head,
    parse_head,
    response_body,
)
from pipeline.sandbox.real.ports import open_port

if TYPE_CHECKING:
    from pipeline.sandbox.real.balancer.proxy import Client
    from pipeline.sandbox.real.balancer.routing import Backend

_REPEATABLE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


@dataclass(slots=True, kw_only=True)
class Exchange:
    """A request on its way: all of its bytes, and who waits for the answer."""

    client: Client
    backend: Backend
    method: bytes
    payload: bytes
    retried: bool = False


async def send(exchange: Exchange) -> None:
    """Send a request over a fresh connection; the client gets 502 when the target does not take one."""
    backend = exchange.backend
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(10):
            _, connection = await loop.create_connection(
                lambda: Upstream(backend), backend.address, open_port(backend.port)
            )
    except OSError:  # TimeoutError is one
        exchange.client.fail(502, "the target takes no connection")
        return
    connection.start(exchange)


class Upstream(asyncio.Protocol):
    """One connection to a target."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._exchange: Exchange | None = None
        self._reused = False
        self._buffer = b""
        self._head: Head | None = None
        self._body: Body | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP always gives one; narrows for mypy
        self._transport = transport

    def start(self, exchange: Exchange) -> None:
        """Send a request over this connection."""
        if exchange.client.closed or self._transport is None:
            self.discard()
            return
        self._exchange = exchange
        exchange.client.upstream = self
        self._transport.write(exchange.payload)

    def discard(self) -> None:
        """Close it."""
        self._exchange = None
        if self._transport is not None:
            self._transport.close()

    def pause(self, *, paused: bool) -> None:
        """Stop or go on reading: the client reads more slowly than the target writes."""
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.pause_reading if paused else self._transport.resume_reading)()

    def data_received(self, data: bytes) -> None:
        """Pass the answer on as it comes."""
        if self._exchange is None:
            self.discard()  # bytes nobody asked for
            return
        try:
            self._pass_on(data, self._exchange)
        except BadMessageError:
            self._broken(self._exchange)

    def _pass_on(self, data: bytes, exchange: Exchange) -> None:
        if self._body is None:
            self._buffer += data
            end = self._buffer.find(HEAD_END)
            if end < 0:
                if len(self._buffer) > HEAD_MAX:
                    raise BadMessageError("a head without an end")
                return
            raw, data, self._buffer = self._buffer[:end], self._buffer[end + 4 :], b""
            if not self._take_head(raw, exchange):
                if data:
                    self._pass_on(data, exchange)
                return
        body = self._body
        if body is None:
            return
        taken = body.feed(data)
        if taken:
            exchange.client.write(data[:taken])
        if body.done:
            self._finish(exchange, clean=taken == len(data))

    def _take_head(self, raw: bytes, exchange: Exchange) -> bool:
        """Pass the head on, marked with the image; answer False for an interim (1xx) one."""
        head = parse_head(raw)
        code = head.first[9:12]
        if not code.isdigit():
            raise BadMessageError("a status line without a status")
        if code.startswith(b"1"):
            return False
        self._head = head
        self._body = response_body(head, status=int(code), to_head=exchange.method == b"HEAD")
        endless = isinstance(self._body, EndlessBody)
        head.lines.append(b"X-Sandbox-Image: " + self._backend.image.encode())
        head.lines.append(b"X-Sandbox-Instance: " + self._backend.instance.encode())
        exchange.client.begin(head, close=endless)
        return True

    def _finish(self, exchange: Exchange, *, clean: bool) -> None:
        keep = clean and self._head is not None and not self._head.close and not self._backend.gone
        self._exchange = None
        self._head = self._body = None
        self._reused = True
        if keep:
            self.pause(paused=False)  # a slow client may have held it up, and will not be there to let it go on
            self._backend.idle.append(self)
        else:
            self.discard()
        exchange.client.finished()

    def connection_lost(self, exc: Exception | None) -> None:
        """Retry, finish or fail what was under way."""
        del exc
        if self in self._backend.idle:
            self._backend.idle.remove(self)
        exchange = self._exchange
        if exchange is not None:
            self._broken(exchange)

    def _broken(self, exchange: Exchange) -> None:
        endless = isinstance(self._body, EndlessBody)
        untouched = self._body is None and not self._buffer
        self.discard()
        client = exchange.client
        if client.closed:
            return
        if endless:
            client.finished()
        elif untouched and self._reused and not exchange.retried and exchange.method in _REPEATABLE:
            # The target closed an idle connection just as it was used: no fault of either side.
            exchange.retried = True
            client.spawn(send(exchange))
        elif self._body is None:
            client.fail(502, "the target closed the connection without an answer")
        else:
            client.abort()
