"""What ``rebake.yaml`` asks for, checked and complete: no defaults are filled in after this point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePath

from pipeline.model.baselines import PatchBaseline, SsmBaseline
from pipeline.model.compliance import ComplianceRules
from pipeline.model.findings import SLA, Severity
from pipeline.model.gates import Gate
from pipeline.model.ids import GroupName
from pipeline.model.images import Architecture
from pipeline.model.release_rules import ReleaseRule
from pipeline.model.shares import Share
from pipeline.model.sources import SourceRule
from pipeline.model.strategies import OnHalt, Strategy
from pipeline.model.windows import Timing


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A reference to a secret; its value is fetched where it is needed and never kept, logged or hashed.

    ``service`` is ``ssm`` (a SecureString parameter) or ``secret`` (Secrets Manager).
    """

    service: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellStep:
    """Run a script on the build instance, as root."""

    script: PurePath


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStep:
    """Copy a file, or a folder's content, to the build instance."""

    source: PurePath
    destination: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsibleStep:
    """Run a playbook against the build instance."""

    playbook: PurePath


Provision = ShellStep | FileStep | AnsibleStep


class Connect(StrEnum):
    """How Packer reaches the build instance."""

    SESSION_MANAGER = "session-manager"
    PRIVATE_IP = "private-ip"
    PUBLIC_IP = "public-ip"


class Baseline(StrEnum):
    """Which published updates a bake installs, in one word: those that are published when it runs."""

    SECURITY = "security"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredefinedBaseline:
    """Patch Manager's own baseline for the operating system that the source image turns out to have."""


RuledBaseline = PatchBaseline | PredefinedBaseline | SsmBaseline
"""A baseline that is evaluated before a bake: the bake installs exactly the packages that come of it."""

BaselineChoice = Baseline | RuledBaseline


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSettings:
    """Where and how an image is built. ``source_cidr`` opens the build instance's port to that range only."""

    instance_types: tuple[str, ...]
    connect: Connect
    timeout: timedelta
    source_cidr: str | None = None
    subnet: str | None = None
    instance_profile: str | None = None
    kms_key: str | None = None
    root_volume_gib: int | None = None
    ssh_username: str | None = None
    ssh_port: int = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProbe:
    """A request from outside that a candidate must answer. Port, path, expected status, time budget."""

    port: int
    path: str
    status: int
    within: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpProbe:
    """A port that a candidate must open within the time budget."""

    port: int
    within: timedelta


Probe = HttpProbe | TcpProbe


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeSettings:
    """How a candidate is proven. ``instance_types`` empty means: on the build's first type."""

    suites: tuple[PurePath, ...] = ()
    hygiene: bool = True
    services: tuple[str, ...] = ()
    probes: tuple[Probe, ...] = ()
    instance_types: tuple[str, ...] = ()
    timeout: timedelta = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """An image family: the recipe of one kind of image.

    ``template`` is the name of a built-in template (``debian-12``) or a path to the user's own; paths are absolute.
    A bake is due once its newest image is older than ``max_age``, or has a vulnerability of this severity or a worse
    one with a fix (``findings``); None: not for that reason.
    """

    name: str
    template: str
    architecture: Architecture
    source: SourceRule
    baseline: BaselineChoice
    build: BuildSettings
    variables: Mapping[str, str | Secret] = field(default_factory=dict)
    provision: tuple[Provision, ...] = ()
    smoke: SmokeSettings = field(default_factory=SmokeSettings)
    channel: str = "stable"
    tags: Mapping[str, str] = field(default_factory=dict)
    max_age: timedelta | None = None
    findings: Severity | None = None

    @property
    def ruled(self) -> RuledBaseline | None:
        """Its baseline, where that is evaluated before a bake."""
        return None if isinstance(self.baseline, Baseline) else self.baseline


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupByName:
    """One Auto Scaling group."""

    name: GroupName


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupByTags:
    """The one Auto Scaling group that carries all of these tags; two or none is an error."""

    tags: Mapping[str, str]


GroupSelector = GroupByName | GroupByTags


_NONE, _ONE = Share(value=0), Share(value=1)
_HALF, _WHOLE = Share(value=50, percent=True), Share(value=100, percent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """A fleet as configured; the group behind it is observed later.

    ``floor`` is how many healthy targets (or members, without a load balancer) must stay, of desired capacity.
    ``keep_good`` is how long a newer image must have been good before an older one is released; 0: none is protected.
    """

    name: str
    family: str
    group: GroupSelector
    strategy: Strategy
    patch_group: str | None = None
    gates: tuple[Gate, ...] = ()
    floor: Share = _HALF
    on_halt: OnHalt = OnHalt.ROLL_BACK
    keep_good: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchGroup:
    """Fleets that are patched together, as one wave.

    ``concurrency`` is how many of them at once, ``max_errors`` how many may fail before no further one is begun.
    ``canary`` goes first and alone. ``min_image_age`` counts from the bake, ``soak_before`` from the end of the wave
    before. ``timing`` says when they may be rolled at all. ``baseline`` is what SSM is to measure their instances by;
    None: that is left as it is.
    """

    name: str
    wave: int
    concurrency: Share = _ONE
    max_errors: Share = _NONE
    canary: str | None = None
    min_image_age: timedelta = timedelta()
    soak_before: timedelta = timedelta()
    baseline: str | None = None
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The blast radius of one run: the share of all configured fleets, and of their instances, that it may touch."""

    fleets: Share = _WHOLE
    instances: Share = _WHOLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """A place in S3: objects whose keys begin with ``<prefix>/``."""

    name: str
    prefix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceSettings:
    """Where evidence is kept besides on this machine (None: nowhere), and the KMS key that signs it (None: none)."""

    bucket: Bucket | None = None
    kms_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole of ``rebake.yaml``. ``root`` is the absolute folder it stands in, ``digest`` the file's SHA-256.

    ``release_gate`` is empty where there is none.
    ``journal`` is where journals of runs are kept besides on this machine; None: nowhere. ``queue`` is the URL of the
    SQS queue with Inspector's events; None: there is none. ``sla`` is how soon a fix must be everywhere, by severity.
    ``compliance`` is what is asked of instances; None: the usual.
    """

    root: PurePath
    region: str | None
    channel_prefix: str
    tags: Mapping[str, str]
    families: Mapping[str, Family]
    fleets: Mapping[str, FleetSettings]
    patch_groups: Mapping[str, PatchGroup] = field(default_factory=dict)
    limits: Limits = Limits()
    baselines: Mapping[str, PatchBaseline] = field(default_factory=dict)
    release_gate: tuple[ReleaseRule, ...] = ()
    journal: Bucket | None = None
    compliance: ComplianceRules | None = None
    evidence: EvidenceSettings = EvidenceSettings()
    queue: str | None = None
    sla: Mapping[Severity, timedelta] = field(default_factory=lambda: SLA)
    digest: str = ""

    def timing(self, fleet: str) -> Timing:
        """Tell when a fleet may be rolled: when its patch group may, and always without one."""
        group = self.patch_groups.get(self.fleets[fleet].patch_group or "")
        return group.timing if group else Timing()
