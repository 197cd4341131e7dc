"""What a release gate asks of an image: rules that compose, all of which somebody chose."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.model.findings import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxAge:
    """The image was made no longer ago than this."""

    age: timedelta

    def __str__(self) -> str:
        return "max_age"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoFindings:
    """No vulnerability of this severity or a worse one has been known for so long.

    ``fixable``: only those that have a fix count; without it, those that nobody can mend yet count, too.
    """

    at_least: Severity = Severity.CRITICAL
    older_than: timedelta = timedelta()
    fixable: bool = True

    def __str__(self) -> str:
        return "findings"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTested:
    """It passed its smoke tests, and was not rejected or revoked since."""

    def __str__(self) -> str:
        return "smoke_tested"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Its provenance is kept, and is what its tag says; ``signed``: by a key of ours, too."""

    signed: bool = False

    def __str__(self) -> str:
        return "provenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A channel of its family points to it, or did before a newer one; empty: the family's own channel."""

    channel: str = ""

    def __str__(self) -> str:
        return "promoted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanDescent:
    """Nothing it was baked from was rejected or revoked."""

    def __str__(self) -> str:
        return "ancestors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Every:
    """All of these hold."""

    rules: tuple[ReleaseRule, ...]

    def __str__(self) -> str:
        return f"all of ({'; '.join(map(str, self.rules))})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """One of these holds."""

    rules: tuple[ReleaseRule, ...]

    def __str__(self) -> str:
        return f"any of ({'; '.join(map(str, self.rules))})"


ReleaseRule = MaxAge | NoFindings | SmokeTested | Proven | Promoted | CleanDescent | Every | Either


def flat(rules: tuple[ReleaseRule, ...]) -> tuple[ReleaseRule, ...]:
    """List the rules that ask something, also those within others."""
    parts = (flat(rule.rules) if isinstance(rule, Every | Either) else (rule,) for rule in rules)
    return tuple(rule for part in parts for rule in part)
