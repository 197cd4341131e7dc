"""Signals that people leave for running rollouts, in the sandbox's Parameter Store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aws.account import Account

from pipeline.model.signals import Signal

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
HALT = Signal(word="halt", by="ann", reason="checkout is slow", at=AT)


def test_a_signal_is_left_read_and_taken(account: Account) -> None:
    """The last part of its name says whom it is for; one that stands there is replaced."""
    account.signals.leave("/rebake/andon/all", HALT)
    account.signals.leave("/rebake/approvals/r1", Signal(word="approve", by="bob", reason="", at=AT))
    account.signals.leave("/rebake/approvals/r1", Signal(word="reject", by="bob", reason="no", at=AT))
    assert account.signals.under("/rebake/andon") == {"all": HALT}
    assert account.signals.under("/rebake/approvals")["r1"].word == "reject"
    assert account.signals.take("/rebake/andon/all")
    assert not account.signals.take("/rebake/andon/all")
    assert account.signals.under("/rebake/andon") == {}


def test_a_signal_is_a_small_parameter(account: Account) -> None:
    """The standard tier costs nothing."""
    account.signals.leave("/rebake/andon/all", HALT)
    (sent,) = [call.parameters for call in account.cloud.calls if call.action == "ssm:PutParameter"]
    assert (sent["Tier"], sent["Type"]) == ("Standard", "String")


@pytest.mark.parametrize(
    "value",
    [
        "stop everything, the database is on fire",
        "[]",
        '{"word": "halt"}',
        '{"word": "carry on", "by": "eve", "reason": "", "at": "2026-11-02T12:00:00+00:00"}',
        '{"word": "approve", "by": "eve", "reason": "", "at": "2026-11-02T12:00:00"}',
        '{"word": "approve", "by": "eve", "reason": "", "at": 7}',
    ],
)
def test_a_value_that_is_not_ours_pulls_the_cord(account: Account, value: str) -> None:
    """Somebody wrote it by hand in a hurry: it stops rollouts, and its text is the reason."""
    account.world.ssm.put_parameter(Name="/rebake/andon/all", Value=value, Type="String")
    signal = account.signals.under("/rebake/andon")["all"]
    assert (signal.word, signal.reason, signal.by) == ("halt", value, "")
    assert signal.at == account.cloud.clock.now()


def test_many_signals_are_read_in_pages(account: Account) -> None:
    """Parameter Store answers ten at a time."""
    for number in range(12):
        account.signals.leave(f"/rebake/andon/fleet-{number}", HALT)
    account.signals.leave("/rebake/andon/deeper/one", HALT)
    account.cloud.calls.clear()
    assert set(account.signals.under("/rebake/andon")) == {f"fleet-{number}" for number in range(12)}
    assert [call.action for call in account.cloud.calls] == ["ssm:GetParametersByPath"] * 2
