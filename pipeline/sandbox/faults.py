"""Faults as rules: throttling, errors, latency, lost connections and answers, ids that are not visible yet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

_THROTTLES = {"ec2": "RequestLimitExceeded", "s3": "SlowDown", "ssm": "ThrottlingException"}


class FaultKind(StrEnum):
    """What a rule does to a call."""

    ERROR = "error"
    LATENCY = "latency"
    RESET = "reset"
    """The connection ends before the call is executed."""
    LOST = "lost"
    """The call is executed, then the connection ends: the test of idempotency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A rule for the actions that match a glob; ``share`` of the calls, ``times`` at most (None: always)."""

    kind: FaultKind
    action: str
    share: float = 1.0
    times: int | None = None
    code: str = ""
    message: str = ""
    latency: timedelta = timedelta()


class Faults:
    """The switchable rules. Which call is hit depends on seed, rule, action and its count, never on timing."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._rules: list[Fault] = []
        self._seen: dict[tuple[int, str], int] = {}
        self._hits: dict[int, int] = {}
        self.visibility_delay = timedelta()
        """How long a new id answers NotFound (eventual consistency)."""

    def add(self, fault: Fault) -> None:
        """Add a rule."""
        self._rules.append(fault)

    def clear(self) -> None:
        """Remove all rules; new ids are visible at once again."""
        self._rules.clear()
        self._seen.clear()
        self._hits.clear()
        self.visibility_delay = timedelta()

    def throttle(self, action: str = "*", *, share: float = 1.0, times: int | None = None) -> None:
        """Throttle calls with the code that the service uses."""
        self.add(Fault(kind=FaultKind.ERROR, action=action, share=share, times=times, message="Rate exceeded"))

    def fail(self, action: str, code: str, message: str = "", *, share: float = 1.0, times: int | None = None) -> None:
        """Answer calls with an error code, such as InsufficientInstanceCapacity."""
        text = message or f"The sandbox was told to answer {code}."
        self.add(Fault(kind=FaultKind.ERROR, action=action, code=code, message=text, share=share, times=times))

    def delay(self, action: str, latency: timedelta, *, share: float = 1.0) -> None:
        """Let calls take longer, in the cloud's time."""
        self.add(Fault(kind=FaultKind.LATENCY, action=action, latency=latency, share=share))

    def reset(self, action: str, *, share: float = 1.0, times: int | None = None) -> None:
        """End the connection before the call is executed (in process: HTTP status 500)."""
        self.add(Fault(kind=FaultKind.RESET, action=action, share=share, times=times))

    def lose_answer(self, action: str, *, share: float = 1.0, times: int | None = None) -> None:
        """End the connection after the call was executed (in process: HTTP status 500)."""
        self.add(Fault(kind=FaultKind.LOST, action=action, share=share, times=times))

    def hide_new_ids(self, delay: timedelta) -> None:
        """Answer NotFound for ids younger than this."""
        self.visibility_delay = delay

    def decide(self, action: str) -> tuple[Fault, ...]:
        """Tell which rules hit this call; each asking counts as a call."""
        return tuple(rule for index, rule in enumerate(self._rules) if self._hit(index, rule, action))

    def _hit(self, index: int, rule: Fault, action: str) -> bool:
        if not fnmatchcase(action, rule.action):
            return False
        if rule.times is not None and self._hits.get(index, 0) >= rule.times:
            return False
        count = self._seen[index, action] = self._seen.get((index, action), 0) + 1
        digest = hashlib.sha256(f"{self._seed}:{index}:{action}:{count}".encode()).digest()
        if int.from_bytes(digest[:8], "big") >= rule.share * 2**64:
            return False
        self._hits[index] = self._hits.get(index, 0) + 1
        return True


def error_code(fault: Fault, action: str) -> str:
    """Name the error code of a fault; a throttle has the service's own."""
    return fault.code or _THROTTLES.get(action.partition(":")[0], "Throttling")
