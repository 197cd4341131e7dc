"""What stands behind an instance: nothing (tier A), a process (tier B) or a Debian userland (tier C).

The control plane calls these methods while it holds its lock, so none of them may block: work goes on in the
background and is asked for by `state`, `image_state` and `poll`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Protocol


class Tier(StrEnum):
    """How real the sandbox is."""

    API = "A"
    PROCESS = "B"
    USERLAND = "C"


class MachineState(StrEnum):
    """How far a machine is. BOOTING turns RUNNING once it can be reached (tier C: once its sshd answers).

    An IMPAIRED one runs and will never be reached; one that FAILED does not even run.
    """

    BOOTING = "booting"
    RUNNING = "running"
    IMPAIRED = "impaired"
    STOPPED = "stopped"
    FAILED = "failed"
    GONE = "gone"


class FreezeState(StrEnum):
    """How far an image is, in AWS's words."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSpec:
    """An instance to boot. ``address`` is a loopback address of its own; ``tags`` are the image's and its own."""

    instance: str
    image: str
    address: str
    instance_type: str = ""
    user_data: bytes = b""
    authorized_keys: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A registered target; ``draining`` ones get no new requests."""

    instance: str
    image: str
    address: str
    port: int
    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """A target group's health check; durations are in sandbox time. Without a path it only connects."""

    path: str = "/"
    port: int | None = None
    interval: timedelta = timedelta(seconds=30)
    timeout: timedelta = timedelta(seconds=5)
    healthy_threshold: int = 5
    unhealthy_threshold: int = 2
    matcher: str = "200"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """A target group with its targets and its health check."""

    arn: str
    check: HealthCheck
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A listener rule: conditions (empty: the default rule), then weights by target group or a fixed response."""

    priority: int
    paths: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    weights: Mapping[str, int] = field(default_factory=dict)
    fixed_status: int | None = None
    fixed_body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """A load balancer's listener, on a loopback address of its own."""

    arn: str
    address: str
    port: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHealth:
    """A target's health in elbv2's words: initial, healthy, unhealthy, unused, draining; and its reason code."""

    state: str
    reason: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a listener served of a target group; ``instance`` is empty where no target was left to ask.

    ``answers``: how many were given, and how (``Target_2XX``, ``ELB_5XX``); ``seconds``: how many took how long.
    """

    listener: str
    group: str = ""
    instance: str = ""
    answers: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[float, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutput:
    """What a command left. ``status`` is Run Command's word: Success, Failed, TimedOut, Cancelled."""

    status: str
    exit_status: int
    stdout: str = ""
    stderr: str = ""


class Command(Protocol):
    """A command under way on a machine."""

    def poll(self) -> CommandOutput | None:
        """Answer its output, or None while it runs."""
        ...

    def cancel(self) -> None:
        """End it."""
        ...


class Machines(Protocol):
    """Everything behind the API."""

    @property
    def tier(self) -> Tier:
        """How real it is."""
        ...

    def boot(self, spec: MachineSpec) -> None:
        """Begin to boot a machine, or a stopped one again."""
        ...

    def state(self, instance: str) -> MachineState:
        """Tell how far it is."""
        ...

    def stop(self, instance: str) -> None:
        """Begin to stop it; its disk stays."""
        ...

    def terminate(self, instance: str) -> None:
        """Begin to remove it with its disk; one that is gone is no error."""
        ...

    def freeze(self, instance: str, image: str) -> None:
        """Begin to make an image of its disk."""
        ...

    def image_state(self, image: str) -> FreezeState:
        """Tell how far an image is; AVAILABLE for the base images the sandbox started with."""
        ...

    def forget_image(self, image: str) -> None:
        """Remove an image's disk once nothing boots from it."""
        ...

    def online(self, instance: str) -> bool:
        """Whether the machine's agent answers."""
        ...

    def command(self, instance: str, script: str, timeout: timedelta) -> Command:
        """Begin to run a shell script as root on it."""
        ...

    def route(self, listeners: Sequence[Listener], groups: Sequence[TargetGroup]) -> None:
        """Make the load balancers be exactly these; calling it again with the same changes nothing."""
        ...

    def health(self, group: str, instance: str, port: int) -> TargetHealth:
        """Tell what the load balancer's checks say of a target that is registered, in use and not draining."""
        ...

    def traffic(self) -> Sequence[Traffic]:
        """Tell what the load balancers served since this was last asked."""
        ...

    def close(self) -> None:
        """End everything that was started."""
        ...
