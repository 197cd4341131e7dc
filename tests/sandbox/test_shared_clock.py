from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.errors import UsageError
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.control import SandboxStatus
from pipeline.sandbox.machines import Tier
from pipeline.wiring import system_clock


def test_commands_share_the_sandbox_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox that came up an hour ago and is a thousand times as fast is 999 hours ahead, for its commands too."""
    origin = datetime.now(UTC) - timedelta(hours=1)
    status = SandboxStatus(endpoint="http://127.0.0.1:1", tier=Tier.API, speed=1000, origin=origin.timestamp(), pid=1)
    for name, value in status.environment.items():
        monkeypatch.setenv(name, value)
    ahead = system_clock().now() - datetime.now(UTC)
    assert timedelta(hours=900) < ahead < timedelta(hours=1100)


def test_the_sandbox_says_when_its_clock_was_real() -> None:
    """The origin is the moment at which the clock was made."""
    before = datetime.now(UTC)
    clock = WallClock(1000)
    assert before <= clock.origin <= datetime.now(UTC)
    assert clock.origin <= clock.now()


@pytest.mark.parametrize("name", ["REBAKE_TIME_SCALE", "REBAKE_TIME_ORIGIN"])
@pytest.mark.parametrize("value", ["fast", "0", "-1", "nan", "inf"])
def test_a_clock_that_makes_no_sense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Neither speed nor origin may be anything but a number above zero."""
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=name):
        system_clock()


def test_without_a_sandbox_time_is_real() -> None:
    """Nothing in the environment: the machine's own clock."""
    assert system_clock().scale == 1
