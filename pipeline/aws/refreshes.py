"""The shapes of instance refreshes: what one is asked with, and what one looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipeline.aws.groups import template_of
from pipeline.errors import Unavailable
from pipeline.model.fleets import Refresh, RefreshStatus
from pipeline.model.ids import GroupName, RefreshId
from pipeline.model.strategies import OnBusy, RefreshStrategy

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.literals import ScaleInProtectedInstancesType, StandbyInstancesType
    from mypy_boto3_autoscaling.type_defs import InstanceRefreshTypeDef, RefreshPreferencesTypeDef

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
            hint="Look at the refresh in the Auto Scaling console, and use a newer rebake.",
        ) from error
