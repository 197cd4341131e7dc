"""What stands in a cloud, a line a resource, without what differs between two runs of the same: ids, times, run ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from world import World

MADE = (
    "ec2:CreateImage",
    "autoscaling:CreateAutoScalingGroup",
    "autoscaling:StartInstanceRefresh",
    "elasticloadbalancing:CreateTargetGroup",
)
"""What must not happen twice although nothing of it may be left to be seen."""
_VOLATILE = (
    (re.compile(r"\d{8}T\d{6}-[a-z]{4}"), "RUN"),
    (re.compile(r"\d{8}T\d{6}Z"), "TIME"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)?"), "TIME"),
    (re.compile(r"arn:[^\s\"',}]*:targetgroup/([^/\s]+)/\w+"), r"\1"),
    (re.compile(r"arn:[^\s\"',}]*:listener/app/([^/\s]+)/\w+/\w+"), r"\1's listener"),
    (re.compile(r"\b(i|sg|snap|vol)-[0-9a-f]{8,}"), r"\1"),
    (re.compile(r"packer_[0-9a-f-]{36}"), "packer_UUID"),
    (re.compile(r"(rebake:evidence)=[0-9a-f]{64}"), r"\1=DIGEST"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Resources, a line each; how often things were made; and what is left of builds and tests for the sweep."""

    lines: tuple[str, ...]
    made: Counter[str]
    left: tuple[str, ...] = ()

    @property
    def plain(self) -> Standing:
        """The same without history: template versions, refreshes, what an empty group was, how often what was made.

        A target group that is marked, and that nothing forwards to, waits for the sweep.
        """
        lines = [_now(line) for line in self.lines if not line.startswith(("version ", "refresh ", "spare "))]
        spare = [line for line in self.lines if line.startswith("spare ")]
        return Standing(lines=tuple(lines), made=Counter(), left=(*self.left, *spare))

    def differences(self, got: Standing) -> tuple[str, ...]:
        """Say what is there too much (+) and what is missing (-) in another one."""
        wanted, found = Counter(self.lines), Counter(got.lines)
        more = [f"+ {line}" for line in (found - wanted).elements()]
        less = [f"- {line}" for line in (wanted - found).elements()]
        made = [
            f"{action} was done {got.made[action]} times, not {self.made[action]}"
            for action in MADE
            if got.made[action] != self.made[action]
        ]
        return (*more, *less, *made)


def standing(world: World) -> Standing:
    """Look at everything that a command may touch."""
    images = world.ec2.describe_images(Owners=["self"])["Images"]
    names = {image["ImageId"]: image["Name"] for image in images}
    templates = world.ec2.describe_launch_templates()["LaunchTemplates"]
    names |= {template["LaunchTemplateId"]: template["LaunchTemplateName"] for template in templates}
    groups = world.autoscaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    members = {member["InstanceId"] for group in groups for member in group["Instances"]}
    listed = [
        *_images(world, images),
        *_versions(world, [template["LaunchTemplateId"] for template in templates]),
        *_groups(world, groups),
        *_traffic(world),
        *_parameters(world),
    ]
    calls = Counter(call.action for call in world.cloud.calls.mutating if not call.error)
    return Standing(
        lines=tuple(sorted(_plain(line, names) for line in listed)),
        made=Counter({action: calls[action] for action in MADE}),
        left=tuple(sorted(_plain(line, names) for line in _left(world, members))),
    )


def _now(line: str) -> str:
    """Leave out what an empty group would boot, and weights of 0."""
    if line.startswith("group "):
        return re.sub(r"( at 0) .*", r"\1", line)
    return re.sub(r" \S+=0(?= |$)", "", line) if line.startswith("listener ") else line


def _plain(line: str, names: dict[str, str]) -> str:
    for id_, name in names.items():
        line = line.replace(id_, f"<{name}>")
    for pattern, word in _VOLATILE:
        line = pattern.sub(word, line)
    return line


def _tags(entries: Any) -> str:
    return " ".join(sorted(f"{tag['Key']}={tag['Value']}" for tag in entries or ()))


def _images(world: World, images: Any) -> Iterator[str]:
    for image in images:
        facts = image["State"], image.get("ImdsSupport", ""), image["DeregistrationProtection"]
        yield f"image {image['Name']} {' '.join(facts)} {_tags(image.get('Tags'))}"
    of = {
        mapping["Ebs"]["SnapshotId"]: image["ImageId"]
        for image in images
        for mapping in image["BlockDeviceMappings"]
        if "SnapshotId" in mapping.get("Ebs", {})
    }
    for snapshot in world.ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]:
        yield f"snapshot of {of.get(snapshot['SnapshotId'], 'nothing')} {_tags(snapshot.get('Tags'))}"


def _versions(world: World, templates: list[str]) -> Iterator[str]:
    for template in templates:
        found = world.ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"]
        for one in found:
            image = one["LaunchTemplateData"].get("ImageId")
            yield f"version {one['VersionNumber']} of {template} {image} {one.get('VersionDescription', '')}"


def _groups(world: World, groups: Any) -> Iterator[str]:
    for group in groups:
        name = group["AutoScalingGroupName"]
        template = group["LaunchTemplate"]
        size = f"{group['MinSize']}..{group['MaxSize']} at {group['DesiredCapacity']} {group.get('Status', '')}"
        yield (
            f"group {name} {size} {template['LaunchTemplateId']}:{template['Version']} "
            f"{sorted(group['TargetGroupARNs'])} "
            f"suspended {sorted(one['ProcessName'] for one in group['SuspendedProcesses'])} {_tags(group['Tags'])}"
        )
        images = _booted(world, [member["InstanceId"] for member in group["Instances"]])
        for member in group["Instances"]:
            protected = " protected" if member["ProtectedFromScaleIn"] else ""
            yield (
                f"member of {name} {images.get(member['InstanceId'])} version {member['LaunchTemplate']['Version']} "
                f"{member['LifecycleState']} {member['HealthStatus']}{protected}"
            )
        refreshes = world.autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)["InstanceRefreshes"]
        for refresh in refreshes:
            to = refresh.get("DesiredConfiguration", {}).get("LaunchTemplate", {}).get("Version")
            yield f"refresh of {name} to {to} {refresh['Status']}"


def _booted(world: World, ids: list[str]) -> dict[str, str]:
    found = world.ec2.describe_instances(InstanceIds=ids)["Reservations"] if ids else []
    return {one["InstanceId"]: one["ImageId"] for reservation in found for one in reservation["Instances"]}


def _traffic(world: World) -> Iterator[str]:
    for group in world.elbv2.describe_target_groups()["TargetGroups"]:
        arn = group["TargetGroupArn"]
        tags = world.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"][0]["Tags"]
        attributes = world.elbv2.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        spare = "" if group["LoadBalancerArns"] or not _tags(tags) else "spare "
        yield f"{spare}target group {group['TargetGroupName']} {_tags(tags)} {_tags(attributes)}"
        for target in world.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]:
            yield f"target in {group['TargetGroupName']} {target['TargetHealth']['State']}"
    for balancer in world.elbv2.describe_load_balancers()["LoadBalancers"]:
        listeners = world.elbv2.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        for listener in listeners:
            yield f"listener of {balancer['LoadBalancerName']} {_weights(listener['DefaultActions'])}"


def _weights(actions: Any) -> str:
    return " ".join(
        sorted(
            f"{one['TargetGroupArn']}={one.get('Weight', 1)}"
            for action in actions
            for one in action.get("ForwardConfig", {}).get("TargetGroups", [action])
        )
    )


def _parameters(world: World) -> Iterator[str]:
    for page in world.ssm.get_paginator("get_parameters_by_path").paginate(Path="/rebake", Recursive=True):
        for one in page["Parameters"]:
            if one["Name"].startswith("/rebake/leases/"):
                continue  # they say who works on what, and end by themselves
            # A word for running rollouts may be said twice; a channel's versions are its history.
            version = "" if one["Name"].startswith("/rebake/andon/") else one["Version"]
            yield f"parameter {one['Name']} {one.get('DataType')} {one['Value']} {version}"


def _left(world: World, members: set[str]) -> Iterator[str]:
    """List what builds and smoke tests have left."""
    for reservation in world.ec2.describe_instances()["Reservations"]:
        for one in reservation["Instances"]:
            if one["InstanceId"] in members or one["State"]["Name"] in {"terminated", "shutting-down"}:
                continue
            yield f"instance {one['State']['Name']} {_tags(one.get('Tags'))}"
    for pair in world.ec2.describe_key_pairs()["KeyPairs"]:
        yield f"key pair {pair['KeyName']}"
    for group in world.ec2.describe_security_groups()["SecurityGroups"]:
        if group["GroupName"] != "default":
            yield f"security group {group['GroupName']}"
    for volume in world.ec2.describe_volumes(Filters=[{"Name": "status", "Values": ["available"]}])["Volumes"]:
        yield f"volume {_tags(volume.get('Tags'))}"
