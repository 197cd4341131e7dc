"""A group with all that teams hang on one, and its copy."""

from __future__ import annotations

from typing import Any

from aws.account import WEB, Account

from pipeline.model.fleets import Group
from pipeline.model.ids import GroupName, TargetGroupArn, TemplateId
from pipeline.model.settings import GroupByName

GREEN = GroupName("web-v2")
TOPIC = "arn:aws:sns:us-east-1:123456789012:scaling"
OURS = {"rebake:origin": "web", "rebake:role": "green"}


class Teams:
    """A group with all that teams hang on one, and what is described of it and of its copy."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.scaling = account.world.autoscaling
        self.fleet = account.world.fleet(
            WEB,
            account.base().id,
            size=2,
            balanced=True,
            MinSize=1,
            MaxSize=6,
            DefaultCooldown=120,
            DefaultInstanceWarmup=30,
            TerminationPolicies=["OldestInstance"],
            DeletionProtection="prevent-all-deletion",
            InstanceMaintenancePolicy={"MinHealthyPercentage": 90, "MaxHealthyPercentage": 120},
            LifecycleHookSpecificationList=[
                {
                    "LifecycleHookName": "drain",
                    "LifecycleTransition": "autoscaling:EC2_INSTANCE_TERMINATING",
                    "HeartbeatTimeout": 60,
                    "DefaultResult": "CONTINUE",
                    "NotificationMetadata": "queue",
                }
            ],
            Tags=[
                {"Key": "Service", "Value": "web", "PropagateAtLaunch": True},
                {"Key": "empty", "Value": "", "PropagateAtLaunch": False},
                {"Key": "rebake:run", "Value": "old", "PropagateAtLaunch": False},
            ],
        )
        self.version = account.world.version(self.fleet.template, ImageId=account.bake().id)
        clone = account.traffic.clone(self.blue, name="web-v2", tags=OURS)
        self.target_group = clone

    @property
    def booted(self) -> tuple[TemplateId, str]:
        """What the copy boots: template and version."""
        return TemplateId(self.fleet.template), str(self.version)

    @property
    def blue(self) -> TargetGroupArn:
        """The group's target group."""
        return TargetGroupArn(self.fleet.target_group)

    def everything(self) -> None:
        """Hang on the group what is written by a call of its own."""
        self.policy("cpu", PredefinedMetricSpecification={"PredefinedMetricType": "ASGAverageCPUUtilization"})
        self.scaling.put_scheduled_update_group_action(
            AutoScalingGroupName=WEB, ScheduledActionName="nightly", Recurrence="0 2 * * *", MaxSize=6
        )
        self.notify("autoscaling:EC2_INSTANCE_LAUNCH")
        self.scaling.enable_metrics_collection(
            AutoScalingGroupName=WEB, Metrics=["GroupMinSize"], Granularity="1Minute"
        )
        self.scaling.put_warm_pool(AutoScalingGroupName=WEB, MinSize=1, PoolState="Stopped")
        self.account.changes.suspend(WEB, ["AlarmNotification"])

    def notify(self, *kinds: str) -> None:
        """Let a topic be told of these events."""
        self.scaling.put_notification_configuration(
            AutoScalingGroupName=WEB, TopicARN=TOPIC, NotificationTypes=list(kinds)
        )

    @property
    def group(self) -> Group:
        """The group as our adapter sees it."""
        return self.account.fleets.find(GroupByName(name=WEB))

    def copy(self, source: Group | None = None, tags: dict[str, str] | None = None) -> None:
        """Make the copy."""
        self.account.copies.create(
            source or self.group,
            name=GREEN,
            version=self.version,
            target_group=self.target_group,
            tags=OURS if tags is None else tags,
        )

    def of(self, name: str) -> dict[str, Any]:
        """Describe a group."""
        return dict(self.account.world.group(name))

    def label(self, target_group: str) -> str:
        """Name a target group as scaling policies do."""
        (balancer,) = self.account.world.elbv2.describe_load_balancers()["LoadBalancers"]
        name = balancer["LoadBalancerArn"].partition("loadbalancer/")[2]
        return f"{name}/{target_group.rpartition(':')[2]}"

    def policy(self, name: str, **specification: Any) -> None:
        """Put a target tracking policy on the group."""
        tracking: Any = {"TargetValue": 50.0, **specification}
        self.scaling.put_scaling_policy(
            AutoScalingGroupName=WEB,
            PolicyName=name,
            PolicyType="TargetTrackingScaling",
            TargetTrackingConfiguration=tracking,
        )
