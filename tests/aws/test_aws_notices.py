"""Events from a queue: what makes two of them the same, and that they stay until they are deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aws.account import Account
from botocore.stub import Stubber

from pipeline.aws.notices import SqsNotices
from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied, NotFound, NotPossible, RebakeError, Unavailable
from pipeline.model.findings import Notice

NONE = timedelta()
ARN = "arn:aws:inspector2:us-east-1:123456789012:finding/1"


def event(source: str = "aws.inspector2", id_: str = "e1", **detail: str) -> str:
    """Write an event as EventBridge puts it into a queue."""
    return json.dumps({"version": "0", "id": id_, "source": source, "detail": detail})


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (event(findingArn=ARN, updatedAt="t1", status="ACTIVE"), f"{ARN} t1 ACTIVE"),
        (event("inspector2.ami.ondemand", findingArn=ARN), f"{ARN}  "),
        (event("inspector2.ami.ondemand", **{"machine-image-id": "ami-1"}), "e1"),
        ('{"id": "e2", "detail": null}', "e2"),
    ],
)
def test_what_makes_an_event(account: Account, body: str, key: str) -> None:
    """A finding as it was changed last, of either source; else the event's own id."""
    url = account.queue()
    account.notices.done(url, account.notices.receive(url, NONE))
    account.world.client("sqs").send_message(QueueUrl=url, MessageBody=body)
    assert [one.key for one in account.notices.receive(url, NONE)] == [key]


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}"])
def test_what_is_no_event_is_a_reason_to_look_too(account: Account, body: str) -> None:
    """It has the message's own id: whoever wrote it wanted something."""
    url = account.queue()
    sent = account.world.client("sqs").send_message(QueueUrl=url, MessageBody=body)["MessageId"]
    assert sent in {one.key for one in account.notices.receive(url, NONE)}


def test_a_message_is_deleted_once_it_was_acted_on(account: Account) -> None:
    """Until then the queue has it; somebody else does not get it in the meantime."""
    url = account.queue()
    taken = account.notices.receive(url, NONE)
    assert account.notices.receive(url, timedelta(seconds=20)) == ()  # at once: here nobody may wait with all of it
    held = ("ApproximateNumberOfMessagesNotVisible", "1")
    sqs = account.world.client("sqs")
    assert held in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"].items()
    account.notices.done(url, taken)
    assert held not in sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"].items()


@pytest.mark.parametrize(("code", "told"), [("InternalError", Unavailable), ("ReceiptHandleIsInvalid", NotPossible)])
def test_ten_are_deleted_in_a_call(
    stub: Callable[[str], Stubber], clients: Clients, code: str, told: type[RebakeError]
) -> None:
    """All of them are tried, and one that stays is told as if it had been alone."""
    notices = [Notice(key=str(number), receipt=f"r{number}") for number in range(12)]
    entries = [{"Id": str(number % 10), "ReceiptHandle": f"r{number}"} for number in range(12)]
    refused = {"Id": "0", "SenderFault": False, "Code": code}
    for part, failed in ((entries[:10], [refused]), (entries[10:], [])):
        answer: dict[str, Any] = {"Successful": [], "Failed": failed}
        stub("sqs").add_response("delete_message_batch", answer, {"QueueUrl": "https://queue", "Entries": part})
    with pytest.raises(told, match=code):
        SqsNotices(clients).done("https://queue", notices)


def test_a_queue_that_is_not_there_or_closed(account: Account) -> None:
    """Each is told as itself."""
    url = account.queue()
    with pytest.raises(NotFound):
        account.notices.receive(url + "x", NONE)
    account.cloud.deny("sqs:ReceiveMessage")
    with pytest.raises(AccessDenied, match="sqs:ReceiveMessage"):
        account.notices.receive(url, NONE)
    account.cloud.deny("sqs:DeleteMessage")
    with pytest.raises(AccessDenied, match=r"sqs:DeleteMessage\."):
        account.notices.done(url, [Notice(key="k", receipt="r")])
