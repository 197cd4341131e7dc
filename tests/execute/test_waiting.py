from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from pipeline.errors import CredentialsError, Interrupted, NotPossible, RebakeError, Throttled, TimedOut, Unavailable
from pipeline.execute.waiting import describe, wait_for
from pipeline.sandbox.clock import ManualClock

SECOND = timedelta(seconds=1)


def answers(*given: str | RebakeError | None) -> Callable[[], str | None]:
    """Make a probe that gives these answers in turn, raising the errors among them."""
    left: Iterator[str | RebakeError | None] = iter(given)

    def probe() -> str | None:
        answer = next(left)
        if isinstance(answer, RebakeError):
            raise answer
        return answer

    return probe


def test_a_probe_is_asked_until_it_answers() -> None:
    """Two empty answers cost two waits."""
    clock = ManualClock()
    began = clock.now()
    assert wait_for(clock, answers(None, None, "done"), every=5 * SECOND, within=60 * SECOND, what="It") == "done"
    assert clock.now() - began == 10 * SECOND


@pytest.mark.parametrize("error", [Throttled("slow down"), Unavailable("connection reset")])
def test_a_passing_error_counts_as_not_yet(error: RebakeError) -> None:
    """An outage of minutes must not end a roll of hours."""
    assert wait_for(ManualClock(), answers(error, "done"), every=SECOND, within=60 * SECOND, what="It") == "done"


@pytest.mark.parametrize(
    "error", [CredentialsError("expired"), NotPossible("no such group"), TimedOut("inner"), Interrupted("x")]
)
def test_any_other_error_ends_the_wait(error: RebakeError) -> None:
    """Waiting brings neither credentials nor groups."""
    with pytest.raises(type(error)):
        wait_for(ManualClock(), answers(error, "done"), every=SECOND, within=60 * SECOND, what="It")


def test_the_budget_ends_the_wait() -> None:
    """What never happens is told with the budget, the last error as its cause."""
    clock = ManualClock()
    began = clock.now()
    with pytest.raises(TimedOut, match="It did not happen within 1m 30s") as caught:
        wait_for(clock, answers(*[Throttled("x")] * 9), every=15 * SECOND, within=90 * SECOND, what="It")
    assert isinstance(caught.value.__cause__, Throttled)
    assert clock.now() - began == 90 * SECOND


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (90, "1m 30s"), (2700, "45m"), (9000, "2h 30m"), (86400, "24h")]
)
def test_durations_read_as_in_the_configuration(seconds: int, text: str) -> None:
    """Durations are written as they are configured."""
    assert describe(timedelta(seconds=seconds)) == text
