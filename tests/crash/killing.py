"""Kills a command before and after each of its AWS calls, and lets what follows happen in a copy of this process.

The command runs once. At each call the process is forked: the copy never returns to the command, whose stack is left
as SIGKILL leaves it (no handler runs, nothing is cleaned up), while the original goes on to the next call. So all
points of a command cost one run of it, and not one each.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any, Generic, TypeVar

from pipeline.aws.session import connect

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


class Machine:
    """A machine that a command runs on: clients of its own, whose calls are told of at both ends.

    Leases are renewed from a thread while Packer works. Its calls are no points, and the process is not forked in the
    middle of one: the copy would find everything locked for ever.
    """

    def __init__(self, *, attempts: int = 3) -> None:
        self.clients = connect(region="us-east-1", profile=None, endpoint=None, attempts=attempts)
        self._listener: Callable[[Point], None] | None = None
        self._count = 0
        self._thread = threading.get_ident()
        self._turn = threading.RLock()
        for service in SERVICES:
            events = getattr(self.clients, service).meta.events
            # After the fence, which makes a call of its own before each change.
            events.register_last("before-call", self._before)
            events.register("after-call", self._after)

    def listen(self, listener: Callable[[Point], None] | None) -> None:
        """Count from one again, for this listener; None: nobody listens."""
        self._listener, self._count = listener, 0

    def _before(self, model: Any, **_: Any) -> None:
        if threading.get_ident() != self._thread:
            self._turn.acquire()
            return
        self._count += 1
        self._tell(model, after=False)

    def _after(self, model: Any, **_: Any) -> None:
        if threading.get_ident() != self._thread:
            self._turn.release()
            return
        self._tell(model, after=True)

    def _tell(self, model: Any, *, after: bool) -> None:
        if self._listener is not None:
            action = f"{model.service_model.service_name}:{model.name}"
            with self._turn:
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
        # In a context of its own: what the command had set for the call in whose middle it was killed is gone.
        process = _FORK.Process(target=lambda: asked.send(Context().run(work)))
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
