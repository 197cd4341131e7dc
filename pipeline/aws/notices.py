"""Events that EventBridge has put into a queue, through SQS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches
from pipeline.aws.session import Clients
from pipeline.model.findings import Notice

_MOST = 10
"""So many messages are in a call."""


class SqsNotices:
    """The port `Notices` over ReceiveMessage and DeleteMessageBatch."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @translated("sqs")
    def receive(self, queue: str, wait: timedelta) -> tuple[Notice, ...]:
        answer = self._clients.sqs.receive_message(
            QueueUrl=queue, MaxNumberOfMessages=_MOST, WaitTimeSeconds=int(wait.total_seconds())
        )
        return tuple(
            Notice(key=_key(message["Body"]) or message["MessageId"], receipt=message["ReceiptHandle"])
            for message in answer.get("Messages", [])
        )

    @translated("sqs")
    def done(self, queue: str, notices: Sequence[Notice]) -> None:
        failed = [
            entry
            for batch in batches(notices, _MOST)
            for entry in self._clients.sqs.delete_message_batch(
                QueueUrl=queue,
                Entries=[{"Id": str(number), "ReceiptHandle": one.receipt} for number, one in enumerate(batch)],
            ).get("Failed", [])
        ]
        if failed:  # though the call succeeds: told as AWS would tell it of the one message alone
            code, words = failed[0]["Code"], failed[0].get("Message", "")
            raise ClientError({"Error": {"Code": code, "Message": words}}, "DeleteMessageBatch")


def _key(body: str) -> str:
    """Tell what makes an event: the finding as it was changed last, or else the event's own id; empty: it is none.

    Both of Inspector's sources, ``aws.inspector2`` and ``inspector2.ami.ondemand``, are read alike.
    """
    try:
        event: Any = json.loads(body)
        detail = event.get("detail") or {}
        if arn := detail.get("findingArn"):
            return f"{arn} {detail.get('updatedAt', '')} {detail.get('status', '')}"
        return str(event.get("id") or "")
    except (ValueError, AttributeError):
        return ""
