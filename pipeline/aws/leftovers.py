"""What may be left behind: listed across services with who uses it, and removed one by one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from pipeline.aws.failures import translated
from pipeline.aws.groups import standing
from pipeline.aws.paging import batches, tags_of
from pipeline.aws.parts import target_groups
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible, StepFailed
from pipeline.model.fleets import RefreshStatus
from pipeline.model.leftovers import Kind, Resource
from pipeline.model.names import TAG_ORIGIN, TAG_ROLE, TAG_RUN
from pipeline.model.settings import GroupByName, GroupSelector

_ALIVE = ("pending", "running", "shutting-down", "stopping", "stopped")
_TEMPLATE = "aws:ec2launchtemplate"
_MADE = re.compile(r".+-[0-9a-f]{8}")
# "Up to 20 resources" (DescribeTags of Elastic Load Balancing).
_TAGGED = 20
_REMOVED = {"success", "skipped"}  # skipped: another image has the snapshot, too
_ABSENT = "launchTemplateVersionDoesNotExist"

Uses = Iterator[tuple[str, str]]
"""Pairs: what is used, and who uses it."""


class AwsLeftovers:
    """The port `Leftovers`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def found(self, selectors: Sequence[GroupSelector]) -> tuple[Resource, ...]:
        """List what may be a leftover, whoever made it.

        Instances and groups are listed whole, for they use the rest; so are the newest and the default versions of all
        launch templates, for they may boot an image.
        """
        groups = standing(self._clients)
        reservations = self._listed("instances", "Reservations", _filter("instance-state-name", *_ALIVE))
        machines = [machine for reservation in reservations for machine in reservation["Instances"]]
        templates = {used.partition(":")[0] for group in groups if _chosen(group, selectors) for used in _booted(group)}
        versions = [version for template in sorted(templates) for version in self._versions(LaunchTemplateId=template)]
        everywhere = self._versions(Versions=["$Latest", "$Default"])
        images = self._listed("images", "Images", Owners=["self"], IncludeDeprecated=True, IncludeDisabled=True)
        temporary = self._listed("security_groups", "SecurityGroups", _filter("group-name", "packer_*"))
        users: defaultdict[str, list[str]] = defaultdict(list)
        for used, user in (
            *_used_by_machines(machines),
            *_used_by_versions([*versions, *everywhere]),
            *((snapshot, one["ImageId"]) for one in images for snapshot in _snapshots(one)),
            *self._interfaces([one["GroupId"] for one in temporary]),
            *self._booted_by(groups, templates),
            *((arn, one["AutoScalingGroupName"]) for one in groups for arn in target_groups(one)),
        ):
            users[used].append(user)
        made = _filter("description", "Created by CreateImage(*")
        snapshots = self._listed("snapshots", "Snapshots", made, OwnerIds=["self"])
        volumes = self._listed("volumes", "Volumes", _filter("tag-key", TAG_RUN), _filter("status", "available"))
        listed = (
            *((Kind.INSTANCE, one["InstanceId"], one) for one in machines if _tagged(one, TAG_RUN)),
            *((Kind.SECURITY_GROUP, one["GroupId"], one) for one in temporary),
            *((Kind.KEY_PAIR, one["KeyName"], one) for one in self._key_pairs()),
            *((Kind.VOLUME, one["VolumeId"], one) for one in volumes),
            *((Kind.IMAGE, one["ImageId"], one) for one in images),
            *((Kind.SNAPSHOT, one["SnapshotId"], one) for one in snapshots),
            *((Kind.TEMPLATE_VERSION, _version_id(one), one) for one in versions),
            *((Kind.GROUP, one["AutoScalingGroupName"], one) for one in groups if _tagged(one, TAG_ROLE)),
            *((Kind.TARGET_GROUP, one["TargetGroupArn"], one) for one in self._target_groups()),
        )
        return tuple(_resource(kind, id_, entry, users[id_]) for kind, id_, entry in listed)

    def remove(self, kind: Kind, id_: str) -> bool:
        """Remove one; False: a network interface is in the security group yet. One that is gone is no error.

        Raises:
            NotPossible: a group or a refresh boots the launch template version.
            StepFailed: a snapshot of the image stays.
        """
        try:
            return self._remove(kind, id_)
        except NotFound:
            return True

    @translated("ec2")
    def _remove(self, kind: Kind, id_: str) -> bool:
        ec2 = self._clients.ec2
        match kind:
            case Kind.INSTANCE:
                ec2.terminate_instances(InstanceIds=[id_])
            case Kind.SECURITY_GROUP:
                if self._interfaces([id_]):
                    return False
                ec2.delete_security_group(GroupId=id_)
            case Kind.KEY_PAIR:
                ec2.delete_key_pair(KeyName=id_)
            case Kind.VOLUME:
                ec2.delete_volume(VolumeId=id_)
            case Kind.IMAGE:
                self._deregister(id_)
            case Kind.SNAPSHOT:
                ec2.delete_snapshot(SnapshotId=id_)
            case Kind.TEMPLATE_VERSION:
                self._delete_version(id_)
            case _:
                raise NotPossible(f"A {kind} is removed through a port of its own.")
        return True

    def _deregister(self, image: str) -> None:
        """Deregister an image with its snapshots in one call: no kill in between leaves them without a trace."""
        answer: Any = self._clients.ec2.deregister_image(ImageId=image, DeleteAssociatedSnapshots=True)
        for result in answer.get("DeleteSnapshotResults", []):
            if (code := result["ReturnCode"]) not in _REMOVED:
                snapshot = result["SnapshotId"]
                raise StepFailed(f"{image} is deregistered; its snapshot {snapshot} stays ({code}).", hint="delete it")

    def _delete_version(self, version: str) -> None:
        template, _, number = version.partition(":")
        # AWS deletes what a group boots from; a roll-back may have begun since the plan was made.
        for used, user in self._booted_by(standing(self._clients), [template]):
            if used == version:
                raise NotPossible(f"{user} boots version {number} of {template} now.")
        answer = self._clients.ec2.delete_launch_template_versions(LaunchTemplateId=template, Versions=[number])
        for failed in answer.get("UnsuccessfullyDeletedLaunchTemplateVersions", []):
            error = failed.get("ResponseError", {})
            if error.get("Code") != _ABSENT:
                raise StepFailed(f"Version {number} of {template} stays: {error.get('Message', 'no reason given')}")

    @translated("ec2")
    def _listed(self, what: str, key: str, *filters: Any, **asked: Any) -> list[Any]:
        ec2: Any = self._clients.ec2
        pages = ec2.get_paginator(f"describe_{what}").paginate(Filters=list(filters), **asked)
        return [one for page in pages for one in page[key]]

    def _versions(self, **asked: Any) -> list[Any]:
        return self._listed("launch_template_versions", "LaunchTemplateVersions", **asked)

    def _interfaces(self, groups: Sequence[str]) -> list[tuple[str, str]]:
        """Pair security groups with who is in them: instances, or network interfaces of something else."""
        return [
            (group["GroupId"], interface.get("Attachment", {}).get("InstanceId") or interface["NetworkInterfaceId"])
            for batch in batches(groups)
            for interface in self._listed("network_interfaces", "NetworkInterfaces", _filter("group-id", *batch))
            for group in interface["Groups"]
        ]

    @translated("ec2")
    def _key_pairs(self) -> list[Any]:
        # The one listing here that has no pages.
        return list(self._clients.ec2.describe_key_pairs(Filters=[_filter("key-name", "rebake-*")])["KeyPairs"])

    @translated("autoscaling")
    def _booted_by(self, groups: Sequence[Any], templates: Iterable[str]) -> list[tuple[str, str]]:
        """Pair launch template versions with the groups that boot from them, or are being refreshed to them."""
        wanted = set(templates)
        uses = []
        for group in groups:
            name, used = group["AutoScalingGroupName"], set(_booted(group))
            if any(version.partition(":")[0] in wanted for version in used):
                # The newest come first, and one at most is under way.
                answer = self._clients.autoscaling.describe_instance_refreshes(AutoScalingGroupName=name)
                active = [one for one in answer["InstanceRefreshes"] if not RefreshStatus(one["Status"]).ended]
                used |= set(_booted(active))
            uses += [(version, name) for version in used]
        return uses

    @translated("elasticloadbalancing")
    def _target_groups(self) -> list[Any]:
        """List the target groups that were made in rollouts, with their tags."""
        elbv2: Any = self._clients.elbv2
        pages = elbv2.get_paginator("describe_target_groups").paginate()
        named = {one["TargetGroupArn"]: one for page in pages for one in page["TargetGroups"]}
        likely = [arn for arn, one in named.items() if _MADE.fullmatch(one["TargetGroupName"])]
        answers = [elbv2.describe_tags(ResourceArns=batch)["TagDescriptions"] for batch in batches(likely, _TAGGED)]
        found = [{**named[one["ResourceArn"]], "Tags": one.get("Tags", [])} for answer in answers for one in answer]
        return [one for one in found if _tagged(one, TAG_ORIGIN)]


def _resource(kind: Kind, id_: str, entry: Any, users: Sequence[str]) -> Resource:
    """Read what a resource has, whatever AWS calls that in its kind."""

    def first(*keys: str) -> Any:
        return next((entry[key] for key in keys if key in entry), None)

    created = first("LaunchTime", "CreateTime", "StartTime", "CreatedTime", "CreationDate")
    state = entry.get("State")
    return Resource(
        kind=kind,
        id=id_,
        name=first("KeyName", "GroupName", "TargetGroupName", "AutoScalingGroupName", "Name") or "",
        description=first("VersionDescription", "Description") or "",
        state=state if isinstance(state, str) else "",
        created=datetime.fromisoformat(created) if isinstance(created, str) else created,
        tags=tags_of(entry.get("Tags", [])),
        holders=tuple(sorted(set(users))),
        parts=_parts(kind, entry),
    )


def _parts(kind: Kind, entry: Any) -> tuple[str, ...]:
    match kind:
        case Kind.IMAGE:
            return _snapshots(entry)
        case Kind.TEMPLATE_VERSION:
            return tuple(filter(None, [entry["LaunchTemplateData"].get("ImageId")]))
        case _:
            return tuple(sorted(target_groups(entry)))


def _filter(name: str, *values: str) -> Any:
    return {"Name": name, "Values": list(values)}


def _tagged(entry: Any, key: str) -> bool:
    return key in tags_of(entry.get("Tags", []))


def _chosen(group: Any, selectors: Sequence[GroupSelector]) -> bool:
    """Tell whether a group is a configured fleet's, whatever it is called after rollouts."""
    tags = tags_of(group.get("Tags", []))
    names = {group["AutoScalingGroupName"], tags.get(TAG_ORIGIN)}
    return any(
        selector.name in names if isinstance(selector, GroupByName) else selector.tags.items() <= tags.items()
        for selector in selectors
    )


def _booted(value: Any) -> Iterator[str]:
    """Find every launch template version in an answer, wherever it stands: group, overrides, members, refreshes."""
    if isinstance(value, dict):
        if "LaunchTemplateId" in value:
            yield f"{value['LaunchTemplateId']}:{value.get('Version', '$Default')}"
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _booted(item)


def _used_by_machines(machines: Sequence[Any]) -> Uses:
    for machine in machines:
        tags = tags_of(machine.get("Tags", []))
        yield machine["ImageId"], machine["InstanceId"]
        yield f"{tags.get(f'{_TEMPLATE}:id')}:{tags.get(f'{_TEMPLATE}:version')}", machine["InstanceId"]


def _used_by_versions(versions: Sequence[Any]) -> Uses:
    for version in versions:
        yield version["LaunchTemplateData"].get("ImageId", ""), _version_id(version)
        if version.get("DefaultVersion"):
            yield _version_id(version), "the template's default"


def _snapshots(image: Any) -> tuple[str, ...]:
    found = [mapping.get("Ebs", {}).get("SnapshotId") for mapping in image.get("BlockDeviceMappings", [])]
    return tuple(snapshot for snapshot in found if snapshot)


def _version_id(version: Any) -> str:
    return f"{version['LaunchTemplateId']}:{version['VersionNumber']}"
