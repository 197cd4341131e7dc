"""Keeping hold of what a run works on, and noticing when somebody else has taken it over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pipeline.errors import HeldError, RebakeError, Unavailable
from pipeline.model.ids import RunId
from pipeline.model.leases import Lease
from pipeline.planning.leases import RENEWAL, TERM, held_by
from pipeline.ports.clock import Clock
from pipeline.ports.leases import Leases

_TICK_SECONDS = 1.0


@dataclass(slots=True)
class _Hold:
    """A lease of ours; ``lease`` is None where AWS could not write it and the run may go on all the same."""

    lease: Lease | None
    renewed: datetime
    urgent: bool


@dataclass(slots=True, kw_only=True)
class Keeper:
    """The leases of one run. ``patient``: it waits for whoever has them."""

    leases: Leases
    clock: Clock
    run: RunId
    patient: bool = False
    _held: dict[str, _Hold] = field(default_factory=dict)
    _lost: dict[str, Lease] = field(default_factory=dict)
    _acting: str | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, name: str, *, urgent: bool = False) -> datetime | None:
        """Take a lease; answer until when somebody had it before, None: nobody ever did.

        Raises:
            HeldError: another run has it; it says who, since when, and what to do.
            Unavailable: AWS cannot be reached, and it is not urgent.
        """
        try:
            before, lease = self._take(name, urgent=urgent)
        except Unavailable:
            if not urgent:
                raise
            before, lease = None, None  # who goes back must not be kept on a bad image by an outage of something else
        self._held[name] = _Hold(lease=lease, renewed=self.clock.now(), urgent=urgent)
        self._lost.pop(name, None)
        return before

    def _take(self, name: str, *, urgent: bool) -> tuple[datetime | None, Lease]:
        by, process = self.leases.me
        while True:
            latest, now = self.leases.latest(name), self.clock.now()
            gone = latest is not None and self.leases.gone(latest)
            if (who := held_by(latest, self.run, now, urgent=urgent, gone=gone)) is not None:
                kind, _, what = name.partition("-")
                raise HeldError(
                    f"The {kind} {what} is held by {who}.",
                    hint=f"wait for it with --wait; if it is dead, let go with: rebake unlock --{kind} {what}",
                )
            if latest is not None and latest.run == self.run and not latest.over:
                return latest.until, latest  # the answer to our own write was lost
            number = latest.number + 1 if latest is not None else 1
            lease = Lease(
                name=name,
                number=number,
                run=self.run,
                by=by,
                process=process,
                urgent=urgent,
                since=now,
                until=now + TERM,
            )
            if self.leases.create(lease):
                return (latest.until if latest is not None else None), lease

    def holds(self, name: str) -> bool:
        """Tell whether a lease was taken and neither lost nor let go."""
        return name in self._held

    def release(self, name: str) -> None:
        """Let go; where AWS cannot be told, the lease ends by itself."""
        hold = self._held.pop(name, None)
        if hold is not None and hold.lease is not None:
            with suppress(RebakeError):
                self.leases.rewrite(replace(hold.lease, until=self.clock.now(), over=True))

    def release_all(self) -> None:
        """Let go of everything."""
        for name in tuple(self._held):
            self.release(name)

    @contextmanager
    def acting(self, name: str) -> Iterator[None]:
        """Tell on whose behalf calls are made until the block ends."""
        self._acting, before = name, self._acting
        try:
            yield
        finally:
            self._acting = before

    def check(self) -> None:
        """Make sure that nobody else has taken over what is being worked on; called before each change.

        Raises:
            HeldError: somebody has: nothing more may be changed.
            Unavailable: AWS does not say, and it is not urgent.
        """
        if self._acting is None:
            return
        hold = self._held.get(self._acting)
        try:
            if hold is not None:
                self._look(self._acting, hold)
        except Unavailable:
            if hold is None or not hold.urgent:
                raise
        self.require(self._acting)

    def require(self, name: str) -> None:
        """Make sure, without asking AWS, that a lease is not known to be lost; errors as for `check`."""
        if (by := self._lost.get(name)) is not None:
            text = f"{name} was taken over by run {by.run} of {by.by} at {by.since:%H:%M:%S} UTC."
            raise HeldError(text, hint="see what stands with: rebake status")

    def beat(self) -> None:
        """Renew what is due; a failure is left to the next check, or to the next beat."""
        now = self.clock.now()
        for name, hold in tuple(self._held.items()):
            if now - hold.renewed >= RENEWAL:
                with suppress(RebakeError):
                    self._look(name, hold)

    def _look(self, name: str, hold: _Hold) -> None:
        if hold.lease is None:
            return
        with self._lock:
            latest, now = self.leases.latest(name), self.clock.now()
            if latest is not None and latest.number > hold.lease.number:  # a read that is late shows an earlier one
                self._held.pop(name, None)
                self._lost[name] = latest
            elif now - hold.renewed >= RENEWAL:
                hold.lease = replace(hold.lease, until=now + TERM)
                self.leases.rewrite(hold.lease)
                hold.renewed = now

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Renew from a thread until the block ends: for work that waits on other programs and not on the clock."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_TICK_SECONDS):
                self.beat()

        thread = threading.Thread(target=beat, name="leases", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@dataclass(frozen=True, slots=True)
class KeepingClock:
    """The clock of a run: a long wait is taken in pieces, and what the run holds is renewed between them."""

    clock: Clock
    keeper: Keeper

    def now(self) -> datetime:
        """Tell the time."""
        return self.clock.now()

    def sleep(self, duration: timedelta) -> None:
        """Wait."""
        ends = self.clock.now() + duration
        while (left := ends - self.clock.now()) > timedelta():
            self.clock.sleep(min(left, RENEWAL))
            self.keeper.beat()
