"""Journals in a bucket of the sandbox."""

from __future__ import annotations

import pytest
from aws.account import Account

from pipeline.errors import AccessDenied, HeldError, RebakeError
from pipeline.model.ids import RunId

OLD, NEW = RunId("20261123T181500-kqzt"), RunId("20261124T090000-abcd")


def test_records_are_put_listed_and_fetched(account: Account) -> None:
    """Runs come newest first, their records in order; the ends are two calls however long the run was."""
    account.bucket()
    for run in (OLD, NEW):
        for number in range(1, 13):
            account.journals.keep(run, number, f'{{"seq": {number}}}')
    assert account.journals.runs() == (NEW, OLD)
    assert account.journals.lines(NEW) == tuple(f'{{"seq": {number}}}' for number in range(1, 13))
    account.cloud.calls.clear()
    assert account.journals.lines(NEW, ends=True) == ('{"seq": 1}', '{"seq": 12}')
    assert [call.action for call in account.cloud.calls] == ["s3:ListBucket", "s3:GetObject", "s3:GetObject"]
    assert account.journals.lines(RunId("20261125T090000-abcd")) == ()


def test_a_record_that_stands_is_never_written_over(account: Account) -> None:
    """An answer that was lost is asked for again; what stands there stays, and that is no error."""
    account.bucket()
    account.journals.keep(OLD, 1, "first")
    account.journals.keep(OLD, 1, "second")
    assert account.journals.lines(OLD) == ("first",)


def test_a_run_that_lost_its_lease_still_says_so(account: Account) -> None:
    """It may change nothing any more; the journal is no part of what it changes."""

    def lost() -> None:
        raise HeldError("Another run has it.", hint="Wait.")

    account.bucket()
    with account.clients.guarded(lost):
        account.journals.keep(OLD, 1, "{}")
    assert account.journals.lines(OLD) == ("{}",)


def test_what_is_not_allowed_is_named_as_iam_names_it(account: Account) -> None:
    """The operation is ListObjectsV2; the action is not."""
    account.bucket()
    account.cloud.deny("s3:ListBucket")
    with pytest.raises(AccessDenied) as raised:
        account.journals.runs()
    assert raised.value.action == "s3:ListBucket"


def test_a_bucket_that_is_not_there(account: Account) -> None:
    """It is named by AWS's own code."""
    with pytest.raises(RebakeError, match="NoSuchBucket"):
        account.journals.keep(OLD, 1, "{}")
