"""Changes of Auto Scaling groups that are put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.aws.configurations import configuration
from pipeline.aws.failures import translated
from pipeline.aws.groups import named, standing
from pipeline.aws.paging import batches
from pipeline.aws.session import Clients
from pipeline.errors import NotPossible
from pipeline.model.fleets import Group
from pipeline.model.ids import GroupName, InstanceId

# "You can specify up to 50 instances" (SetInstanceProtection).
_MEMBERS = 50
# Only in these states an instance can be protected.
_PROTECTABLE = {"InService", "EnteringStandby", "Standby"}
_KIND = "auto-scaling-group"


class AutoScalingChanges:
    """The port `GroupChanges`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @translated("autoscaling")
    def resize(self, group: GroupName, *, minimum: int, desired: int | None = None) -> None:
        """Set the minimum, and a desired capacity only where a group is emptied or filled on purpose."""
        more: Any = {} if desired is None else {"DesiredCapacity": desired}
        self._clients.autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, MinSize=minimum, **more)

    @translated("autoscaling")
    def suspend(self, group: GroupName, processes: Sequence[str]) -> None:
        if processes:  # no name at all means every process
            self._clients.autoscaling.suspend_processes(AutoScalingGroupName=group, ScalingProcesses=processes)

    @translated("autoscaling")
    def resume(self, group: GroupName, processes: Sequence[str]) -> None:
        if processes:  # no name at all means every process
            self._clients.autoscaling.resume_processes(AutoScalingGroupName=group, ScalingProcesses=processes)

    def protect(self, group: GroupName, members: Sequence[InstanceId], *, protected: bool) -> None:
        """Protect members from scale-in, or no longer; ones that are gone or not yet in service are left out.

        AWS refuses a whole call for one such instance, and does not say by a code which it was.
        """
        for batch in batches(members, _MEMBERS):
            try:
                self._protect(group, batch, protected=protected)
            except NotPossible:
                rest = [member for member in batch if member in self._protectable(group)]
                if len(rest) == len(batch):
                    raise
                if rest:
                    self._protect(group, rest, protected=protected)

    @translated("autoscaling")
    def tag(self, tags: Mapping[GroupName, Mapping[str, str]]) -> None:
        written: Any = [
            {"ResourceId": group, "ResourceType": _KIND, "Key": key, "Value": value, "PropagateAtLaunch": False}
            for group, of_it in tags.items()
            for key, value in of_it.items()
        ]
        if written:
            self._clients.autoscaling.create_or_update_tags(Tags=written)

    @translated("autoscaling")
    def untag(self, group: GroupName, keys: Sequence[str]) -> None:
        gone: Any = [{"ResourceId": group, "ResourceType": _KIND, "Key": key} for key in keys]
        if gone:
            self._clients.autoscaling.delete_tags(Tags=gone)

    @translated("autoscaling")
    def set_version(self, group: Group, version: int) -> None:
        if group.template is None:
            raise NotPossible(
                f"The group {group.name} boots from a launch configuration.", hint="give it a launch template"
            )
        entry: Any = named(self._clients, group.name)[0] if group.mixed else {}
        boots = configuration(self._clients, entry, group.template.id, version)
        self._clients.autoscaling.update_auto_scaling_group(AutoScalingGroupName=group.name, **boots)

    @translated("autoscaling")
    def _protect(self, group: GroupName, members: Sequence[InstanceId], *, protected: bool) -> None:
        self._clients.autoscaling.set_instance_protection(
            AutoScalingGroupName=group, InstanceIds=members, ProtectedFromScaleIn=protected
        )

    def _protectable(self, group: GroupName) -> set[str]:
        return {
            member["InstanceId"]
            for entry in standing(self._clients, AutoScalingGroupNames=[group])
            for member in entry.get("Instances", [])
            if member["LifecycleState"] in _PROTECTABLE
        }
