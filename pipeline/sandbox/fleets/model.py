"""What an Auto Scaling group is made of; mutable, and only touched under the cloud's lock."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pipeline.sandbox.fleets.blueprint import Blueprint


class Lifecycle(StrEnum):
    """An instance's state in its group, in AWS's words."""

    PENDING = "Pending"
    IN_SERVICE = "InService"
    STANDBY = "Standby"
    TERMINATING = "Terminating"
    STOPPED = "Stopped"
    RUNNING = "Running"
    HIBERNATED = "Hibernated"
    REPLACING = "ReplacingRootVolume"
    REPLACED = "RootVolumeReplaced"


WARMED = frozenset({Lifecycle.STOPPED, Lifecycle.RUNNING, Lifecycle.HIBERNATED})
"""How instances of a warm pool rest."""

RESTING = WARMED | {Lifecycle.IN_SERVICE, Lifecycle.STANDBY}
"""What no instance leaves by itself while it is well."""


@dataclass(slots=True, kw_only=True)
class Activity:
    """A scaling activity."""

    id: str
    description: str
    cause: str
    started: datetime
    status: str = "InProgress"
    message: str = ""
    ended: datetime | None = None
    progress: int = 50

    def end(self, at: datetime, *, status: str = "Successful", message: str = "") -> None:
        """Close the activity."""
        self.status, self.message, self.ended, self.progress = status, message, at, 100


@dataclass(slots=True, kw_only=True)
class Wait:
    """A lifecycle action that a member waits for: until when, unless a heartbeat comes, and at most."""

    token: str
    until: datetime
    limit: datetime


@dataclass(slots=True, kw_only=True)
class Member:
    """An instance of a group; ``blueprint`` carries the template version as a number, as it was at the launch.

    ``waits`` are the lifecycle actions of its present transition by hook, None before they began; ``override`` is that
    of the mixed instances policy that it was launched by; ``warm`` ones are in the warm pool.
    """

    instance: str
    zone: str
    instance_type: str
    blueprint: Blueprint
    launched: datetime
    activity: Activity
    lifecycle: Lifecycle = Lifecycle.PENDING
    in_service: datetime | None = None
    unhealthy: bool = False
    reported_unhealthy: bool = False
    protected: bool = False
    refresh: str = ""
    draining_until: datetime | None = None
    waits: dict[str, Wait] | None = None
    abandoned: str = ""
    override: Mapping[str, Any] = field(default_factory=dict)
    warm: bool = False

    @property
    def state(self) -> str:
        """Its state in AWS's words."""
        return f"{'Warmed:' if self.warm else ''}{self.lifecycle}{':Wait' if self.waits else ''}"

    @property
    def weight(self) -> int:
        """How many units of capacity it is."""
        return int(self.override.get("WeightedCapacity") or 1)

    @property
    def counted(self) -> bool:
        """Whether it counts towards the capacity of its side of the group."""
        return self.lifecycle is not Lifecycle.STANDBY and self.lifecycle is not Lifecycle.TERMINATING


class Status(StrEnum):
    """The ten statuses of an instance refresh."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    BAKING = "Baking"
    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    ROLLBACK_IN_PROGRESS = "RollbackInProgress"
    ROLLBACK_FAILED = "RollbackFailed"
    ROLLBACK_SUCCESSFUL = "RollbackSuccessful"


ACTIVE = frozenset({Status.PENDING, Status.IN_PROGRESS, Status.BAKING, Status.CANCELLING, Status.ROLLBACK_IN_PROGRESS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """A refresh's preferences, complete. ``maximum`` None means: not given; ``given`` is what was asked, as it was."""

    minimum: int
    maximum: int | None
    warmup: timedelta
    checkpoints: tuple[int, ...] = ()
    checkpoint_delay: timedelta = timedelta(hours=1)
    skip_matching: bool = False
    auto_rollback: bool = False
    protected: str = "Wait"
    standby: str = "Wait"
    alarms: tuple[str, ...] = ()
    bake: timedelta = timedelta()
    given: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Refresh:
    """An instance refresh under way or ended; one of ``root`` replaces root volumes instead of instances."""

    id: str
    preferences: Preferences
    desired: Blueprint | None
    given_configuration: Mapping[str, Any] | None
    started: datetime
    status: Status = Status.PENDING
    reason: str = ""
    percentage: int = 0
    remaining: int = 0
    ended: datetime | None = None
    progressed: datetime
    ready: int = 0
    total: int = 0
    goal: int = 0
    warm: bool = False
    details: dict[str, Any] | None = None
    launched_first: int = 0
    passed: int = 0
    holding_until: datetime | None = None
    baking_until: datetime | None = None
    root: bool = False
    wait_for_transitions: bool = True
    rollback: dict[str, Any] | None = None

    @property
    def active(self) -> bool:
        """Whether it is under way."""
        return self.status in ACTIVE


@dataclass(slots=True, kw_only=True)
class Group:
    """An Auto Scaling group."""

    name: str
    account: str
    region: str
    created: datetime
    minimum: int = 0
    maximum: int = 0
    desired: int = 0
    blueprint: Blueprint
    subnets: list[str]
    kept: dict[str, Any]
    target_groups: list[str] = field(default_factory=list)
    balancers: list[str] = field(default_factory=list)
    tags: dict[str, tuple[str, bool]] = field(default_factory=dict)
    suspended: set[str] = field(default_factory=set)
    members: list[Member] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    refreshes: list[Refresh] = field(default_factory=list)
    attached: defaultdict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))
    pool: dict[str, Any] | None = None
    metrics: dict[str, str] = field(default_factory=dict)
    retry_at: datetime | None = None
    failures: int = 0
    cooling_until: datetime | None = None
    deleting: bool = False

    def act(self, now: datetime, description: str, cause: str) -> Activity:
        """Begin an activity."""
        cause = f"At {now:%Y-%m-%dT%H:%M:%SZ} {cause}"
        activity = Activity(id=str(uuid.uuid4()), description=description, cause=cause, started=now)
        self.activities.insert(0, activity)
        return activity

    @property
    def grace(self) -> timedelta:
        """How long after it came into service an instance's health does not count."""
        return timedelta(seconds=self.kept["HealthCheckGracePeriod"])

    @property
    def balanced(self) -> bool:
        """Whether the load balancer's checks count."""
        return "ELB" in self.kept["HealthCheckType"]

    @property
    def refresh(self) -> Refresh | None:
        """The refresh under way."""
        return next((refresh for refresh in self.refreshes if refresh.active), None)

    @property
    def wanted(self) -> Blueprint:
        """What it launches now: during a refresh its desired configuration, in a rollback what is saved."""
        refresh = self.refresh
        forward = refresh and refresh.status in {Status.IN_PROGRESS, Status.BAKING}
        return refresh.desired if refresh and forward and refresh.desired else self.blueprint

    @property
    def counted(self) -> list[Member]:
        """The members in the group itself that count towards its capacity."""
        return self.side(warm=False)

    def side(self, *, warm: bool) -> list[Member]:
        """List the members that count in the warm pool, or in the group itself."""
        return [member for member in self.members if member.counted and member.warm is warm]

    def goal(self, *, warm: bool) -> int:
        """Tell how much capacity the warm pool is to have, or the group itself."""
        if not warm:
            return self.desired
        if self.pool is None or "Status" in self.pool:
            return 0
        return max(
            int(self.pool["MinSize"]), int(self.pool.get("MaxGroupPreparedCapacity", self.maximum)) - self.desired
        )


def units(members: Iterable[Member]) -> int:
    """Sum up how many units of capacity members are."""
    return sum(member.weight for member in members)


def fitting(members: Iterable[Member], capacity: int) -> list[Member]:
    """Choose, in order, the members that fit into a capacity."""
    chosen = []
    for member in members:
        if member.weight <= capacity:
            chosen.append(member)
            capacity -= member.weight
    return chosen
