"""Auto Scaling groups beyond their refreshes: made in the shape of another one, and changed in passing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.model.fleets import Group
from pipeline.model.ids import GroupName, InstanceId, TargetGroupArn


class Copies(Protocol):
    """Green groups."""

    def obstacles(self, group: GroupName) -> tuple[str, ...]:
        """Say, a sentence each, what of a group cannot be copied; empty for one that can be."""
        ...

    def create(
        self,
        source: Group,
        *,
        name: GroupName,
        version: int,
        target_group: TargetGroupArn,
        tags: Mapping[str, str],
    ) -> None:
        """Make a group in the shape of the source as it stands now, with another template version and target group.

        Its minimum is the source's desired capacity, so that nothing scales it in before it has traffic. Hooks stand
        before its first launch; policies, scheduled actions, notifications, metrics, warm pool and suspended
        processes follow. Calling it again completes what an interrupted call has begun.

        Raises:
            NotPossible: something of the source cannot be copied.
            NotOurs: a group of that name exists and does not carry the tags.
        """
        ...

    def delete(self, group: GroupName) -> bool:
        """Delete a group with its instances; True once it is gone."""
        ...


class GroupChanges(Protocol):
    """Changes that are put back."""

    def resize(self, group: GroupName, *, minimum: int, desired: int | None = None) -> None:
        """Set the minimum, and a desired capacity only where a group is emptied or filled on purpose.

        AWS raises desired capacity to a minimum above it, and never lowers it: a size that scaling has changed in
        the meantime is not overwritten.
        """
        ...

    def suspend(self, group: GroupName, processes: Sequence[str]) -> None:
        """Suspend processes."""
        ...

    def resume(self, group: GroupName, processes: Sequence[str]) -> None:
        """Resume processes."""
        ...

    def protect(self, group: GroupName, members: Sequence[InstanceId], *, protected: bool) -> None:
        """Protect members from scale-in, or no longer; ones that are gone are no error."""
        ...

    def tag(self, tags: Mapping[GroupName, Mapping[str, str]]) -> None:
        """Write tags on groups, all in one call; instances do not inherit them."""
        ...

    def untag(self, group: GroupName, keys: Sequence[str]) -> None:
        """Remove tags from a group; ones that are not there are no error."""
        ...

    def set_version(self, group: Group, version: int) -> None:
        """Save a template version on a group that has no traffic and boots nothing else by it.

        Raises:
            NotPossible: the group's policy cannot be moved to another version.
        """
        ...
