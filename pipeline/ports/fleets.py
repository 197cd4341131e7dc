"""Fleets and the launch templates they boot from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from pipeline.errors import RebakeError
from pipeline.model.fleets import Activity, Group, Refresh, TemplateVersion
from pipeline.model.ids import GroupName, ImageId, InstanceId, RefreshId, TemplateId
from pipeline.model.settings import GroupSelector
from pipeline.model.strategies import RefreshStrategy


class Fleets(Protocol):
    """Auto Scaling groups, and how their instances do."""

    def find(self, selector: GroupSelector) -> Group:
        """Fetch the one group that the selector means, with its members and their images.

        Raises:
            NotFound: no group matches.
            NotPossible: more than one group carries the tags.
        """
        ...

    def named(self, *names: GroupName) -> tuple[Group, ...]:
        """Fetch the groups of these very names, in their order and whatever their roles, in as few calls as one.

        Raises:
            NotFound: one of them does not exist.
        """
        ...

    def siblings(self, group: Group) -> tuple[Group, ...]:
        """List the other groups of a group's origin: that itself, and those that rollouts made of it, in any role."""
        ...

    def activities(self, group: GroupName) -> tuple[Activity, ...]:
        """List the last hundred scaling activities, newest first, with the cause of a failed one decoded."""
        ...

    def impaired(self, members: Sequence[InstanceId]) -> frozenset[InstanceId]:
        """Tell which of these instances fail EC2's status checks; ones that are gone do not."""
        ...

    def every(self, selectors: Mapping[str, GroupSelector]) -> Mapping[str, tuple[Group, ...] | RebakeError]:
        """Fetch many fleets by their names at once: each one's own group first, then those beside it with a role.

        A fleet whose group cannot be told has the error that `find` would raise.
        """
        ...

    def sizes(self) -> Mapping[GroupName, int]:
        """Tell the desired capacity of every group of the account and region."""
        ...


class Refreshes(Protocol):
    """Instance refreshes of groups."""

    def listed(self, group: GroupName) -> tuple[Refresh, ...]:
        """List the refreshes of the last six weeks, newest first."""
        ...

    def start(
        self,
        group: Group,
        *,
        template: TemplateId,
        version: int,
        image: ImageId | None,
        strategy: RefreshStrategy,
        auto_rollback: bool,
    ) -> RefreshId:
        """Start a refresh with a desired configuration, explicit minimum and maximum health.

        ``image`` is written into the overrides of a mixed-instances policy that name one themselves.

        Raises:
            HeldError: another refresh runs already.
            Unavailable: the group is being changed otherwise (ResourceContention), or AWS cannot answer.
            NotPossible: AWS refuses the combination; its words are in the message.
        """
        ...

    def cancel(self, group: GroupName) -> None:
        """Cancel the running refresh (or roll-back); what was replaced stays. No refresh: nothing happens."""
        ...

    def roll_back(self, group: GroupName) -> RefreshId:
        """Roll the running refresh back to what is saved on the group.

        Raises:
            NotPossible: no refresh runs, or AWS calls it irreversible.
        """
        ...


class Templates(Protocol):
    """Launch templates; versions are immutable."""

    def version(self, template: TemplateId, version: str) -> TemplateVersion:
        """Fetch a version by number, ``$Latest`` or ``$Default``.

        Raises:
            NotFound: the template or the version does not exist.
        """
        ...

    def versions(self, template: TemplateId) -> tuple[TemplateVersion, ...]:
        """List all versions, newest first."""
        ...

    def aliases(self) -> Mapping[TemplateId, Mapping[str, int]]:
        """Tell of every launch template which versions ``$Latest`` and ``$Default`` are, in pages of two hundred."""
        ...

    def create_version(
        self, source: TemplateVersion, *, image: ImageId, description: str, token: str
    ) -> TemplateVersion:
        """Create a version from ``source`` with another image, stating its mapped snapshots again.

        The same token answers the same version.
        """
        ...
