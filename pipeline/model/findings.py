"""Vulnerabilities that Amazon Inspector finds on images and instances, and what it has not looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.packages import Package


class Severity(StrEnum):
    """Inspector's severities, the worst first; an untriaged one has none yet."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFORMATIONAL = "informational"
    UNTRIAGED = "untriaged"

    @property
    def rank(self) -> int:
        """Its place among them: 0 is the worst."""
        return list(Severity).index(self)


SLA: Mapping[Severity, timedelta] = {
    Severity.CRITICAL: timedelta(days=7),
    Severity.HIGH: timedelta(days=30),
    Severity.MEDIUM: timedelta(days=90),
}
"""How soon a fix must be on every fleet, unless the configuration says otherwise; other severities have no time."""


class Fix(StrEnum):
    """Whether the affected packages have newer versions without it: all of them, some of them, none."""

    YES = "yes"
    PARTIAL = "partial"
    NO = "no"


class FindingStatus(StrEnum):
    """Inspector's states of a finding; a suppressed one is hidden by a rule that somebody made."""

    ACTIVE = "active"
    SUPPRESSED = "suppressed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A vulnerability on an image, or on an instance of one (``instance``; ``image`` is then what it runs, if told).

    ``id`` is Inspector's ARN, or for an image ``<image>/<title>``: EC2 tells no ARNs. ``cve`` is the id of the
    vulnerability, whoever gave it. ``fixed_since`` is since when Inspector has known a fix for one of this severity on
    the image, None where it does not say. ``advised`` is when the vendor last changed its advisory. ``updated`` is when
    Inspector last changed the finding: of a closed one, about when it was closed. Packages are those affected.
    """

    id: str
    cve: str
    severity: Severity
    fix: Fix
    first_observed: datetime
    updated: datetime
    image: ImageId | None = None
    instance: InstanceId | None = None
    packages: tuple[Package, ...] = ()
    fixed_since: datetime | None = None
    advised: datetime | None = None
    status: FindingStatus = FindingStatus.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Whether Inspector has looked at an image or instance: if not, that nothing was found says nothing.

    ``why`` says why it has not; empty: it has. ``scanned`` is when it last did, where it may not look again by itself.
    """

    why: str = ""
    scanned: datetime | None = None

    @property
    def known(self) -> bool:
        """Whether what was found is all there is to find, or was when it was ``scanned``."""
        return not self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An event in the queue. Those of one ``key`` are duplicates; ``receipt`` is what it is deleted by."""

    key: str
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is known of some images: their findings, and for each image of which nothing is known the reason."""

    findings: tuple[Finding, ...] = ()
    unknown: Mapping[ImageId, str] = field(default_factory=dict)
