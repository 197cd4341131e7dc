"""The balancer's process: make the routing be exactly what the last line on stdin says; end with stdin."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass

from pipeline.sandbox.machines import Listener, Target, TargetGroup, TargetHealth
from pipeline.sandbox.real.balancer.health import watch
from pipeline.sandbox.real.balancer.proxy import ANSWER_WITHIN, Client, Door
from pipeline.sandbox.real.balancer.routing import Backend, Group, Key, Table, routes
from pipeline.sandbox.real.balancer.wire import HealthKey, read_routing, write_health
from pipeline.sandbox.real.ports import open_port

_LINE_MAX = 64 * 1024 * 1024


@dataclass(slots=True, kw_only=True, eq=False)
class _Open:
    door: Door
    server: asyncio.Server


class Balancer:
    """All listeners and target groups of one sandbox.

    ``speed`` divides the durations of health checks; ``patience`` is how long a target may take to answer, in seconds.
    """

    def __init__(self, speed: float, *, patience: float = ANSWER_WITHIN) -> None:
        self._speed = speed
        self._patience = patience
        self._table = Table()
        self._open: dict[tuple[str, int], _Open] = {}
        self._watches: dict[tuple[str, Key], asyncio.Task[None]] = {}

    async def apply(self, line: str | bytes) -> None:
        """Route as a line says; what stands already is left as it is, with its connections and its health."""
        listeners, groups, images = read_routing(line)
        self._apply_groups(groups, images)
        await self._apply_listeners(listeners)

    def _apply_groups(self, groups: tuple[TargetGroup, ...], images: dict[str, str]) -> None:
        wanted = {one.arn: one for one in groups}
        for arn in [arn for arn in self._table.groups if arn not in wanted]:
            group = self._table.groups.pop(arn)
            for key in tuple(group.backends):
                self._drop(arn, group, key)
        for arn, one in wanted.items():
            group = self._table.groups.setdefault(arn, Group(one.check))
            if group.check != one.check:
                group.check = one.check
                for key in group.backends:
                    self._unwatch(arn, key)
            self._apply_targets(arn, group, one.targets, images)

    def _apply_targets(self, arn: str, group: Group, targets: tuple[Target, ...], images: dict[str, str]) -> None:
        wanted = {(t.instance, t.address, t.port): t for t in targets}
        for key in [key for key in group.backends if key not in wanted]:
            self._drop(arn, group, key)
        for key, target in wanted.items():
            backend = group.backends.get(key)
            if backend is not None and backend.draining and not target.draining:
                self._drop(arn, group, key)  # registered again while it drained: a new target to ELB
                backend = None
            if backend is None:
                instance, address, port = key
                image = images.get(instance, "")
                backend = Backend(instance=instance, image=image, address=address, port=port)
                group.backends[key] = backend
            if target.draining and not backend.draining:
                backend.draining = True
                backend.retire()
                self._unwatch(arn, key)
            if not backend.draining and (arn, key) not in self._watches:
                self._watch(arn, group, key, backend)
        group.refresh()

    def _watch(self, arn: str, group: Group, key: Key, backend: Backend) -> None:
        address: HealthKey = (arn, key[0], key[2])

        def tell(health: TargetHealth) -> None:
            backend.healthy = health.state == "healthy"
            group.refresh()
            sys.stdout.write(write_health(address, health) + "\n")
            sys.stdout.flush()

        loop = asyncio.get_running_loop()
        self._watches[arn, key] = loop.create_task(watch(backend, group.check, self._speed, tell))

    def _unwatch(self, arn: str, key: Key) -> None:
        task = self._watches.pop((arn, key), None)
        if task is not None:
            task.cancel()

    def _drop(self, arn: str, group: Group, key: Key) -> None:
        self._unwatch(arn, key)
        group.backends.pop(key).retire()

    async def _apply_listeners(self, listeners: tuple[Listener, ...]) -> None:
        wanted = {(one.address, open_port(one.port)): one for one in listeners}
        for where in [where for where in self._open if where not in wanted]:
            closing = self._open.pop(where)
            closing.server.close()
            closing.door.close()
        for where, one in wanted.items():
            door = self._open[where].door if where in self._open else await self._listen(where)
            if door is not None and door.rules != one.rules:
                door.rules, door.routes = one.rules, routes(one.rules)

    async def _listen(self, where: tuple[str, int]) -> Door | None:
        door = Door(self._table, patience=self._patience)
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: Client(door), *where, reuse_address=True, backlog=1024
            )
        except OSError as error:
            sys.stderr.write(f"the balancer cannot listen on {where[0]}:{where[1]}: {error.strerror}\n")
            sys.stderr.flush()
            return None
        self._open[where] = _Open(door=door, server=server)
        return door


async def run(speed: float) -> None:
    """Serve until stdin ends."""
    reader = asyncio.StreamReader(limit=_LINE_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    balancer = Balancer(speed)
    while line := await reader.readline():
        await balancer.apply(line)
        sys.stdout.write('{"applied": true}\n')
        sys.stdout.flush()
