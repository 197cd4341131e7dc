"""What an execution works with: every port it may use, and what it has made so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from pipeline.errors import StepFailed
from pipeline.execute.keeping import Keeper
from pipeline.execute.subjects import Subject
from pipeline.model.gates import Answers, CanaryGate, GateVerdict
from pipeline.model.ids import ImageId, RefreshId, RunId
from pipeline.model.refs import Baked, Created, ImageRef, VersionRef
from pipeline.model.settings import Family, Secret, Settings
from pipeline.model.shares import Radius
from pipeline.model.signals import Signal
from pipeline.model.traffic import Pair
from pipeline.model.windows import Standing, WindowRule
from pipeline.ports.baselines import Baselines
from pipeline.ports.builder import Builder
from pipeline.ports.channels import Channels
from pipeline.ports.clock import Clock
from pipeline.ports.evidence import Evidence
from pipeline.ports.findings import Findings
from pipeline.ports.fleets import Fleets, Refreshes, Templates
from pipeline.ports.good import Ledgers
from pipeline.ports.groups import Copies, GroupChanges
from pipeline.ports.images import Images
from pipeline.ports.instances import Instances, RunCommand
from pipeline.ports.judging import Judge, Prober, Statistics
from pipeline.ports.leases import Leases
from pipeline.ports.leftovers import Leftovers
from pipeline.ports.metrics import Metrics
from pipeline.ports.nodes import Nodes
from pipeline.ports.notices import Notices
from pipeline.ports.preflight import Headroom
from pipeline.ports.progress import Event, EventKind, Progress
from pipeline.ports.secrets import Secrets
from pipeline.ports.signals import Signals
from pipeline.ports.smoke import SmokeRunner
from pipeline.ports.stacks import Stacks
from pipeline.ports.traffic import Traffic
from pipeline.ports.windows import Windows

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The ports."""

    clock: Clock
    images: Images
    channels: Channels
    fleets: Fleets
    refreshes: Refreshes
    templates: Templates
    traffic: Traffic
    copies: Copies
    changes: GroupChanges
    stacks: Stacks
    headroom: Headroom
    signals: Signals
    leases: Leases
    ledgers: Ledgers
    leftovers: Leftovers
    windows: Windows
    metrics: Metrics
    prober: Prober
    judge: Judge
    statistics: Statistics
    instances: Instances
    commands: RunCommand
    builder: Builder
    baselines: Baselines
    findings: Findings
    nodes: Nodes
    notices: Notices
    smoke: SmokeRunner
    secrets: Secrets
    evidence: Evidence
    progress: Progress

    def reveal(self, family: Family) -> dict[str, str]:
        """Fetch the values of a family's secret variables."""
        return {name: self.secrets.reveal(it) for name, it in family.variables.items() if isinstance(it, Secret)}


@dataclass(slots=True, kw_only=True)
class Made:
    """What the steps before have made; later steps look their symbols up here."""

    images: dict[str, ImageId] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    refreshes: dict[str, RefreshId] = field(default_factory=dict)
    started: set[RefreshId] = field(default_factory=set)
    pairs: dict[str, Pair] = field(default_factory=dict)
    subjects: dict[str, Subject] = field(default_factory=dict)
    touched: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    old_answers: dict[str, Answers] = field(default_factory=dict)
    canaries: dict[tuple[str, CanaryGate], tuple[int, GateVerdict]] = field(default_factory=dict)
    cords: dict[str, Signal] = field(default_factory=dict)
    barred: dict[ImageId, str] = field(default_factory=dict)
    looked: datetime | None = None
    standings: dict[str, tuple[datetime, Standing]] = field(default_factory=dict)

    def image(self, ref: ImageRef) -> ImageId:
        """Look up an image.

        Raises:
            StepFailed: the plan uses an image before it makes it.
        """
        if not isinstance(ref, Baked):
            return ref
        return _made(self.images, ref.family, str(ref))

    def version(self, ref: VersionRef) -> int:
        """Look up a launch template version; errors as for `image`."""
        if not isinstance(ref, Created):
            return ref
        return _made(self.versions, ref.fleet, f"{ref} for {ref.fleet}")

    def refresh(self, fleet: str, stated: RefreshId | None) -> RefreshId:
        """Look up a refresh; errors as for `image`."""
        return stated or _made(self.refreshes, fleet, f"a refresh of {fleet}")

    def subject(self, fleet: str, since: datetime) -> Subject:
        """Look up whom a fleet's gates are about: nobody before a step has replaced somebody."""
        return self.subjects.get(fleet) or Subject(fleet=fleet, since=since)

    def pair(self, fleet: str, stated: Pair | None) -> Pair:
        """Look up the two groups of a blue-green rollout; errors as for `image`."""
        return stated or _made(self.pairs, fleet, f"a green group for {fleet}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """One execution: its ports, the configuration, the run, what it holds, may touch and when, and has made."""

    tools: Tools
    settings: Settings
    run: RunId
    keeper: Keeper
    radius: Radius | None = None
    windows: WindowRule = field(default_factory=WindowRule)
    made: Made = field(default_factory=Made)

    def say(
        self,
        target: str,
        text: str,
        *,
        kind: EventKind = EventKind.PROGRESS,
        data: Mapping[str, str | int | float] | None = None,
    ) -> None:
        """Tell the reader something."""
        at = self.tools.clock.now()
        self.tools.progress.emit(Event(at=at, kind=kind, target=target, text=text, data=data or {}))


def _made(known: Mapping[str, _Value], key: str, what: str) -> _Value:
    try:
        return known[key]
    except KeyError:
        raise StepFailed(f"The plan uses {what} before any step makes it.", hint="plan again") from None
