"""The sandbox's end of the balancer: start it, tell it what to route, hear what it thinks of the targets."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import IO

from pipeline.sandbox.machines import Listener, TargetGroup, TargetHealth, Traffic
from pipeline.sandbox.real.balancer.wire import REGISTERING, HealthKey, read_health, read_traffic, write_routing
from pipeline.sandbox.real.children import end, python_path


class BalancerHandle:
    """One balancer process, started when there is something to route and started again should it die."""

    def __init__(self, *, speed: float, on_line: Callable[[str], None]) -> None:
        self._speed = speed
        self._on_line = on_line
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._told = ""
        self._health: dict[HealthKey, TargetHealth] = {}
        self._traffic: list[Traffic] = []

    def route(self, listeners: Sequence[Listener], groups: Sequence[TargetGroup]) -> None:
        """Make the routing be exactly this; the same again changes nothing.

        A group in no rule is not checked, as in ELB: its targets are unused.
        """
        routed = {arn for one in listeners for rule in one.rules for arn in rule.weights}
        used = [group for group in groups if group.arn in routed]
        line = write_routing(listeners, used)
        checked = [(group.arn, t.instance, t.port) for group in used for t in group.targets if not t.draining]
        with self._lock:
            self._health = {key: self._health.get(key, REGISTERING) for key in checked}
            alive = self._process is not None and self._process.poll() is None
            if (alive and line == self._told) or not (alive or listeners):
                return
            self._tell(line)

    def _tell(self, line: str) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            if process is not None:
                end(process)
            process = self._process = self._start()
        self._told = line
        if process.stdin is not None:
            with contextlib.suppress(OSError):  # it died just now: the next routing starts another
                process.stdin.write(line + "\n")
                process.stdin.flush()

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.sandbox.real.balancer.serve", str(self._speed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=python_path(),
            start_new_session=True,
        )
        for target, stream in ((self._hear, process.stdout), (self._log, process.stderr)):
            threading.Thread(target=target, args=(stream,), name="balancer", daemon=True).start()
        return process

    def _hear(self, stream: IO[str]) -> None:
        for line in stream:
            data = json.loads(line)
            if "traffic" in data:
                with self._lock:
                    self._traffic += read_traffic(data)
                continue
            key, health = read_health(data)
            with self._lock:
                if key in self._health:
                    self._health[key] = health
            self._on_line(f"target {key[1]}:{key[2]} is {health.state} {health.reason}".rstrip())
        stream.close()

    def _log(self, stream: IO[str]) -> None:
        for line in stream:
            self._on_line(line.rstrip())
        stream.close()

    def health(self, group: str, instance: str, port: int) -> TargetHealth:
        """Tell what the checks say of a target that is to be checked."""
        with self._lock:
            return self._health.get((group, instance, port), REGISTERING)

    def traffic(self) -> list[Traffic]:
        """Tell what was served since this was last asked."""
        with self._lock:
            served, self._traffic = self._traffic, []
        return served

    def close(self) -> None:
        """End the process."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            end(process)
