"""The balancer's process: make the routing be exactly what the last line on stdin says; end with stdin."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from aiohttp import web

from pipeline.sandbox.machines import Listener, Rule, Target, TargetGroup, TargetHealth, Traffic
from pipeline.sandbox.networks import loopback
from pipeline.sandbox.real.balancer.health import watch
from pipeline.sandbox.real.balancer.proxy import ANSWER_WITHIN, Proxy
from pipeline.sandbox.real.balancer.routing import Backend, Group, Route, routes
from pipeline.sandbox.real.balancer.wire import HealthKey, read_routing, write_health, write_traffic
from pipeline.sandbox.real.ports import open_port

_HEAD_MAX = 16 * 1024  # of a request's first line and of each header, as ELB has it
_REPORT_PAUSE = 0.25  # seconds
_LINE_MAX = 64 * 1024 * 1024


class _Door:
    """A listener: its socket, and its rules as they are now."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._arn = ""
        self._rules: tuple[Rule, ...] = ()
        self._routes: tuple[Route, ...] = ()
        self._web = web.Server(
            self._answer, handler_cancellation=True, access_log=None, max_line_size=_HEAD_MAX, max_field_size=_HEAD_MAX
        )
        self._socket: asyncio.Server | None = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._proxy.answer(request, self._arn, self._routes)

    def follow(self, listener: Listener) -> None:
        """Take a listener's rules; the same again keep their place among their weights."""
        self._arn = listener.arn
        if listener.rules != self._rules:
            self._rules, self._routes = listener.rules, routes(listener.rules)

    async def open(self, address: str, port: int) -> None:
        """Listen, unless it does; an address that is taken is tried again with the next routing."""
        if self._socket is None:
            try:
                loop = asyncio.get_running_loop()
                self._socket = await loop.create_server(
                    self._web, loopback(address), port, reuse_address=True, backlog=1024
                )
            except OSError as error:
                sys.stderr.write(f"the balancer cannot listen on {address}:{port}: {error.strerror}\n")
                sys.stderr.flush()

    async def close(self) -> None:
        """Drop every connection."""
        if self._socket is not None:
            self._socket.close()
        await self._web.shutdown(0)


class Balancer:
    """All listeners and target groups of one sandbox.

    ``speed`` divides the durations of health checks; ``patience`` is how long a target may take to answer, in seconds.
    """

    def __init__(self, speed: float, *, patience: float = ANSWER_WITHIN) -> None:
        self._speed = speed
        self._groups: dict[str, Group] = {}
        self._proxy = Proxy(self._groups, patience=patience)
        self._doors: dict[tuple[str, int], _Door] = {}

    async def apply(self, line: str | bytes) -> None:
        """Route as a line says; what stands already is left as it is, with its connections and its health."""
        listeners, groups = read_routing(line)
        self._apply_groups(groups)
        await self._apply_listeners(listeners)

    def _apply_groups(self, groups: tuple[TargetGroup, ...]) -> None:
        wanted = {one.arn: one for one in groups}
        for arn in self._groups.keys() - wanted.keys():
            self._apply_targets(arn, self._groups.pop(arn), ())
        for arn, one in wanted.items():
            group = self._groups.setdefault(arn, Group(one.check))
            if group.check != one.check:
                group.check = one.check
                for backend in group.backends.values():
                    backend.unwatch()
            self._apply_targets(arn, group, one.targets)

    def _apply_targets(self, arn: str, group: Group, targets: tuple[Target, ...]) -> None:
        wanted = {(t.instance, t.address, t.port): t for t in targets}
        for key, backend in list(group.backends.items()):
            # Registered again while it drained, it is a new target to ELB.
            if key not in wanted or (backend.draining and not wanted[key].draining):
                backend.unwatch()
                del group.backends[key]
        for key, target in wanted.items():
            backend = group.backends.setdefault(key, Backend(target))
            backend.draining = target.draining
            if target.draining:
                backend.unwatch()
            elif backend.watching is None:
                self._watch(group, backend, (arn, target.instance, target.port))
        group.refresh()

    def _watch(self, group: Group, backend: Backend, key: HealthKey) -> None:
        def tell(health: TargetHealth) -> None:
            backend.healthy = health.state == "healthy"
            group.refresh()
            _say(write_health(key, health))

        backend.watching = asyncio.create_task(watch(backend.target, group.check, self._speed, tell))

    async def _apply_listeners(self, listeners: tuple[Listener, ...]) -> None:
        wanted = {(one.address, open_port(one.port)): one for one in listeners}
        for where in self._doors.keys() - wanted.keys():
            await self._doors.pop(where).close()
        for where, one in wanted.items():
            door = self._doors.setdefault(where, _Door(self._proxy))
            door.follow(one)
            await door.open(*where)

    def served(self) -> list[Traffic]:
        """Tell what was served since this was last asked."""
        return self._proxy.counts.take()

    async def close(self) -> None:
        """Route nothing any more."""
        self._apply_groups(())
        await self._apply_listeners(())
        await self._proxy.close()


async def run(speed: float) -> None:
    """Serve until stdin ends."""
    reader = asyncio.StreamReader(limit=_LINE_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    balancer = Balancer(speed)
    reporting = asyncio.create_task(_report(balancer))
    while line := await reader.readline():
        await balancer.apply(line)
    reporting.cancel()
    await balancer.close()


async def _report(balancer: Balancer) -> None:
    while True:
        await asyncio.sleep(_REPORT_PAUSE)
        if served := balancer.served():
            _say(write_traffic(served))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(run(float(sys.argv[1])))
