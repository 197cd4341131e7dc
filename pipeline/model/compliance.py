"""Compliance: what is known of every instance of every fleet, what is judged of it, and what cannot be known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from pipeline.model.findings import Coverage, Severity
from pipeline.model.fleets import Group
from pipeline.model.ids import ImageId, InstanceId, TemplateId
from pipeline.model.images import Image


class State(StrEnum):
    """What an instance is; of several reasons the worst decides: not compliant, then unknown."""

    NON_COMPLIANT = "non_compliant"
    UNKNOWN = "unknown"
    COMPLIANT = "compliant"


class Reason(StrEnum):
    """Why an instance is not compliant, or why nobody can tell."""

    BARRED_IMAGE = "barred_image"
    OTHER_IMAGE = "other_image"
    OLD_IMAGE = "old_image"
    TEMPLATE_DRIFT = "template_drift"
    PATCHES_MISSING = "patches_missing"
    PATCHES_FAILED = "patches_failed"
    PATCHES_PENDING = "patches_pending"
    PATCHES_REJECTED = "patches_rejected"
    FINDINGS = "findings"
    NO_PATCH_GROUP = "no_patch_group"
    OTHER_PATCH_GROUP = "other_patch_group"
    IMAGE_UNKNOWN = "image_unknown"
    CHANNEL_UNKNOWN = "channel_unknown"
    TEMPLATE_UNKNOWN = "template_unknown"
    STOPPED = "stopped"
    AGENT_ABSENT = "agent_absent"
    AGENT_SILENT = "agent_silent"
    NEVER_SCANNED = "never_scanned"
    SCAN_TOO_OLD = "scan_too_old"
    NOT_INSPECTED = "not_inspected"

    @property
    def state(self) -> State:
        """What an instance is for this reason."""
        return State.UNKNOWN if self in _UNKNOWN else State.NON_COMPLIANT


_UNKNOWN = frozenset(list(Reason)[list(Reason).index(Reason.IMAGE_UNKNOWN) :])


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceRules:
    """What is asked of instances where their family says nothing of it.

    ``findings`` is the mildest severity that a vulnerability with a fix must not have. A patch scan that is older than
    ``scanned_within`` says nothing any more.
    """

    max_age: timedelta = timedelta(days=30)
    findings: Severity = Severity.HIGH
    scanned_within: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An instance that Systems Manager manages. ``status`` is its word: Online, ConnectionLost, Inactive."""

    status: str
    seen: datetime | None = None

    @property
    def silent(self) -> bool:
        """Whether nothing of it is news."""
        return self.status != "Online"


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchState:
    """Counts of patches by the last scan: those that make Patch Manager call an instance not compliant."""

    scanned: datetime
    missing: int = 0
    failed: int = 0
    pending: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Vulnerability:
    """A vulnerability with a fix that instances have, and since when that is known."""

    cve: str
    severity: Severity
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateView:
    """All fleets at one moment. What is missing in a mapping is not known; ``blind`` says why, by source.

    ``groups`` are each fleet's own and those beside it, ``faults`` why a fleet's could not be read. ``numbers`` are
    those that ``$Latest`` and ``$Default`` stand for. ``vulnerable`` names CVEs by instance; ``unread`` is why a
    channel's image is not known.
    """

    at: datetime
    account: str
    groups: Mapping[str, tuple[Group, ...]] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[ImageId, Image] = field(default_factory=dict)
    channels: Mapping[str, ImageId] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[TemplateId, Mapping[str, int]] = field(default_factory=dict)
    agents: Mapping[InstanceId, Agent] = field(default_factory=dict)
    patches: Mapping[InstanceId, PatchState] = field(default_factory=dict)
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    vulnerable: Mapping[InstanceId, tuple[str, ...]] = field(default_factory=dict)
    vulnerabilities: Mapping[str, Vulnerability] = field(default_factory=dict)
    blind: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceCompliance:
    """An instance and what it is; ``reasons`` in words by reason. ``age_days`` is its image's; None: not known.

    ``version`` is the launch template version that it was launched by, ``expected`` its group's. ``missing`` and
    ``failed`` are patches, None where no scan has counted them. ``managed``: Systems Manager knows it.
    """

    account: str
    fleet: str
    family: str
    group: str
    patch_group: str
    instance: InstanceId
    image: str
    age_days: int | None
    version: str
    expected: str
    missing: int | None
    failed: int | None
    findings: tuple[str, ...]
    managed: bool
    state: State
    reasons: Mapping[Reason, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """Vulnerabilities with a fix on one day: how many are within their time, how many past it.

    A day to come has those that may still be open then, if each goes on the last day that it may.
    """

    day: date
    open: int
    late: int


Counts = Mapping[str, Mapping[State, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceReport:
    """Every instance, what the states add up to by patch group, fleet, account and image, and the vulnerabilities.

    ``faults`` are fleets of which nothing could be read, with the cause. ``burn_down`` is empty where ``blind`` has
    ``findings``: nobody has looked.
    """

    at: datetime
    account: str
    states: Mapping[State, int]
    by_patch_group: Counts
    by_fleet: Counts
    by_account: Counts
    by_image: Counts
    faults: Mapping[str, str]
    blind: Mapping[str, str]
    burn_down: tuple[Burn, ...]
    instances: tuple[InstanceCompliance, ...]
