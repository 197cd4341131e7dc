"""Which group a fleet is, once rollouts have made others of it."""

from __future__ import annotations

from typing import Any

import nouns
import pytest
from aws.answers import Stub, answer_groups, described

from pipeline.aws.fleets import AutoScalingFleets
from pipeline.aws.session import Clients
from pipeline.errors import NotFound, NotPossible
from pipeline.model.ids import GroupName
from pipeline.model.names import Role
from pipeline.model.settings import GroupByName, GroupByTags

WEB = GroupName("web")
HEIRS = {
    "Filters": [
        {"Name": "tag:rebake:origin", "Values": ["web"]},
        {"Name": "tag:rebake:role", "Values": ["live"]},
    ]
}


def playing(name: str, role: str) -> dict[str, Any]:
    """Make a group that plays a role in a rollout of web."""
    tags = {"rebake:origin": "web", "rebake:role": role}
    return described(AutoScalingGroupName=name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


@pytest.mark.parametrize("first", [(), *((playing("web", role),) for role in ("blue", "green", "retired"))])
def test_a_fleet_that_was_replaced_is_found_under_its_first_name(
    clients: Clients, stub: Stub, first: tuple[dict[str, Any], ...]
) -> None:
    """The group of that name is gone, or stands aside: the one that took over is meant."""
    answer_groups(stub, *first, asked={"AutoScalingGroupNames": ["web"]})
    answer_groups(stub, playing("web-v4", "live"), asked=HEIRS)
    found = AutoScalingFleets(clients).find(GroupByName(name=WEB))
    assert (found.name, found.role, found.origin) == ("web-v4", Role.LIVE, "web")


def test_a_live_group_is_found_under_its_own_name(clients: Clients, stub: Stub) -> None:
    """One call is enough then."""
    answer_groups(stub, playing("web", "live"), asked={"AutoScalingGroupNames": ["web"]})
    assert AutoScalingFleets(clients).find(GroupByName(name=WEB)).name == "web"


def test_two_groups_cannot_both_have_taken_over(clients: Clients, stub: Stub) -> None:
    """Both are named, for a person to decide."""
    answer_groups(stub)
    answer_groups(stub, playing("web-v3", "live"), playing("web-v4", "live"))
    with pytest.raises(NotPossible, match="2 Auto Scaling groups exist that took over from web: web-v3, web-v4"):
        AutoScalingFleets(clients).find(GroupByName(name=WEB))


def test_a_blue_group_without_an_heir_is_no_fleet(clients: Clients, stub: Stub) -> None:
    """It stands, but nothing has its traffic."""
    answer_groups(stub, playing("web", "blue"))
    answer_groups(stub)
    with pytest.raises(NotFound, match="that took over from web in us-east-1"):
        AutoScalingFleets(clients).find(GroupByName(name=WEB))


def test_of_groups_with_the_tags_only_the_one_with_the_traffic_counts(clients: Clients, stub: Stub) -> None:
    """Copies carry the tags of the group that they were made from."""
    answer_groups(stub, playing("web", "blue"), playing("web-v4", "live"), playing("web-v5", "green"))
    assert AutoScalingFleets(clients).find(GroupByTags(tags={"Env": "prod"})).name == "web-v4"


def test_a_group_is_found_by_its_very_name(clients: Clients, stub: Stub) -> None:
    """Whatever its role, and nobody else is asked for."""
    answer_groups(stub, playing("web", "blue"), asked={"AutoScalingGroupNames": ["web"]})
    assert AutoScalingFleets(clients).named(WEB)[0].role is Role.BLUE
    answer_groups(stub)
    with pytest.raises(NotFound):
        AutoScalingFleets(clients).named(WEB)


def test_siblings_are_all_groups_of_a_fleet(clients: Clients, stub: Stub) -> None:
    """The one that asks is not among them; the first one is asked for by its name only where that is another."""
    member = {
        "AvailabilityZone": "a",
        "HealthStatus": "Healthy",
        "LifecycleState": "InService",
        "ProtectedFromScaleIn": False,
    }
    blue, green = playing("web", "blue"), playing("web-v4", "green")
    blue["Instances"] = [{**member, "InstanceId": "i-1"}]
    green["Instances"] = [{**member, "InstanceId": "i-2"}]
    answer_groups(stub, blue, asked={"AutoScalingGroupNames": ["web"]})
    others = (blue, green, playing("web-v3", "live"), described(Status="Delete in progress"))
    answer_groups(stub, *others, asked={"Filters": HEIRS["Filters"][:1]})
    stub("ec2").add_response(
        "describe_instances",
        {"Reservations": [{"Instances": [{"InstanceId": "i-2", "PrivateIpAddress": "10.0.0.2"}]}]},
        {"Filters": [{"Name": "instance-id", "Values": ["i-1", "i-2"]}]},
    )
    live = nouns.group(name="web-v3", tags={"rebake:origin": WEB})
    found = AutoScalingFleets(clients).siblings(live)
    assert [(group.name, group.role) for group in found] == [("web", Role.BLUE), ("web-v4", Role.GREEN)]
    assert found[1].members[0].address == "10.0.0.2"
    answer_groups(stub, blue, asked={"Filters": HEIRS["Filters"][:1]})
    assert AutoScalingFleets(clients).siblings(nouns.group(name=WEB)) == ()
