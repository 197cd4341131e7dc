"""The log of API calls, so that a test can assert that a dry run changed nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

_IAM_PREFIX = {"elbv2": "elasticloadbalancing", "elb": "elasticloadbalancing", "service-quotas": "servicequotas"}
_IAM_NAMES = {"DeleteMessageBatch": "DeleteMessage"}
_READS = ("Describe", "Get", "List", "Search", "Simulate", "Lookup", "AssumeRole", "BatchGet", "Decode")


def action_name(service: str, operation: str) -> str:
    """Name an operation as IAM does: ``ec2:RunInstances``, ``elasticloadbalancing:ModifyRule``."""
    return f"{_IAM_PREFIX.get(service, service)}:{_IAM_NAMES.get(operation, operation)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One API call. ``error`` is the code that it was answered with; empty when it succeeded."""

    at: datetime
    action: str
    parameters: Mapping[str, Any]
    account: str
    region: str
    error: str = ""

    @property
    def mutating(self) -> bool:
        """Whether it asks for a change: neither a read nor a dry run."""
        return mutates(self.action) and not self.parameters.get("DryRun")


def mutates(action: str) -> bool:
    """Tell whether an action changes anything, by AWS's naming."""
    return not action.partition(":")[2].startswith(_READS)


class CallLog:
    """All calls since the cloud came up, in order."""

    def __init__(self) -> None:
        self._calls: list[Call] = []

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._calls))

    def __len__(self) -> int:
        return len(self._calls)

    def record(self, call: Call) -> None:
        """Keep a call."""
        self._calls.append(call)

    def clear(self) -> None:
        """Forget all calls so far."""
        self._calls.clear()

    def matching(self, pattern: str) -> tuple[Call, ...]:
        """List the calls whose action matches a glob (``ec2:Run*``)."""
        return tuple(call for call in self._calls if fnmatchcase(call.action, pattern))

    @property
    def mutating(self) -> tuple[Call, ...]:
        """The calls that asked for a change."""
        return tuple(call for call in self._calls if call.mutating)
