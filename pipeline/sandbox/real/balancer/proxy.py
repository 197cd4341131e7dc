"""The side that clients see: requests in, one at a time per connection, answers out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING

from pipeline.sandbox.real.balancer.http1 import (
    HEAD_END,
    HEAD_MAX,
    BadMessageError,
    Body,
    Head,
    answer,
    parse_head,
    request_body,
)
from pipeline.sandbox.real.balancer.routing import Route, Table, find
from pipeline.sandbox.real.balancer.upstream import Exchange, Upstream, send

if TYPE_CHECKING:
    from pipeline.sandbox.machines import Rule

_BODY_MAX = 16 * 1024 * 1024
ANSWER_WITHIN = 60.0  # seconds; ELB's default idle time-out


class Door:
    """A listener: its compiled rules, and the connections and tasks under it. ``patience`` is in seconds."""

    def __init__(self, table: Table, *, patience: float) -> None:
        self.table = table
        self.patience = patience
        self.routes: tuple[Route, ...] = ()
        self.rules: tuple[Rule, ...] = ()
        self.clients: set[Client] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Drop every connection."""
        for client in tuple(self.clients):
            client.abort()


class Client(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._buffer = b""
        self._head: Head | None = None
        self._body: Body | None = None
        self._payload: list[bytes] = []
        self._size = 0
        self._busy = False
        self._begun = False
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self.upstream: Upstream | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP always gives one; narrows for mypy
        self._transport = transport
        self._door.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the request under way: nobody waits for its answer."""
        del exc
        self.closed = True
        self._door.clients.discard(self)
        self._stop_clock()
        if self.upstream is not None:
            self.upstream.discard()
            self.upstream = None

    def pause_writing(self) -> None:
        """Slow the target down."""
        if self.upstream is not None:
            self.upstream.pause(paused=True)

    def resume_writing(self) -> None:
        """Let the target go on."""
        if self.upstream is not None:
            self.upstream.pause(paused=False)

    def data_received(self, data: bytes) -> None:
        """Collect a request; what follows it waits for its answer."""
        self._buffer += data
        if not self._busy:
            self._collect()
        elif len(self._buffer) > HEAD_MAX and self._transport is not None:
            self._transport.pause_reading()

    def _collect(self) -> None:
        try:
            complete = self._body_taken() if self._head is not None else self._head_taken() and self._body_taken()
        except BadMessageError as error:
            self.fail(400, str(error), close=True)
            return
        if complete:
            self._busy = True
            self._dispatch()

    def _head_taken(self) -> bool:
        end = self._buffer.find(HEAD_END)
        if end < 0:
            if len(self._buffer) > HEAD_MAX:
                raise BadMessageError("a head without an end")
            return False
        head = parse_head(self._buffer[:end])
        if len(head.first.split(b" ")) != 3:  # noqa: PLR2004 - method, target, version
            raise BadMessageError("not an HTTP/1.1 request")
        self._buffer = self._buffer[end + 4 :]
        self._head, self._body = head, request_body(head)
        if head.expects:
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _body_taken(self) -> bool:
        body = self._body
        if body is None or body.done:
            return True
        taken = body.feed(self._buffer)
        self._payload.append(self._buffer[:taken])
        self._buffer = self._buffer[taken:]
        self._size += taken
        if self._size > _BODY_MAX:
            raise BadMessageError("a request body of more than 16 MiB")
        return body.done

    def _dispatch(self) -> None:
        head = self._head
        if head is None:
            return
        method, target, _ = head.first.split(b" ")
        route = find(self._door.routes, target.partition(b"?")[0].decode("latin-1"), head.host)
        if route is None:
            self.fail(404, "no rule matches")
        elif route.rule.fixed_status is not None:
            self.fail(route.rule.fixed_status, route.rule.fixed_body)
        else:
            self._forward(head, method, route)

    def _forward(self, head: Head, method: bytes, route: Route) -> None:
        backend = self._door.table.pick(route)
        if backend is None:
            self.fail(503, "no registered target")
            return
        payload = b"".join((head.first, b"\r\n", b"\r\n".join(head.lines), HEAD_END, *self._payload))
        exchange = Exchange(client=self, backend=backend, method=method, payload=payload)
        self._deadline = asyncio.get_running_loop().call_later(self._door.patience, self._too_late)
        if backend.idle:
            backend.idle.pop().start(exchange)
        else:
            self.spawn(send(exchange))

    def spawn(self, work: Coroutine[object, object, None]) -> None:
        """Run a coroutine, held until it ends (the loop itself keeps only weak references)."""
        task = asyncio.get_running_loop().create_task(work)
        self._door.tasks.add(task)
        task.add_done_callback(self._door.tasks.discard)

    def begin(self, head: Head, *, close: bool) -> None:
        """Write the head of an answer; ``close``: its end is the connection's end."""
        self._begun = True
        if self._head is not None:
            self._head.close |= close
            close = self._head.close
        kept = b"Connection: close" if close else b"Connection: keep-alive"
        self.write(b"".join((head.first, b"\r\n", b"\r\n".join(head.lines), b"\r\n", kept, HEAD_END)))

    def write(self, data: bytes) -> None:
        """Write a part of an answer."""
        if self._transport is not None and not self.closed:
            self._transport.write(data)

    def finished(self) -> None:
        """End an answer and take the next request, which may be there already."""
        self._stop_clock()
        self.upstream = None
        close = self._head is None or self._head.close
        self._head = self._body = None
        self._payload = []
        self._size = 0
        self._busy = self._begun = False
        if self._transport is None or self._transport.is_closing():
            return
        if close:
            self._transport.close()
            return
        self._transport.resume_reading()
        if self._buffer:
            asyncio.get_running_loop().call_soon(self._collect_next)  # not a call: pipelines would nest without end

    def _collect_next(self) -> None:
        if not self._busy and not self.closed:
            self._collect()

    def fail(self, status: int, text: str, *, close: bool = False) -> None:
        """Answer for the target."""
        if self._head is not None:
            self._head.close |= close
        whole = answer(status, text, close=self._head is None or self._head.close)
        bodiless = self._head is not None and self._head.first.startswith(b"HEAD ")
        self.write(whole.partition(HEAD_END)[0] + HEAD_END if bodiless else whole)
        self.finished()

    def abort(self) -> None:
        """Break the connection: an answer that was begun cannot be completed."""
        if self._transport is not None:
            self._transport.abort()

    def _too_late(self) -> None:
        if self.upstream is not None:
            self.upstream.discard()
        if self._begun:
            self.abort()
        else:
            self.fail(504, "the target did not answer in time", close=True)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
