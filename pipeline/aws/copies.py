"""Green groups, through EC2 Auto Scaling: made in the shape of another group."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pipeline.aws.configurations import configuration
from pipeline.aws.failures import translated
from pipeline.aws.groups import described, named
from pipeline.aws.paging import batches, tags_of
from pipeline.aws.parts import (
    HOOK,
    POLICY,
    WARM_POOL,
    adapted,
    created,
    obstacles,
    only,
    scheduled,
    sizes,
    suspended,
    target_groups,
)
from pipeline.aws.session import Clients
from pipeline.errors import HeldError, NotOurs, NotPossible, Unavailable
from pipeline.model.fleets import Group
from pipeline.model.ids import GroupName, TargetGroupArn
from pipeline.model.names import TAG_ORIGIN, TAG_ROLE, TAG_RUN
from pipeline.ports.clock import Clock

# BatchPutScheduledUpdateGroupAction takes so many.
_ACTIONS = 50


class AutoScalingCopies:
    """The port `Copies`; `PARTS` says what becomes of each part of a group."""

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock

    def obstacles(self, group: GroupName) -> tuple[str, ...]:
        return tuple(obstacles(named(self._clients, group)[0], self._hooks(group), self._policies(group)))

    def create(
        self,
        source: Group,
        *,
        name: GroupName,
        version: int,
        target_group: TargetGroupArn,
        tags: Mapping[str, str],
    ) -> None:
        """Make a group in the shape of the source as it stands now, or complete what an interrupted call has begun.

        What follows the group's creation is written over itself where it stands already.

        Raises:
            NotPossible: something of the source cannot be copied.
            NotOurs: a group of that name exists and does not carry the tags.
            HeldError: a group of that name is still being deleted.
        """
        entry: Any = named(self._clients, source.name)[0]
        hooks, policies = self._hooks(source.name), self._policies(source.name)
        if found := tuple(obstacles(entry, hooks, policies)):
            hint = "roll it by instance refresh, or change this"
            raise NotPossible(" ".join(found), hint=hint)
        if not self._stands(entry, name, tags):
            asked = created(entry, tags)
            if hooks:
                asked["LifecycleHookSpecificationList"] = [only(hook, HOOK) for hook in hooks]
            try:
                self._make(entry, version, AutoScalingGroupName=name, TargetGroupARNs=[target_group], **asked)
            except (NotPossible, Unavailable):
                # There is no token: a request whose answer was lost is refused when botocore repeats it.
                if not self._stands(entry, name, tags):
                    raise
        self._scale(entry, name, target_group, policies)
        self._follow(entry, name)

    @translated("autoscaling")
    def delete(self, group: GroupName) -> bool:
        """Delete a group with its instances; True once it is gone.

        A copy has its deletion protection from its source, so it is taken off; that of a fleet's first group is not.

        Raises:
            NotOurs: it plays no role in a rollout.
            NotPossible: it is protected.
        """
        entries = described(self._clients, AutoScalingGroupNames=[group])
        if not entries or entries[0].get("Status"):  # a status is set on one that is being deleted
            return not entries
        tags = tags_of(entries[0].get("Tags", []))
        if TAG_ROLE not in tags:
            raise NotOurs(f"The group {group} plays no role in a rollout.", hint="delete it by hand")
        if entries[0].get("DeletionProtection", "none") != "none" and tags.get(TAG_ORIGIN, group) != group:
            self._clients.autoscaling.update_auto_scaling_group(AutoScalingGroupName=group, DeletionProtection="none")
        self._clients.autoscaling.delete_auto_scaling_group(AutoScalingGroupName=group, ForceDelete=True)
        return False

    @translated("autoscaling")
    def _hooks(self, group: GroupName) -> Any:
        return self._clients.autoscaling.describe_lifecycle_hooks(AutoScalingGroupName=group)["LifecycleHooks"]

    @translated("autoscaling")
    def _policies(self, group: GroupName) -> list[Any]:
        pages = self._clients.autoscaling.get_paginator("describe_policies").paginate(AutoScalingGroupName=group)
        return [policy for page in pages for policy in page["ScalingPolicies"]]

    @translated("autoscaling")
    def _stands(self, entry: Any, name: GroupName, tags: Mapping[str, str]) -> bool:
        """Tell whether the copy stands; its source may have grown since."""
        entries = described(self._clients, AutoScalingGroupNames=[name])
        if not entries:
            return False
        if entries[0].get("Status"):
            raise HeldError(f"The group {name} is still being deleted.", hint="run again in a few minutes")
        # Another run may go on with what one has begun.
        ours = {key: value for key, value in tags.items() if key != TAG_RUN}
        if not ours.items() <= tags_of(entries[0].get("Tags", [])).items():
            raise NotOurs(
                f"The group {name} exists and is not of this rollout.",
                hint="delete it or rename it: green groups have names of their own",
            )
        if entries[0]["MinSize"] < entry["DesiredCapacity"]:
            larger: Any = sizes(entry)
            self._clients.autoscaling.update_auto_scaling_group(AutoScalingGroupName=name, **larger)
        return True

    @translated("autoscaling")
    def _make(self, entry: Any, version: int, **asked: Any) -> None:
        mixed = entry.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
        template = (entry.get("LaunchTemplate") or mixed["LaunchTemplateSpecification"])["LaunchTemplateId"]
        boots = configuration(self._clients, entry, template, version)
        self._clients.autoscaling.create_auto_scaling_group(**boots, **asked)

    @translated("autoscaling")
    def _scale(self, entry: Any, name: GroupName, target_group: TargetGroupArn, policies: list[Any]) -> None:
        """Write scaling policies and scheduled actions."""
        scaling = self._clients.autoscaling
        names = (entry["AutoScalingGroupName"], name)
        (before,) = target_groups(entry)
        label = (before.rpartition(":")[2], target_group.rpartition(":")[2])
        for policy in policies:
            wanted = adapted(only(policy, POLICY), name=names, label=label)
            scaling.put_scaling_policy(AutoScalingGroupName=name, **wanted)
        pages = scaling.get_paginator("describe_scheduled_actions").paginate(AutoScalingGroupName=names[0])
        actions = scheduled([one for page in pages for one in page["ScheduledUpdateGroupActions"]], self._clock.now())
        for batch in batches(actions, _ACTIONS):
            answer = scaling.batch_put_scheduled_update_group_action(
                AutoScalingGroupName=name, ScheduledUpdateGroupActions=batch
            )
            for failed in answer.get("FailedScheduledUpdateGroupActions", []):
                raise NotPossible(
                    f"AWS refuses the scheduled action {failed['ScheduledActionName']} on {name}: "
                    f"{failed.get('ErrorMessage', failed.get('ErrorCode', 'no reason given'))}.",
                    hint="correct it on the group that is copied, and run again",
                )

    @translated("autoscaling")
    def _follow(self, entry: Any, name: GroupName) -> None:
        """Write what neither boots nor scales: notifications, metrics, the warm pool, suspended processes."""
        scaling = self._clients.autoscaling
        pages = scaling.get_paginator("describe_notification_configurations").paginate(
            AutoScalingGroupNames=[entry["AutoScalingGroupName"]]
        )
        topics = defaultdict(list)
        for page in pages:
            for found in page["NotificationConfigurations"]:
                topics[found["TopicARN"]].append(found["NotificationType"])
        for topic, kinds in topics.items():
            scaling.put_notification_configuration(AutoScalingGroupName=name, TopicARN=topic, NotificationTypes=kinds)
        if metrics := [metric["Metric"] for metric in entry.get("EnabledMetrics", [])]:
            # The only granularity that there is (EnableMetricsCollection).
            scaling.enable_metrics_collection(AutoScalingGroupName=name, Metrics=metrics, Granularity="1Minute")
        pool = entry.get("WarmPoolConfiguration", {})
        if pool and not pool.get("Status"):  # a status is set on one that is being deleted
            scaling.put_warm_pool(AutoScalingGroupName=name, **only(pool, WARM_POOL))
        if processes := suspended(entry):
            scaling.suspend_processes(AutoScalingGroupName=name, ScalingProcesses=processes)
