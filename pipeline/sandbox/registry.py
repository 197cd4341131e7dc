"""Operations that the sandbox adds to moto or replaces: functions from parameters to an answer, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from moto.core.exceptions import ServiceException

from pipeline.sandbox.state import Scope

Parameters = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Scope):
    """A call to answer: where it goes, who asks, and moto's own way to answer it with the same parameters."""

    caller: str
    native: Callable[[], Any] = field(repr=False)


Operation = Callable[[Request, Parameters], object]

OPERATIONS: dict[tuple[str, str], Operation] = {}
"""By botocore's service name and the operation's name; filled by the modules that `Cloud` imports."""


def operation(service: str, *names: str) -> Callable[[Operation], Operation]:
    """Register a function as the answer to these operations of a service."""

    def register(function: Operation) -> Operation:
        OPERATIONS.update({(service, name): function for name in names})
        return function

    return register


class Refusal(ServiceException):  # type: ignore[misc] # moto is not typed
    """An AWS error, as an exception of a module of ours: of its own modules moto wants the service by their names."""


def refusal(code: str, message: str) -> Refusal:
    """Make the exception that is answered as this AWS error."""
    return Refusal(code, message)


def invalid(message: str) -> Refusal:
    """Make the refusal that most services give to what they cannot make sense of."""
    return refusal("ValidationError", message)


def refuse_dry_run(parameters: Parameters) -> None:
    """Answer a dry run as EC2 does, once everything else about the call was found right.

    Raises:
        ServiceException: always, when ``DryRun`` is set.
    """
    if parameters.get("DryRun"):
        raise refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.")


def page(items: list[Any], parameters: Parameters, *, size: str, default: int, limit: int) -> tuple[list[Any], str]:
    """Cut a page and name the token of the next one (empty: it was the last)."""
    start = int(parameters.get("NextToken") or 0)
    end = start + min(int(parameters.get(size) or default), limit)
    return items[start:end], str(end) if end < len(items) else ""
