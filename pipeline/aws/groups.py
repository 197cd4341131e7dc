"""Auto Scaling groups as they stand: described in AWS's own shape, chosen, and read into our nouns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from pipeline.aws.failures import translated
from pipeline.aws.paging import batches, tag_filters, tags_of
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible
from pipeline.model.fleets import Group, Member, TemplateRef
from pipeline.model.ids import GroupName, ImageId, InstanceId, TargetGroupArn, TemplateId
from pipeline.model.names import LEADING, PATCH_GROUP_TAGS, TAG_ORIGIN, TAG_ROLE, Role, role_of
from pipeline.model.settings import GroupByName, GroupSelector

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef, InstanceTypeDef

_NAMED_AT_MOST = 5
# The largest page of DescribeInstances, and a tag that Auto Scaling sets on all that it launches or that is attached.
_INSTANCES_PAGE = 1000
_TAG_GROUP = "aws:autoscaling:groupName"

Find = Callable[..., list["AutoScalingGroupTypeDef"]]
"""Finds groups by ``AutoScalingGroupNames`` or ``Filters``, as DescribeAutoScalingGroups takes them."""


@translated("autoscaling")
def described(clients: Clients, **asked: Any) -> list[AutoScalingGroupTypeDef]:
    """Describe the groups of these ``AutoScalingGroupNames`` or ``Filters``, ones that are being deleted too."""
    pages = clients.autoscaling.get_paginator("describe_auto_scaling_groups").paginate(**asked)
    return [entry for page in pages for entry in page["AutoScalingGroups"]]


def standing(clients: Clients, **asked: Any) -> list[AutoScalingGroupTypeDef]:
    """Describe groups that stand: "Status" is set only on one that is being deleted, which is gone for us."""
    return [entry for entry in described(clients, **asked) if not entry.get("Status")]


def named(clients: Clients, *names: GroupName) -> list[AutoScalingGroupTypeDef]:
    """Describe the groups of exactly these names, in their order.

    Raises:
        NotFound: one of them does not exist.
    """
    found = {entry["AutoScalingGroupName"]: entry for entry in standing(clients, AutoScalingGroupNames=list(names))}
    return [_only(clients, [found[name]] if name in found else [], f"named {name}") for name in names]


def selected(clients: Clients, selector: GroupSelector, find: Find | None = None) -> AutoScalingGroupTypeDef:
    """Describe the one group that the selector means; with ``find``, among groups that were described already.

    A blue-green rollout leaves copies with the tags of the first group, and may have deleted that: of groups found by
    tags the ones that have no traffic do not count, and a name stands for the group that took its fleet over.

    Raises:
        NotFound: no group matches.
        NotPossible: more than one group does.
    """
    find = find or partial(standing, clients)
    if isinstance(selector, GroupByName):
        words = f"named {selector.name}"
        found = find(AutoScalingGroupNames=[selector.name])
        if not found or _aside(found[0]):
            live = {TAG_ORIGIN: str(selector.name), TAG_ROLE: Role.LIVE.value}
            heirs = find(Filters=tag_filters(live))
            words = f"that took over from {selector.name}" if found or heirs else words
            found = heirs
    else:
        words = "with the tags " + ", ".join(f"{key}={value}" for key, value in selector.tags.items())
        found = [entry for entry in find(Filters=tag_filters(selector.tags)) if not _aside(entry)]
    return _only(clients, found, words)


def among(entries: Sequence[AutoScalingGroupTypeDef]) -> Find:
    """Find groups among these, without a call."""
    by_name = {entry["AutoScalingGroupName"]: entry for entry in entries}
    tagged = [(tags_of(entry.get("Tags", [])), entry) for entry in entries]

    def find(**asked: Any) -> list[AutoScalingGroupTypeDef]:
        if names := asked.get("AutoScalingGroupNames"):
            return [by_name[name] for name in names if name in by_name]
        wanted = [(one["Name"].removeprefix("tag:"), one["Values"]) for one in asked["Filters"]]
        return [entry for tags, entry in tagged if all(tags.get(key) in values for key, values in wanted)]

    return find


def _aside(entry: AutoScalingGroupTypeDef) -> bool:
    return role_of(tags_of(entry.get("Tags", []))) not in LEADING


def _only(clients: Clients, found: list[AutoScalingGroupTypeDef], words: str) -> AutoScalingGroupTypeDef:
    if not found:
        raise NotFound(
            f"There is no Auto Scaling group {words} in {clients.region}.",
            hint="check the fleet's group, the region and the account",
        )
    if len(found) > 1:
        names = ", ".join(sorted(entry["AutoScalingGroupName"] for entry in found)[:_NAMED_AT_MOST])
        raise NotPossible(
            f"{len(found)} Auto Scaling groups exist {words}: {names}.",
            hint="a fleet is one group: add a tag that tells them apart, or name the group",
        )
    return found[0]


class Known(dict[tuple[str, ...], Mapping[str, Any]]):
    """EC2's own description of members, by id and by what Auto Scaling says of them.

    Image and address of an instance stand from its launch on, and a replaced root volume shows in the member's state
    and version: so a watched group costs no DescribeInstances while its members stay the same.
    """

    def of(self, clients: Clients, members: Iterable[InstanceTypeDef]) -> dict[str, Mapping[str, Any]]:
        """Answer what EC2 knows of members by instance id, asking for those only that are new or have changed."""
        marks = {member["InstanceId"]: _mark(member) for member in members}
        asked = [name for name, mark in marks.items() if mark not in self]
        fetched = instances(clients, asked)
        self.update({marks[name]: found for name, found in fetched.items() if found.get("PrivateIpAddress")})
        return fetched | {name: self[mark] for name, mark in marks.items() if mark in self}


def _mark(member: InstanceTypeDef) -> tuple[str, ...]:
    version = member.get("LaunchTemplate", {}).get("Version", "")
    return member["InstanceId"], member["LifecycleState"], version, member.get("ImageId", "")


def read(clients: Clients, entries: Sequence[AutoScalingGroupTypeDef], known: Known) -> tuple[Group, ...]:
    """Read groups with their members, their warm pools, and what EC2 knows of the instances.

    A member whose instance is gone already keeps ``image`` None.
    """
    pools = [_warm_pool(clients, entry) for entry in entries]
    listed = [*(entry.get("Instances", []) for entry in entries), *pools]
    found = known.of(clients, (member for members in listed for member in members))
    return tuple(group_of(entry, found, pool) for entry, pool in zip(entries, pools, strict=True))


def read_many(clients: Clients, entries: Sequence[AutoScalingGroupTypeDef]) -> dict[str, Group]:
    """Read groups by name, as `read` does, with DescribeInstances in pages of a thousand instead of two hundred."""
    found = _launched_by(clients, [entry["AutoScalingGroupName"] for entry in entries])
    return {entry["AutoScalingGroupName"]: group_of(entry, found, _warm_pool(clients, entry)) for entry in entries}


@translated("ec2")
def _launched_by(clients: Clients, groups: Sequence[str]) -> dict[str, Mapping[str, Any]]:
    paginator = clients.ec2.get_paginator("describe_instances")
    return {
        entry["InstanceId"]: {key: entry.get(key) for key in _READ if key in entry}  # the rest is most of the memory
        for batch in batches(sorted(groups))
        for page in paginator.paginate(
            Filters=[{"Name": f"tag:{_TAG_GROUP}", "Values": batch}], PaginationConfig={"PageSize": _INSTANCES_PAGE}
        )
        for reservation in page["Reservations"]
        for entry in reservation["Instances"]
    }


_READ = ("ImageId", "LaunchTime", "PrivateIpAddress", "State", "Tags")
"""What `group_of` reads of an instance."""


@translated("autoscaling")
def _warm_pool(clients: Clients, entry: AutoScalingGroupTypeDef) -> list[InstanceTypeDef]:
    if not entry.get("WarmPoolConfiguration"):
        return []
    name = entry["AutoScalingGroupName"]
    pages = clients.autoscaling.get_paginator("describe_warm_pool").paginate(AutoScalingGroupName=name)
    return [instance for page in pages for instance in page["Instances"]]


@translated("ec2")
def instances(clients: Clients, ids: Sequence[str]) -> dict[str, Any]:
    """Describe instances by id; ones that are gone are not in the answer."""
    # By filter: among InstanceIds, one instance that has just vanished would fail the whole call.
    paginator = clients.ec2.get_paginator("describe_instances")
    return {
        entry["InstanceId"]: entry
        for batch in batches(sorted(ids))
        for page in paginator.paginate(Filters=[{"Name": "instance-id", "Values": batch}])
        for reservation in page["Reservations"]
        for entry in reservation["Instances"]
    }


def group_of(entry: AutoScalingGroupTypeDef, known: Mapping[str, Any], warm: Sequence[InstanceTypeDef] = ()) -> Group:
    """Read a group as DescribeAutoScalingGroups answers it; ``known`` are EC2's instances by id."""
    policy = entry.get("MixedInstancesPolicy", {})
    mixed = policy.get("LaunchTemplate", {})
    overrides = mixed.get("Overrides", [])
    template = template_of(entry.get("LaunchTemplate") or mixed.get("LaunchTemplateSpecification"))
    others = [template_of(override.get("LaunchTemplateSpecification")) for override in overrides]
    sources = entry.get("TrafficSources", [])
    balanced = [source["Identifier"] for source in sources if source.get("Type", "elbv2") == "elbv2"]
    return Group(
        name=GroupName(entry["AutoScalingGroupName"]),
        desired=entry["DesiredCapacity"],
        minimum=entry["MinSize"],
        maximum=entry["MaxSize"],
        template=template,
        launch_configuration=entry.get("LaunchConfigurationName", ""),
        mixed=bool(policy),
        override_templates=any(other and (not template or other.id != template.id) for other in others),
        override_images=tuple(ImageId(image) if (image := one.get("ImageId")) else None for one in overrides),
        attribute_based=any("InstanceRequirements" in override for override in overrides),
        members=tuple(_member(member, known) for member in entry.get("Instances", [])),
        warm=tuple(_member(member, known) for member in warm),
        target_groups=tuple(map(TargetGroupArn, dict.fromkeys([*entry.get("TargetGroupARNs", []), *balanced]))),
        suspended=tuple(process["ProcessName"] for process in entry.get("SuspendedProcesses", [])),
        protects_new=entry.get("NewInstancesProtectedFromScaleIn", False),
        subnets=tuple(subnet for subnet in entry.get("VPCZoneIdentifier", "").split(",") if subnet),
        tags=tags_of(entry.get("Tags", [])),
    )


def _member(entry: InstanceTypeDef, known: Mapping[str, Any]) -> Member:
    instance = known.get(entry["InstanceId"], {})
    tags = tags_of(instance.get("Tags", []))
    # Auto Scaling says an image only where an override or a replaced root volume chose it; then it knows best.
    image = entry.get("ImageId") or instance.get("ImageId")
    return Member(
        id=InstanceId(entry["InstanceId"]),
        lifecycle=entry["LifecycleState"],
        healthy=entry["HealthStatus"].lower() == "healthy",
        zone=entry["AvailabilityZone"],
        protected=entry["ProtectedFromScaleIn"],
        template=template_of(entry.get("LaunchTemplate")),
        image=ImageId(image) if image else None,
        address=instance.get("PrivateIpAddress", ""),
        launched=instance.get("LaunchTime"),
        weight=int(entry.get("WeightedCapacity") or 1),
        patch_group=next((tags[key] for key in PATCH_GROUP_TAGS if tags.get(key)), None),
        state=instance.get("State", {}).get("Name", ""),
    )


def template_of(entry: Any) -> TemplateRef | None:
    """Read a launch template specification."""
    if not entry:
        return None
    # Auto Scaling uses the default version where none is written (LaunchTemplateSpecification, Version).
    return TemplateRef(id=TemplateId(entry.get("LaunchTemplateId", "")), version=entry.get("Version", "$Default"))
