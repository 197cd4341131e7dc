"""Patch baselines: which patches are approved, when, and which never. The semantics are those of SSM Patch Manager."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from pipeline.model.packages import Package, Patch


class Property(StrEnum):
    """What a rule can ask of a patch; the words of ``rebake.yaml``."""

    CLASSIFICATION = "classification"
    SEVERITY = "severity"
    PRODUCT = "product"
    CVE = "cve"
    ADVISORY = "advisory"
    NAME = "name"
    SECTION = "section"
    PRIORITY = "priority"
    ARCHITECTURE = "architecture"
    REPOSITORY = "repository"


class Compliance(StrEnum):
    """How bad it is that an approved patch is missing; in descending order."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    INFORMATIONAL = "INFORMATIONAL"
    UNSPECIFIED = "UNSPECIFIED"


class OnRejected(StrEnum):
    """What becomes of a rejected patch that an approved one needs."""

    ALLOW_AS_DEPENDENCY = "ALLOW_AS_DEPENDENCY"
    BLOCK = "BLOCK"


Filters = Mapping[Property, tuple[str, ...]]
"""All properties must match, each by one of its values; values may hold wildcards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Approves what matches, ``after`` so long since its release, or whatever was released ``until`` a day (UTC).

    Without ``non_security`` only security patches match. That tells patches of Linux apart; Windows knows no others.
    """

    filters: Filters = field(default_factory=dict)
    after: timedelta = timedelta()
    until: date | None = None
    level: Compliance = Compliance.UNSPECIFIED
    non_security: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchBaseline:
    """Rules and lists. ``only`` must match for anything but the lists; the rejected list goes before all else.

    List entries are names, or names with a version, advisories or CVE ids, each with wildcards if need be. ``name`` is
    what the reader knows it by: its name in the file, ``ssm:pb-…``, or Patch Manager's own name of a predefined one.
    """

    name: str
    rules: tuple[ApprovalRule, ...] = ()
    only: Filters = field(default_factory=dict)
    approved: tuple[str, ...] = ()
    approved_level: Compliance = Compliance.UNSPECIFIED
    approved_non_security: bool = True
    rejected: tuple[str, ...] = ()
    on_rejected: OnRejected = OnRejected.ALLOW_AS_DEPENDENCY


@dataclass(frozen=True, slots=True, kw_only=True)
class SsmBaseline:
    """A baseline that stands in SSM: by id, or (None) the one that SSM has for the patch group, or for all."""

    id: str | None = None
    patch_group: str | None = None


class Verdict(StrEnum):
    """What a baseline says of a patch."""

    APPROVED = "approved"
    DEPENDENCY = "dependency"
    """Not approved itself, but an approved one needs it."""
    HELD = "held back"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A verdict on a patch, by which rule or list entry, and why in words.

    ``until`` is the moment at which a patch that is held back is approved; None: nothing approves it as things are.
    """

    patch: Patch
    verdict: Verdict
    by: str
    why: str
    until: datetime | None = None
    level: Compliance = Compliance.UNSPECIFIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """A survey judged by a baseline at one moment, and the exact packages that come of it, sorted by name."""

    baseline: str
    at: datetime
    surveyed: datetime
    decisions: tuple[Decision, ...] = ()
    install: tuple[Package, ...] = ()

    def count(self, *verdicts: Verdict) -> int:
        """Count the decisions of these verdicts."""
        return sum(decision.verdict in verdicts for decision in self.decisions)
