"""Instance refreshes, through EC2 Auto Scaling: what one is asked with, and what one looks like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.aws.configurations import configuration
from pipeline.aws.failures import translated
from pipeline.aws.groups import named, template_of
from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied, CredentialsError, HeldError, NotFound, NotPossible, Throttled, Unavailable
from pipeline.model.fleets import Group, Refresh, RefreshStatus, TemplateRef
from pipeline.model.ids import GroupName, ImageId, RefreshId, TemplateId
from pipeline.model.strategies import OnBusy, RefreshStrategy

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.literals import ScaleInProtectedInstancesType, StandbyInstancesType
    from mypy_boto3_autoscaling.type_defs import InstanceRefreshTypeDef, RefreshPreferencesTypeDef

# The largest page of DescribeInstanceRefreshes.
_PAGE = 100
_PROTECTED: Mapping[OnBusy, ScaleInProtectedInstancesType] = {
    OnBusy.WAIT: "Wait",
    OnBusy.IGNORE: "Ignore",
    OnBusy.REPLACE: "Refresh",
}
_STANDBY: Mapping[OnBusy, StandbyInstancesType] = {
    OnBusy.WAIT: "Wait",
    OnBusy.IGNORE: "Ignore",
    OnBusy.REPLACE: "Terminate",
}


class AutoScalingRefreshes:
    """The port `Refreshes`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @translated("autoscaling")
    def listed(self, group: GroupName) -> tuple[Refresh, ...]:
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
            for refresh in self.listed(group.name):
                # One that is being cancelled or rolled back goes away from there.
                if refresh.desired == wanted and refresh.status.forward:
                    return refresh.id
            raise

    def cancel(self, group: GroupName) -> None:
        try:
            self._cancel(group)
        except NotFound:
            return

    @translated("autoscaling")
    def roll_back(self, group: GroupName) -> RefreshId:
        answer = self._clients.autoscaling.rollback_instance_refresh(AutoScalingGroupName=group)
        return RefreshId(answer["InstanceRefreshId"])

    def _desired(
        self, group: Group, template: TemplateId, version: int, image: ImageId | None, strategy: RefreshStrategy
    ) -> Any:
        entry: Any = named(self._clients, group.name)[0] if group.mixed else {}
        desired = configuration(self._clients, entry, template, version, image=image, everywhere=strategy.root_volume)
        overrides = desired.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("Overrides", [])
        if any("InstanceRequirements" in override for override in overrides):
            raise NotPossible(
                f"The group {group.name} chooses instance types by attributes, which no refresh to a version supports.",
                hint="list the instance types in the mixed-instances policy",
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


def preferences(strategy: RefreshStrategy, *, auto_rollback: bool) -> RefreshPreferencesTypeDef:
    """Write a strategy as RefreshPreferences; everything whose default differs between AWS's tools is explicit.

    An explicit maximum of 100 is not the same as none: only with it AWS launches before it terminates where it
    must (RefreshPreferences, MaxHealthyPercentage).
    """
    asked: RefreshPreferencesTypeDef = {
        "MinHealthyPercentage": strategy.min_healthy,
        "MaxHealthyPercentage": strategy.max_healthy,
        "SkipMatching": strategy.skip_matching,
        "AutoRollback": auto_rollback,
        "ScaleInProtectedInstances": _PROTECTED[strategy.protected],
        "StandbyInstances": _STANDBY[strategy.standby],
    }
    if strategy.warmup is not None:
        asked["InstanceWarmup"] = int(strategy.warmup.total_seconds())
    if strategy.checkpoints:  # a delay without checkpoints is refused
        asked["CheckpointPercentages"] = list(strategy.checkpoints)
        asked["CheckpointDelay"] = int(strategy.checkpoint_delay.total_seconds())
    if strategy.soak:
        asked["BakeTime"] = int(strategy.soak.total_seconds())
    if strategy.alarms:
        asked["AlarmSpecification"] = {"Alarms": list(strategy.alarms)}
    return asked


def refresh_of(entry: InstanceRefreshTypeDef) -> Refresh:
    """Read a refresh as DescribeInstanceRefreshes answers it.

    Raises:
        Unavailable: AWS answers a status that this version does not know.
    """
    desired = entry.get("DesiredConfiguration", {})
    mixed = desired.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    return Refresh(
        id=RefreshId(entry["InstanceRefreshId"]),
        group=GroupName(entry["AutoScalingGroupName"]),
        status=_status(entry["Status"]),
        percentage=entry.get("PercentageComplete", 0),
        remaining=entry.get("InstancesToUpdate", 0),
        reason=entry.get("StatusReason", ""),
        desired=template_of(desired.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification")),
        started=entry.get("StartTime"),
        ended=entry.get("EndTime"),
        rollback_reason=entry.get("RollbackDetails", {}).get("RollbackReason", ""),
    )


def _status(word: str) -> RefreshStatus:
    try:
        return RefreshStatus(word)
    except ValueError as error:
        raise Unavailable(
            f"AWS reports an instance refresh as {word!r}, a status that this version of rebake does not know.",
            hint="look at the refresh in the Auto Scaling console, and use a newer rebake",
        ) from error
