"""Waiting, in one place: a probe is asked at a fixed pace until it answers or its time is up."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, cast

from tenacity import RetryCallState, RetryError, Retrying, retry_if_exception, retry_if_result, wait_fixed

from pipeline.errors import CredentialsError, TimedOut, Unavailable
from pipeline.ports.clock import Clock

Answer = TypeVar("Answer")


def poll(clock: Clock, probe: Callable[[], Answer | None], *, every: timedelta, within: timedelta, what: str) -> Answer:
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
        sleep=lambda seconds: clock.sleep(timedelta(seconds=seconds)),
    )
    try:
        return cast("Answer", retrying(probe))  # a None never gets past retry_if_result
    except RetryError as error:
        message = f"{what} did not happen within {describe(within)}."
        raise TimedOut(message, hint="Run it again to go on.") from error.last_attempt.exception()


def describe(duration: timedelta) -> str:
    """Write a duration as configuration does: ``90s``, ``45m``, ``2h 30m``."""
    seconds = round(duration.total_seconds())
    hours, minutes, rest = seconds // 3600, seconds % 3600 // 60, seconds % 60
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest}s" if rest else ""]
    return " ".join(part for part in parts if part) or "0s"


def _passing(error: BaseException) -> bool:
    return isinstance(error, Unavailable) and error.transient and not isinstance(error, CredentialsError)
