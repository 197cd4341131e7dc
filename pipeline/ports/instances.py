"""Single instances of our own, booted to test an image, and commands run on any instance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from pipeline.model.ids import ImageId, InstanceId, TemplateId


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """An instance to boot: from a launch template version with another image, or bare (no template).

    ``instance_profile`` and ``subnet`` apply only where the template says nothing. IMDSv2 is always required.
    """

    image: ImageId
    instance_type: str
    tags: Mapping[str, str]
    token: str
    template: TemplateId | None = None
    version: str | None = None
    subnet: str | None = None
    instance_profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """An instance; ``state`` is AWS's word (pending, running, stopped, terminated …)."""

    id: InstanceId
    image: ImageId
    state: str
    instance_type: str
    address: str = ""
    reason: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What a command on an instance answered. ``status`` is Run Command's word (Success, Failed, TimedOut …)."""

    status: str
    exit_status: int
    stdout: str
    stderr: str


class Instances(Protocol):
    """Test instances."""

    def launch(self, request: LaunchRequest) -> Instance:
        """Boot one instance; the same token answers the same instance.

        Raises:
            StepFailed: AWS could not launch it; the message decodes capacity, quota and KMS causes.
        """
        ...

    def get(self, instance: InstanceId) -> Instance:
        """Fetch an instance as it stands.

        Raises:
            NotFound: it does not exist (also for a few seconds after the launch).
        """
        ...

    def tagged(self, tags: Mapping[str, str]) -> tuple[Instance, ...]:
        """List the instances that carry all of these tags and are not terminated."""
        ...

    def terminate(self, instances: tuple[InstanceId, ...]) -> None:
        """Terminate instances; ones already gone are no error."""
        ...


class RunCommand(Protocol):
    """SSM Run Command."""

    def online(self, instance: InstanceId) -> bool:
        """Whether the instance's agent answers."""
        ...

    def run(self, instance: InstanceId, script: str, *, timeout: timedelta) -> CommandResult:
        """Run a shell script as root and wait for its end.

        Raises:
            NotPossible: the instance is not managed.
            TimedOut: it did not end in time (it is cancelled then).
        """
        ...
