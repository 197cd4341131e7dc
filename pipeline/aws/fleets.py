"""Fleets, through EC2 Auto Scaling."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipeline.aws.activities import activity_of
from pipeline.aws.failures import translated
from pipeline.aws.groups import Known, among, instances, named, read, read_many, selected, standing
from pipeline.aws.paging import batches, tag_filters, tags_of
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, RebakeError
from pipeline.model.fleets import Activity, Group
from pipeline.model.ids import GroupName, InstanceId
from pipeline.model.names import TAG_ORIGIN, role_of
from pipeline.model.settings import GroupSelector

if TYPE_CHECKING:
    from mypy_boto3_autoscaling.type_defs import AutoScalingGroupTypeDef

# The largest page of DescribeAutoScalingGroups, DescribeInstanceRefreshes and DescribeScalingActivities; as many
# instances DescribeInstanceStatus takes.
_PAGE = 100
_IMPAIRED = "impaired"


class AutoScalingFleets:
    """The port `Fleets`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known = Known()

    def find(self, selector: GroupSelector) -> Group:
        """Fetch the one group that the selector means, with its members, its warm pool and their images.

        A fleet that was replaced blue-green is the group that has the traffic, whatever that is called now.

        Raises:
            NotFound: no group matches.
            NotPossible: more than one group matches.
        """
        return read(self._clients, [selected(self._clients, selector)], self._known)[0]

    def named(self, *names: GroupName) -> tuple[Group, ...]:
        return read(self._clients, named(self._clients, *names), self._known)

    def siblings(self, group: Group) -> tuple[Group, ...]:
        first = [] if group.name == group.origin else standing(self._clients, AutoScalingGroupNames=[group.origin])
        entries = [*first, *standing(self._clients, Filters=tag_filters({TAG_ORIGIN: group.origin}))]
        others = {entry["AutoScalingGroupName"]: entry for entry in entries}
        others.pop(group.name, None)
        return read(self._clients, list(others.values()), self._known)

    def every(self, selectors: Mapping[str, GroupSelector]) -> Mapping[str, tuple[Group, ...] | RebakeError]:
        entries = standing(self._clients, PaginationConfig={"PageSize": _PAGE})
        find, beside, chosen = among(entries), _beside(entries), dict[str, list[str] | RebakeError]()
        for fleet, selector in selectors.items():
            try:
                own = selected(self._clients, selector, find)
            except RebakeError as error:
                chosen[fleet] = error
                continue
            name = own["AutoScalingGroupName"]
            origin = tags_of(own.get("Tags", [])).get(TAG_ORIGIN, name)
            chosen[fleet] = list(dict.fromkeys([name, *beside.get(origin, ())]))
        wanted = {name for names in chosen.values() if isinstance(names, list) for name in names}
        groups = read_many(self._clients, [entry for entry in entries if entry["AutoScalingGroupName"] in wanted])
        return {
            fleet: tuple(groups[name] for name in names) if isinstance(names, list) else names
            for fleet, names in chosen.items()
        }

    def sizes(self) -> Mapping[GroupName, int]:
        entries = standing(self._clients, PaginationConfig={"PageSize": _PAGE})
        return {GroupName(entry["AutoScalingGroupName"]): entry["DesiredCapacity"] for entry in entries}

    def impaired(self, members: Sequence[InstanceId]) -> frozenset[InstanceId]:
        found: frozenset[InstanceId] = frozenset()
        for batch in batches(members, _PAGE):
            try:
                found |= self._impaired(batch)
            except NotFound:
                # DescribeInstanceStatus has no filter for ids, and one unknown id fails the whole call.
                known = instances(self._clients, batch)
                found |= self._impaired([member for member in batch if member in known]) if known else frozenset()
        return found

    @translated("autoscaling")
    def activities(self, group: GroupName) -> tuple[Activity, ...]:
        answer = self._clients.autoscaling.describe_scaling_activities(AutoScalingGroupName=group, MaxRecords=_PAGE)
        activities = map(activity_of, answer["Activities"])
        return tuple(sorted(activities, key=lambda activity: activity.at, reverse=True))

    @translated("ec2")
    def _impaired(self, members: Sequence[InstanceId]) -> frozenset[InstanceId]:
        entries = self._clients.ec2.describe_instance_status(InstanceIds=members)["InstanceStatuses"]
        return frozenset(
            InstanceId(entry["InstanceId"])
            for entry in entries
            if _IMPAIRED in {entry["InstanceStatus"].get("Status"), entry["SystemStatus"].get("Status")}
        )


def _beside(entries: Iterable[AutoScalingGroupTypeDef]) -> Mapping[str, list[str]]:
    """List the groups that have a part in a blue-green rollout, by the group that it began with."""
    found = defaultdict[str, list[str]](list)
    for entry in entries:
        name, tags = entry["AutoScalingGroupName"], tags_of(entry.get("Tags", []))
        if role_of(tags):
            found[tags.get(TAG_ORIGIN, name)].append(name)
    return found
