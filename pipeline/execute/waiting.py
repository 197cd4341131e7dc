"""Waiting, in one place: a probe is asked at a fixed pace until it answers or its time is up.

What waits is a generator that yields how long: so one thread carries out many fleets, and whoever drives it can stop it
between two looks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TypeVar, cast

from tenacity import (
    DoAttempt,
    DoSleep,
    RetryCallState,
    RetryError,
    Retrying,
    retry_if_exception,
    retry_if_result,
    wait_fixed,
)

from pipeline.errors import CredentialsError, TimedOut, Unavailable
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

    def spent(_state: RetryCallState) -> bool:
        return clock.now() >= deadline

    retrying = Retrying(
        wait=wait_fixed(every),
        stop=spent,
        retry=retry_if_result(lambda answer: answer is None) | retry_if_exception(_passing),
    )
    retrying.begin()
    state = RetryCallState(retry_object=retrying, fn=None, args=(), kwargs={})
    try:
        while True:
            todo = retrying.iter(retry_state=state)
            if isinstance(todo, DoAttempt):
                _attempt(state, probe)
            elif isinstance(todo, DoSleep):
                state.prepare_for_next_attempt()
                yield timedelta(seconds=todo)
            else:
                return cast("Answer", todo)  # a None never gets past retry_if_result
    except RetryError as error:
        message = f"{what} did not happen within {describe(within)}."
        raise TimedOut(message, hint="Run it again to go on.") from error.last_attempt.exception()


def wait_for(
    clock: Clock, probe: Callable[[], Answer | None], *, every: timedelta, within: timedelta, what: str
) -> Answer:
    """Poll alone: nothing else is carried out meanwhile; errors as for `poll`."""
    return drive(clock, poll(clock, probe, every=every, within=within, what=what))


def _attempt(state: RetryCallState, probe: Callable[[], Answer | None]) -> None:
    try:
        state.set_result(probe())
    except Exception as error:  # noqa: BLE001 - the retry rule raises again what it does not know
        state.set_exception((type(error), error, error.__traceback__))


def describe(duration: timedelta) -> str:
    """Write a duration as configuration does: ``90s``, ``45m``, ``2h 30m``."""
    seconds = round(duration.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest}s" if rest else ""]
    return " ".join(part for part in parts if part) or "0s"


def _passing(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and error.transient and not isinstance(error, CredentialsError)
