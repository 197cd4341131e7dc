"""Sweeping a scene, and what stands in its account before and after."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from guards import guard
from rooms import Scene
from world import World

from pipeline.errors import ExitCode
from pipeline.model.outcomes import RunResult
from pipeline.model.steps import Plan
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code

DAY = timedelta(days=1)
LATER = 25 * 3600


def sweep(
    scene: Scene, *, older_than: timedelta = DAY, at_most: int = 50, dry_run: bool = False
) -> tuple[ExitCode, Plan, RunResult]:
    """Sweep, as another run on another machine."""
    room = scene.again()
    guard(scene.world.cloud, room.settings, "sweep")
    try:
        plan = plans.for_sweep(room, older_than=older_than, at_most=at_most)
        result = RunResult() if dry_run else apply(room, plan)
    finally:
        guard(scene.world.cloud, room.settings)
    return exit_code(plan, result), plan, result


def everything(world: World) -> dict[str, set[str]]:
    """Name everything in the account that a bake, a test or a rollout could make."""
    ec2 = world.ec2
    alive: Any = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    machines = ec2.describe_instances(Filters=alive)["Reservations"]
    templates = [one["LaunchTemplateId"] for one in ec2.describe_launch_templates()["LaunchTemplates"]]
    versions = [
        f"{template}:{one['VersionNumber']}"
        for template in templates
        for one in ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
    ]
    groups = world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    parameters = world.ssm.get_parameters_by_path(Path="/rebake", Recursive=True)["Parameters"]
    return {
        "instances": {one["InstanceId"] for group in machines for one in group["Instances"]},
        "volumes": {one["VolumeId"] for one in ec2.describe_volumes()["Volumes"]},
        "keys": {one["KeyName"] for one in ec2.describe_key_pairs()["KeyPairs"]},
        "security groups": {one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"]},
        "images": {one["ImageId"] for one in ec2.describe_images(Owners=["self"])["Images"]},
        "snapshots": {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]},
        "versions": set(versions),
        "groups": {one["AutoScalingGroupName"] for one in groups},
        "target groups": {one["TargetGroupName"] for one in world.elbv2.describe_target_groups()["TargetGroups"]},
        # The last lease of each family and fleet stays, by design.
        "parameters": {one["Name"] for one in parameters if "/leases/" not in one["Name"]},
    }
