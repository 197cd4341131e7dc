from __future__ import annotations

import os

import pytest

from pipeline.errors import HeldError, StepFailed
from pipeline.sandbox import control
from pipeline.sandbox.machines import Tier
from pipeline.sandbox.tiers import choose


def test_up_status_down() -> None:
    """A sandbox comes up in the background, answers on loopback, is up only once, and goes down again."""
    assert control.status() is None
    assert control.down() is False
    assert control.logs() == ""
    found = control.up("A", 50, die_with_parent=True)
    try:
        assert found.endpoint.startswith("http://127.0.0.1:")
        assert (found.tier, found.speed) == (Tier.API, 50)
        assert found.environment["AWS_ENDPOINT_URL"] == found.endpoint
        assert found.environment["REBAKE_TIME_SCALE"] == "50"
        with pytest.raises(HeldError):
            control.up("A")
    finally:
        assert control.down() is True
    assert control.status() is None
    assert control.logs().rstrip().endswith("down")
    with pytest.raises(ProcessLookupError):
        os.kill(found.pid, 0)


def test_a_sandbox_that_cannot_come_up_says_why() -> None:
    """A port that cannot be had ends the start with the server's last word."""
    with pytest.raises(StepFailed, match="There is no tier Z"):
        control.up("Z")


def test_a_dead_sandbox_is_forgotten() -> None:
    """What a sandbox left that was killed does not count as one that is up."""
    control.folder().mkdir(parents=True)
    entry = '{"endpoint": "http://127.0.0.1:1", "tier": "A", "speed": 1, "origin": 1, "pid": 1, "reason": ""}'
    (control.folder() / "sandbox.json").write_text(entry)
    assert control.status() is None
    assert not (control.folder() / "sandbox.json").exists()


def test_tier_is_taken_as_asked() -> None:
    """A tier may be asked for in either case."""
    assert choose("a")[0] is Tier.API
