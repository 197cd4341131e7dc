"""Fleets, through EC2 Auto Scaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pipeline.aws.activities import activity_of
from pipeline.aws.configurations import configuration
from pipeline.aws.failures import translated
from pipeline.aws.groups import instances, named, read, selected, standing
from pipeline.aws.paging import batches, tag_filters
from pipeline.aws.refreshes import preferences, refresh_of
from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied, CredentialsError, HeldError, NotFound, NotPossible, Throttled, Unavailable
from pipeline.model.fleets import Activity, Group, Refresh, TemplateRef
from pipeline.model.ids import GroupName, ImageId, InstanceId, RefreshId, TemplateId
from pipeline.model.names import TAG_ORIGIN
from pipeline.model.settings import GroupSelector
from pipeline.model.strategies import RefreshStrategy

# The largest page of DescribeAutoScalingGroups, DescribeInstanceRefreshes and DescribeScalingActivities; as many
# instances DescribeInstanceStatus takes.
_PAGE = 100
_IMPAIRED = "impaired"


class AutoScalingFleets:
    """The port `Fleets`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def find(self, selector: GroupSelector) -> Group:
        """Fetch the one group that the selector means, with its members, its warm pool and their images.

        A fleet that was replaced blue-green is the group that has the traffic, whatever that is called now.

        Raises:
            NotFound: no group matches.
            NotPossible: more than one group matches.
        """
        return read(self._clients, [selected(self._clients, selector)])[0]

    def named(self, name: GroupName) -> Group:
        """Fetch the group of that very name, whatever its role.

        Raises:
            NotFound: there is none.
        """
        return read(self._clients, [named(self._clients, name)])[0]

    def siblings(self, origin: GroupName) -> tuple[Group, ...]:
        """List the group of that name and those that rollouts made of it, whatever their role; empty: there is none."""
        entries = [
            *standing(self._clients, AutoScalingGroupNames=[origin]),
            *standing(self._clients, Filters=tag_filters({TAG_ORIGIN: origin})),
        ]
        return read(self._clients, list({entry["AutoScalingGroupName"]: entry for entry in entries}.values()))

    def sizes(self) -> Mapping[GroupName, int]:
        """Tell the desired capacity of every group of the account and region."""
        entries = standing(self._clients, PaginationConfig={"PageSize": _PAGE})
        return {GroupName(entry["AutoScalingGroupName"]): entry["DesiredCapacity"] for entry in entries}

    def impaired(self, members: Sequence[InstanceId]) -> frozenset[InstanceId]:
        """Tell which of these instances fail EC2's status checks; ones that are gone do not."""
        found: frozenset[InstanceId] = frozenset()
        for batch in batches(members, _PAGE):
            try:
                found |= self._impaired(batch)
            except NotFound:
                # DescribeInstanceStatus has no filter for ids, and one unknown id fails the whole call.
                known = instances(self._clients, batch)
                found |= self._impaired([member for member in batch if member in known]) if known else frozenset()
        return found

    @translated("autoscaling")
    def refreshes(self, group: GroupName) -> tuple[Refresh, ...]:
        """List the refreshes of the last six weeks, newest first.

        By hand: botocore has no paginator for DescribeInstanceRefreshes.
        """
        found: list[Refresh] = []
        token = ""
        while True:
            more = {"NextToken": token} if token else {}
            answer = self._clients.autoscaling.describe_instance_refreshes(
                AutoScalingGroupName=group, MaxRecords=_PAGE, **more
            )
            found += map(refresh_of, answer["InstanceRefreshes"])
            token = answer.get("NextToken", "")
            if not token:
                break
        # A pending refresh has no start yet: it is the newest there is.
        never = datetime.max.replace(tzinfo=UTC)
        return tuple(sorted(found, key=lambda refresh: refresh.started or never, reverse=True))

    def start_refresh(
        self,
        group: Group,
        *,
        template: TemplateId,
        version: int,
        image: ImageId | None,
        strategy: RefreshStrategy,
        auto_rollback: bool,
    ) -> RefreshId:
        """Start a refresh towards a numbered version, or answer the active one that goes there already.

        StartInstanceRefresh takes no token, so a lost answer cannot be told from a lost request, and botocore's
        own retry of it is answered "in progress": in both cases the group is asked what runs.

        Raises:
            HeldError: another refresh runs already.
            Unavailable: the group is being changed otherwise, or AWS cannot answer; no refresh of ours has started.
            NotPossible: AWS refuses the combination, or the group's overrides boot what this refresh cannot replace.
        """
        desired = self._desired(group, template, version, image, strategy)
        try:
            return self._start(group.name, desired, strategy, auto_rollback=auto_rollback)
        except (AccessDenied, CredentialsError, Throttled):
            raise  # AWS refused to look at the request: nothing can have started
        except (HeldError, Unavailable):
            wanted = TemplateRef(id=template, version=str(version))
            for refresh in self.refreshes(group.name):
                # One that is being cancelled or rolled back goes away from there.
                if refresh.desired == wanted and refresh.status.forward:
                    return refresh.id
            raise

    def cancel_refresh(self, group: GroupName) -> None:
        """Cancel the running refresh (or roll-back); what was replaced stays. No refresh: nothing happens."""
        try:
            self._cancel(group)
        except NotFound:
            return

    @translated("autoscaling")
    def roll_back_refresh(self, group: GroupName) -> RefreshId:
        """Roll the running refresh back to what is saved on the group.

        Raises:
            NotPossible: no refresh runs, or AWS calls it irreversible.
        """
        answer = self._clients.autoscaling.rollback_instance_refresh(AutoScalingGroupName=group)
        return RefreshId(answer["InstanceRefreshId"])

    @translated("autoscaling")
    def activities(self, group: GroupName) -> tuple[Activity, ...]:
        """List the last hundred scaling activities, newest first, with the cause of a failed one decoded."""
        answer = self._clients.autoscaling.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=_PAGE)
        activities = map(activity_of, answer["Activities"])
        return tuple(sorted(activities, key=lambda activity: activity.at, reverse=True))

    @translated("ec2")
    def _impaired(self, members: Sequence[InstanceId]) -> frozenset[InstanceId]:
        entries = self._clients.ec2.describe_instance_status(InstanceIds=members)["InstanceStatuses"]
        return frozenset(
            InstanceId(entry["InstanceId"])
            for entry in entries
            if _IMPAIRED in {entry["InstanceStatus"].get("Status"), entry["SystemStatus"].get("Status")}
        )

    def _desired(
        self, group: Group, template: TemplateId, version: int, image: ImageId | None, strategy: RefreshStrategy
    ) -> Any:
        entry: Any = named(self._clients, group.name) if group.mixed else {}
        desired = configuration(self._clients, entry, template, version, image=image, everywhere=strategy.root_volume)
        overrides = desired.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", [])
        if any("InstanceRequirements" in override for override in overrides):
            raise NotPossible(
                f"The group {group.name} chooses instance types by attributes, which no refresh to a version supports.",
                hint="List the instance types in the mixed-instances policy.",
            )
        return desired

    @translated("autoscaling")
    def _start(self, group: GroupName, desired: Any, strategy: RefreshStrategy, *, auto_rollback: bool) -> RefreshId:
        answer = self._clients.autoscaling.start_instance_refresh(
            AutoScalingGroupName=group,
            Strategy="ReplaceRootVolume" if strategy.root_volume else "Rolling",
            DesiredConfiguration=desired,
            Preferences=preferences(strategy, auto_rollback=auto_rollback),
        )
        return RefreshId(answer["InstanceRefreshId"])

    @translated("autoscaling")
    def _cancel(self, group: GroupName) -> None:
        self._clients.autoscaling.cancel_instance_refresh(AutoScalingGroupName=group)
