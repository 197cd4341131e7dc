"""Ledgers of good images in the sandbox's parameters."""

from __future__ import annotations

import pytest
from aws.account import Account
from aws.answers import AT

from pipeline.errors import NotPossible
from pipeline.model.good import Good
from pipeline.model.ids import ImageId

LEDGER = (Good(image=ImageId("ami-2"), since=AT), Good(image=ImageId("ami-1"), since=AT))


def test_a_ledger_comes_back_as_it_was_written(account: Account) -> None:
    """That of one fleet, and those of all."""
    assert (account.ledgers.of("web"), account.ledgers.all()) == ((), {})
    account.ledgers.write("api", LEDGER[1:])
    account.ledgers.write("web", LEDGER)
    assert account.ledgers.of("web") == LEDGER
    assert account.ledgers.all() == {"api": LEDGER[1:], "web": LEDGER}


@pytest.mark.parametrize("value", ["hello", "ami-1 yesterday", "ami-1 2026-11-24T00:00:00", "a b c"])
def test_what_somebody_else_wrote_is_no_ledger(account: Account, value: str) -> None:
    """It is told, not read as if nothing were to be kept."""
    account.world.ssm.put_parameter(Name="/rebake/good/web", Value=value, Type="String")
    with pytest.raises(NotPossible, match="does not say which images are good"):
        account.ledgers.all()
