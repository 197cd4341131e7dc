"""The sandbox's time: manual for tests, or the wall clock times a factor."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

Stepper = Callable[[], timedelta]
"""Steps what it watches up to now, and answers how far time may jump before it must be asked again."""


class SandboxClock(Protocol):
    """Wall-clock time of the cloud in UTC; the same methods as the Clock port, and a way to be told of steps."""

    def now(self) -> datetime:
        """Tell the time, aware and in UTC."""
        ...

    def sleep(self, duration: timedelta) -> None:
        """Let so much of the cloud's time pass."""
        ...

    def watch(self, stepper: Stepper) -> Callable[[], None]:
        """Step something as time passes; the answer ends that."""
        ...


class ManualClock:
    """Time that moves only when it is told to, so that eight hours are a test of milliseconds."""

    def __init__(self, start: datetime = datetime(2026, 11, 2, tzinfo=UTC)) -> None:
        self._now = start
        self._steppers: list[Stepper] = []

    def now(self) -> datetime:
        """Tell the time, aware and in UTC."""
        return self._now

    def watch(self, stepper: Stepper) -> Callable[[], None]:
        """Step something as time passes; the answer ends that."""
        self._steppers.append(stepper)
        return lambda: self._steppers.remove(stepper)

    def advance(self, duration: timedelta) -> None:
        """Move on; everything watched is stepped often enough that nothing is skipped."""
        until = self._now + duration
        while self._now < until:
            stride = min([until - self._now, *(stepper() for stepper in self._steppers)])
            self._now += stride
        for stepper in self._steppers:
            stepper()

    sleep = advance


class WallClock:
    """The wall clock, ``factor`` times as fast. Steps happen on each API call and in the cloud's own thread."""

    def __init__(self, factor: float = 1.0) -> None:
        self.factor = factor
        self.origin = datetime.now(UTC)
        """When its time was the real time."""
        self._began = time.monotonic()

    def now(self) -> datetime:
        """Tell the time, aware and in UTC."""
        return self.origin + timedelta(seconds=(time.monotonic() - self._began) * self.factor)

    def sleep(self, duration: timedelta) -> None:
        """Let so much of the cloud's time pass."""
        time.sleep(max(0.0, duration.total_seconds() / self.factor))

    def watch(self, stepper: Stepper) -> Callable[[], None]:  # noqa: ARG002 - the protocol's name
        """Take note of nothing: real time passes by itself."""
        return lambda: None
