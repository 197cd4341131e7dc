"""Kills a command before and after each of its AWS calls, and lets what follows happen in a copy of this process.

The command runs once. At each call the process is forked: the copy never returns to the command, whose stack is left
as SIGKILL leaves it (no handler runs, nothing is cleaned up), while the original goes on to the next call. So all
points of a command cost one run of it, and not one each.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from pipeline.aws.session import Clients

SERVICES = ("autoscaling", "cloudformation", "cloudwatch", "ec2", "elbv2", "iam", "kms", "quotas", "ssm", "sts")
Answer = TypeVar("Answer")
_FORK = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An instant in a command: just before its call number ``call`` is sent, or just after it was answered."""

    call: int
    after: bool
    action: str

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} call {self.call}, {self.action}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a crash at these points (one, or a second one in the recovery from the first) came to; no faults: well."""

    points: tuple[Point, ...]
    faults: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Calls:
    """Counts the calls of clients, and tells of both ends of each to whoever listens."""

    def __init__(self, clients: Clients) -> None:
        self._listener: Callable[[Point], None] | None = None
        self._count = 0
        for service in SERVICES:
            client = getattr(clients, service)
            client.meta.events.register("before-call", self._before)
            client.meta.events.register("after-call", self._after)

    def listen(self, listener: Callable[[Point], None] | None) -> None:
        """Count from one again, for this listener; None: nobody listens."""
        self._listener, self._count = listener, 0

    def _before(self, model: Any, **_: Any) -> None:
        self._count += 1
        self._tell(model, after=False)

    def _after(self, model: Any, **_: Any) -> None:
        self._tell(model, after=True)

    def _tell(self, model: Any, *, after: bool) -> None:
        if self._listener is not None:
            action = f"{model.service_model.service_name}:{model.name}"
            self._listener(Point(call=self._count, after=after, action=action))


class Copies(Generic[Answer]):
    """Copies of this process at work, as many at once as there are cores, and what they have answered."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most or os.cpu_count() or 1
        self._working: dict[Any, Any] = {}
        self._answers: list[Answer] = []

    def start(self, work: Callable[[], list[Answer]]) -> None:
        """Do something in a copy of this process as it is now; blocks while all cores are taken."""
        while len(self._working) >= self._most:
            self._collect()
        answer, asked = _FORK.Pipe(duplex=False)
        process = _FORK.Process(target=lambda: asked.send(work()))
        process.start()
        asked.close()
        self._working[answer] = process

    def finish(self) -> list[Answer]:
        """Wait for all of them; their answers in the order in which they came."""
        while self._working:
            self._collect()
        return self._answers

    def _collect(self) -> None:
        finished: list[Any] = wait(list(self._working))
        for ready in finished:
            process = self._working.pop(ready)
            self._answers += ready.recv()
            ready.close()
            process.join()


def drawn(share: float, *what: object) -> bool:
    """Tell whether a lot falls on something; the same each time, whatever else is drawn."""
    digest = hashlib.sha256(repr(what).encode()).digest()
    return int.from_bytes(digest[:8], "big") < share * 2**64
