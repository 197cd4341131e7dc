"""What the sandbox knows beyond moto's backends, and how both are reached."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from moto.backends import get_backend

from pipeline.sandbox.authorization import Policy
from pipeline.sandbox.bases import BaseImage
from pipeline.sandbox.calls import CallLog, mutates
from pipeline.sandbox.clock import SandboxClock
from pipeline.sandbox.faults import Faults
from pipeline.sandbox.fleets.model import Group
from pipeline.sandbox.machines import Command, CommandOutput, Machines
from pipeline.sandbox.networks import Networks

ACCOUNT = "123456789012"
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class ImageFacts:
    """What moto does not keep of an image."""

    freezing: bool = False
    deprecated: datetime | None = None
    protected: bool = False
    imds: str = ""
    mapping: list[dict[str, Any]] | None = None


@dataclass(slots=True, kw_only=True)
class Invocation:
    """A command on one instance. ``due`` is when an undelivered one ends."""

    command: str
    instance: str
    document: str
    comment: str
    started: datetime
    running: Command
    output: CommandOutput | None = None
    ended: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """What EventBridge would be told: detail type and detail."""

    at: datetime
    detail_type: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What CloudWatch is told at one time: dimensions, and by metric how often it had which value."""

    at: datetime
    dimensions: Mapping[str, str]
    metrics: Mapping[str, Mapping[float, int]]


@dataclass(slots=True)
class Access:
    """Who may do what: everything, except what was denied, and what the policy of a key does not allow."""

    denied: tuple[str, ...] = ()
    read_only: bool = False
    policies: Mapping[str, tuple[Policy, ...]] = field(default_factory=dict)

    def allows(self, action: str) -> bool:
        """Tell whether an action is allowed."""
        if self.read_only and mutates(action):
            return False
        return not any(fnmatchcase(action.lower(), pattern.lower()) for pattern in self.denied)


@dataclass(slots=True, kw_only=True)
class State:
    """Everything of one cloud, under one lock."""

    clock: SandboxClock
    machines: Machines
    faults: Faults
    bases: list[BaseImage]
    networks: Networks
    calls: CallLog = field(default_factory=CallLog)
    access: Access = field(default_factory=Access)
    lock: threading.RLock = field(default_factory=threading.RLock)
    born: dict[str, datetime] = field(default_factory=dict)
    live: dict[str, tuple[str, str]] = field(default_factory=dict)
    instances: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, tuple[datetime, str, str]] = field(default_factory=dict)
    images: dict[str, ImageFacts] = field(default_factory=dict)
    groups: dict[tuple[str, str, str], Group] = field(default_factory=dict)
    invocations: dict[tuple[str, str], Invocation] = field(default_factory=dict)
    events: list[CloudEvent] = field(default_factory=list)
    calendars: dict[tuple[str, str, str], str] = field(default_factory=dict)
    inspected: set[tuple[str, str]] = field(default_factory=set)
    observed: dict[tuple[str, str], datetime] = field(default_factory=dict)
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)
    compliance: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    quotas: dict[tuple[str, str], float] = field(default_factory=dict)
    draining: dict[tuple[str, str], tuple[datetime, int]] = field(default_factory=dict)
    routed: object = None
    samples: list[Sample] = field(default_factory=list)
    hosts_counted: datetime = _NEVER

    def scope(self, account: str = ACCOUNT, region: str = "us-east-1") -> Scope:
        """Reach an account's region."""
        return Scope(state=self, account=account, region=region)

    def facts(self, image: str) -> ImageFacts:
        """Reach what is known of an image beyond moto."""
        return self.images.setdefault(image, ImageFacts())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """One account's region: moto's backends there, and the cloud's state."""

    state: State = field(repr=False)
    account: str
    region: str

    @property
    def now(self) -> datetime:
        """The cloud's time."""
        return self.state.clock.now()

    @property
    def ec2(self) -> Any:
        """Moto's EC2 backend."""
        return self.backend("ec2")

    @property
    def elbv2(self) -> Any:
        """Moto's Elastic Load Balancing backend."""
        return self.backend("elbv2")

    @property
    def ssm(self) -> Any:
        """Moto's Systems Manager backend."""
        return self.backend("ssm")

    def backend(self, service: str) -> Any:
        """Reach one of moto's backends of this account's region."""
        return get_backend(service)[self.account][self.region]

    def instance(self, instance_id: str) -> Any:
        """Reach moto's record of an instance that exists; moto itself would search through all of them."""
        return self.state.instances[instance_id]

    def groups(self) -> list[Group]:
        """List the Auto Scaling groups here."""
        here = (self.account, self.region)
        return [group for key, group in self.state.groups.items() if key[:2] == here]

    def arn(self, service: str, resource: str) -> str:
        """Build an ARN."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def user_arn(account: str) -> str:
    """Name the user that everybody is whose keys were not made here."""
    return f"arn:aws:iam::{account}:user/sandbox"
