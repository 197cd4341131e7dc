"""Fleets, through EC2 Auto Scaling."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches, tag_filters
from pipeline.aws.refreshes import group_of, preferences, refresh_of, with_template
from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied, CredentialsError, HeldError, NotFound, NotPossible, Throttled, Unavailable
from pipeline.model.fleets import Activity, Group, Refresh, TemplateRef
from pipeline.model.ids import GroupName, ImageId, InstanceId, RefreshId, TemplateId
from pipeline.model.settings import GroupByName, GroupSelector
from pipeline.model.strategies import RefreshStrategy

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, DesiredConfigurationTypeDef

# The largest page of DescribeInstanceRefreshes and DescribeScalingActivities.
_PAGE = 100
_NAMED_AT_MOST = 5


class AutoScalingFleets:
    """The port `Fleets`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def find(self, selector: GroupSelector) -> Group:
        """Fetch the one group that the selector means, with its members and their images.

        A member whose instance is gone already keeps ``image`` None.

        Raises:
            NotFound: no group matches.
            NotPossible: more than one group carries the tags.
        """
        entry = self.describe(selector)
        ids = [InstanceId(member["InstanceId"]) for member in entry.get("Instances", [])]
        return group_of(entry, self._images_of(ids))

    @translated("autoscaling")
    def describe(self, selector: GroupSelector) -> AutoScalingGroupTypeDef:
        """Describe the one group that the selector means, in AWS's own shape; raises as `find` does."""
        paginator = self._clients.autoscaling.get_paginator("describe_auto_scaling_groups")
        if isinstance(selector, GroupByName):
            words = f"named {selector.name}"
            pages = paginator.paginate(AutoScalingGroupNames=[selector.name])
        else:
            words = "with the tags " + ", ".join(f"{key}={value}" for key, value in selector.tags.items())
            pages = paginator.paginate(Filters=tag_filters(selector.tags))
        # "Status" is set only on a group that is being deleted: for us it is gone.
        found = [entry for page in pages for entry in page["AutoScalingGroups"] if not entry.get("Status")]
        if not found:
            raise NotFound(
                f"There is no Auto Scaling group {words} in {self._clients.region}.",
                hint="Check the fleet's group, the region and the account.",
            )
        if len(found) > 1:
            names = ", ".join(sorted(entry["AutoScalingGroupName"] for entry in found)[:_NAMED_AT_MOST])
            raise NotPossible(
                f"{len(found)} Auto Scaling groups exist {words}: {names}.",
                hint="A fleet is one group: add a tag that tells them apart, or name the group.",
            )
        return found[0]

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
        strategy: RefreshStrategy,
        auto_rollback: bool,
    ) -> RefreshId:
        """Start a refresh towards a numbered version, or answer the active one that goes there already.

        StartInstanceRefresh takes no token, so a lost answer cannot be told from a lost request, and botocore's
        own retry of it is answered "in progress": in both cases the group is asked what runs.

        Raises:
            HeldError: another refresh runs already.
            NotPossible: AWS refuses the combination, or the group's overrides choose images of their own.
        """
        desired = self._desired(group, template, version)
        try:
            return self._start(group.name, desired, strategy, auto_rollback=auto_rollback)
        except (AccessDenied, CredentialsError, Throttled):
            raise  # AWS refused to look at the request: nothing can have started
        except (HeldError, Unavailable):
            wanted = TemplateRef(id=template, version=str(version))
            for refresh in self.refreshes(group.name):
                if refresh.desired == wanted and not refresh.status.ended:
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
        """List the last hundred scaling activities, newest first."""
        answer = self._clients.autoscaling.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=_PAGE)
        activities = [
            Activity(
                at=entry["StartTime"],
                description=entry.get("Description", ""),
                status=entry["StatusCode"],
                cause=entry["Cause"],
                message=entry.get("StatusMessage", ""),
            )
            for entry in answer["Activities"]
        ]
        return tuple(sorted(activities, key=lambda activity: activity.at, reverse=True))

    @translated("ec2")
    def _images_of(self, ids: Iterable[InstanceId]) -> dict[InstanceId, ImageId]:
        # By filter: among InstanceIds, one instance that has just vanished would fail the whole call.
        images: dict[InstanceId, ImageId] = {}
        paginator = self._clients.ec2.get_paginator("describe_instances")
        for batch in batches(sorted(ids)):
            for page in paginator.paginate(Filters=[{"Name": "instance-id", "Values": batch}]):
                for reservation in page["Reservations"]:
                    for entry in reservation["Instances"]:
                        images[InstanceId(entry["InstanceId"])] = ImageId(entry["ImageId"])
        return images

    def _desired(self, group: Group, template: TemplateId, version: int) -> DesiredConfigurationTypeDef:
        if not group.mixed:
            return {"LaunchTemplate": {"LaunchTemplateId": template, "Version": str(version)}}
        policy = self.describe(GroupByName(name=group.name)).get("MixedInstancesPolicy", {})
        return {"MixedInstancesPolicy": with_template(group.name, policy, template, version)}

    @translated("autoscaling")
    def _start(
        self,
        group: GroupName,
        desired: DesiredConfigurationTypeDef,
        strategy: RefreshStrategy,
        *,
        auto_rollback: bool,
    ) -> RefreshId:
        answer = self._clients.autoscaling.start_instance_refresh(
            AutoScalingGroupName=group,
            Strategy="Rolling",
            DesiredConfiguration=desired,
            Preferences=preferences(strategy, auto_rollback=auto_rollback),
        )
        return RefreshId(answer["InstanceRefreshId"])

    @translated("autoscaling")
    def _cancel(self, group: GroupName) -> None:
        self._clients.autoscaling.cancel_instance_refresh(AutoScalingGroupName=group)
