"""Fleets as observed: Auto Scaling groups, their instances, launch templates and instance refreshes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from pipeline.errors import NotPossible
from pipeline.model.ids import GroupName, ImageId, InstanceId, RefreshId, SnapshotId, TargetGroupArn, TemplateId
from pipeline.model.names import TAG_LEFT, TAG_ORIGIN, TAG_UNDO, Role, role_of
from pipeline.model.undo import Undo, undo_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRef:
    """A launch template and the version as it is written on the group: a number, ``$Latest`` or ``$Default``."""

    id: TemplateId
    version: str

    @property
    def number(self) -> int | None:
        """The pinned version; None when the group follows an alias and cannot be rolled back by AWS."""
        return int(self.version) if self.version.isdecimal() else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """One launch template version. ``image`` may be an ``ami-…`` or a ``resolve:ssm:`` alias.

    ``mapped_snapshots`` are the snapshots in its block device mappings (device -> snapshot): a new version
    drops them unless they are stated again. ``user_data`` is base64 as AWS keeps it.
    """

    id: TemplateId
    number: int
    image: str
    description: str = ""
    default: bool = False
    created: datetime | None = None
    instance_type: str = ""
    instance_profile: str = ""
    user_data: str = ""
    mapped_snapshots: Mapping[str, SnapshotId] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An instance of a group. ``lifecycle`` is AWS's word (InService, Pending, Standby, Warmed:Stopped …).

    ``weight`` is what it counts in the group's sizes. ``patch_group`` is its tag for SSM; None: it has none. ``state``
    is EC2's word (running, stopped …).
    """

    id: InstanceId
    lifecycle: str
    healthy: bool
    zone: str = ""
    protected: bool = False
    template: TemplateRef | None = None
    image: ImageId | None = None
    address: str = ""
    launched: datetime | None = None
    weight: int = 1
    patch_group: str | None = None
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """An Auto Scaling group as DescribeAutoScalingGroups shows it. Sizes are units where it is weighted.

    ``template`` is None for a group on a launch configuration (``launch_configuration`` names it).
    ``mixed`` says that it has a mixed-instances policy; ``override_templates`` that an override of it names another
    launch template than the group's; ``override_images`` are the images that each of its overrides names (None: none);
    ``attribute_based`` that instance types are chosen by attributes. ``warm`` are the instances of its warm pool.
    ``protects_new`` says that what it launches is protected from scale-in.
    """

    name: GroupName
    desired: int
    minimum: int
    maximum: int
    template: TemplateRef | None
    launch_configuration: str = ""
    mixed: bool = False
    override_templates: bool = False
    override_images: tuple[ImageId | None, ...] = ()
    attribute_based: bool = False
    members: tuple[Member, ...] = ()
    warm: tuple[Member, ...] = ()
    target_groups: tuple[TargetGroupArn, ...] = ()
    suspended: tuple[str, ...] = ()
    protects_new: bool = False
    subnets: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def standing(self) -> tuple[Member, ...]:
        """The members that are not on their way out: what drains serves nothing new and will be gone."""
        return tuple(member for member in self.members if not member.lifecycle.startswith("Terminating"))

    @property
    def healthy(self) -> int:
        """How many members are in service and healthy."""
        return sum(member.healthy and member.lifecycle == "InService" for member in self.members)

    @property
    def role(self) -> Role | None:
        """What it is in a blue-green rollout."""
        return role_of(self.tags)

    @property
    def origin(self) -> GroupName:
        """The group that its fleet began with: itself, unless it was made in a rollout."""
        return GroupName(self.tags.get(TAG_ORIGIN, self.name))

    @property
    def left(self) -> ImageId | None:
        """The image that the fleet was brought away from when it came to this group, or is by a way back under way."""
        left = self.tags.get(TAG_LEFT)
        return ImageId(left) if left else None

    def moment(self, tag: str) -> datetime | None:
        """Read the moment that a tag holds, in UTC where it does not say; None: it does not stand there.

        Raises:
            NotPossible: it holds something else.
        """
        text = self.tags.get(tag)
        if text is None:
            return None
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise NotPossible(
                f"The tag {tag} of group {self.name} is no moment: {text}",
                hint="write it as 2026-11-24T18:00:00Z, or remove it",
            ) from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    @property
    def undo(self) -> Undo | None:
        """What is to be put back on it; None: nothing.

        Raises:
            NotPossible: its tag holds somebody else's words.
        """
        try:
            return undo_of(self.tags)
        except ValueError:
            raise NotPossible(
                f"The tag {TAG_UNDO} of group {self.name} is no record of a rollout: {self.tags[TAG_UNDO]}",
                hint="put the group back by hand, then remove the tag",
            ) from None


class RefreshStatus(StrEnum):
    """Exactly the ten statuses of an instance refresh."""

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

    @property
    def ended(self) -> bool:
        """Whether AWS will do nothing more under this refresh."""
        return self in _ENDED

    @property
    def forward(self) -> bool:
        """Whether it goes where it was started for, and AWS can still roll it back."""
        return self in {RefreshStatus.PENDING, RefreshStatus.IN_PROGRESS, RefreshStatus.BAKING}


_ENDED = frozenset(
    {
        RefreshStatus.SUCCESSFUL,
        RefreshStatus.FAILED,
        RefreshStatus.CANCELLED,
        RefreshStatus.ROLLBACK_FAILED,
        RefreshStatus.ROLLBACK_SUCCESSFUL,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """An instance refresh. ``desired`` is None when it was started without a desired configuration."""

    id: RefreshId
    group: GroupName
    status: RefreshStatus
    percentage: int
    remaining: int
    reason: str = ""
    desired: TemplateRef | None = None
    started: datetime | None = None
    ended: datetime | None = None
    rollback_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """A scaling activity: what the group tried, and AWS's own words on how it went.

    ``launch`` says that it was to launch an instance, ``instance`` which one it was about, where AWS says so.
    ``unwell``: it took an instance out because that was not well. ``decoded`` is the cause of a failure and the next
    step in our words; empty where AWS's words say it best.
    """

    at: datetime
    description: str
    status: str
    cause: str = ""
    message: str = ""
    launch: bool = False
    instance: InstanceId | None = None
    unwell: bool = False
    decoded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelEntry:
    """One version of a channel's SSM parameter."""

    version: int
    image: ImageId
    at: datetime
    by: str = ""
