"""Waiting, in one place: a probe is asked at a fixed pace until it answers or its time is up.

What waits is a generator that yields how long: so one thread carries out many fleets, and whoever drives it can stop it
between two looks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TypeVar, cast

from pipeline.errors import RebakeError, TimedOut
from pipeline.ports.clock import Clock

PACE = timedelta(seconds=15)
"""Between two looks at a fleet: AWS changes nothing of one faster that anybody would act on."""

Answer = TypeVar("Answer")
Waiting = Generator[timedelta, None, Answer]
"""Yields pauses, and at its end the answer."""


def drive(clock: Clock, waiting: Waiting[Answer]) -> Answer:
    """Wait it out, alone."""
    try:
        while True:
            clock.sleep(next(waiting))
    except StopIteration as end:
        return cast("Answer", end.value)


def pause(duration: timedelta, *, step: timedelta) -> Waiting[None]:
    """Wait in steps, so that whoever drives it can look up in between."""
    while duration > timedelta():
        yield min(step, duration)
        duration -= step


def poll(
    clock: Clock, probe: Callable[[], Answer | None], *, every: timedelta, within: timedelta, what: str
) -> Waiting[Answer]:
    """Ask until the probe answers something other than None.

    A transient error (throttling, a connection lost) counts as "not yet": an outage of minutes in the middle of a
    roll of hours must not end it. Expired credentials do end it, since waiting brings none.

    Raises:
        TimedOut: the time budget is spent; the last transient error is its cause.
    """
    deadline = clock.now() + within
    while True:
        failure: RebakeError | None = None
        try:
            if (answer := probe()) is not None:
                return answer
        except RebakeError as error:
            if not error.passing:
                raise
            failure = error
        if clock.now() >= deadline:
            message = f"{what} did not happen within {describe(within)}."
            raise TimedOut(message, hint="run it again to go on") from failure
        yield every


def wait_for(
    clock: Clock, probe: Callable[[], Answer | None], *, every: timedelta, within: timedelta, what: str
) -> Answer:
    """Poll alone: nothing else is carried out meanwhile; errors as for `poll`."""
    return drive(clock, poll(clock, probe, every=every, within=within, what=what))


def describe(duration: timedelta) -> str:
    """Write a duration as configuration does: ``90s``, ``45m``, ``2h 30m``."""
    seconds = round(duration.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest}s" if rest else ""]
    return " ".join(part for part in parts if part) or "0s"
