"""Fleets and their refreshes as their callers know them, on the sandbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aws.account import FAST, WEB, Account

from pipeline.errors import HeldError, NotFound, NotPossible
from pipeline.model.fleets import Group, RefreshStatus, TemplateVersion
from pipeline.model.ids import GroupName, ImageId, TemplateId
from pipeline.model.settings import GroupByName, GroupByTags


def test_a_group_is_found_by_name_and_tags(account: Account) -> None:
    """Both selectors mean the same group; its members carry image and version."""
    group = account.group()
    assert (group.desired, group.minimum, group.maximum) == (2, 1, 4)
    assert account.fleets.find(GroupByTags(tags={"Service": "web"})) == group
    assert [member.image for member in group.members] == [account.base().id] * 2
    assert {member.lifecycle for member in group.members} == {"InService"}
    assert {member.template.number for member in group.members if member.template} == {1}
    assert account.fleets.activities(WEB)


def test_groups_must_be_one(account: Account) -> None:
    """None and two are different errors."""
    with pytest.raises(NotFound):
        account.fleets.find(GroupByName(name=WEB))
    account.group()
    account.group(GroupName("web-2"))
    with pytest.raises(NotPossible):
        account.fleets.find(GroupByTags(tags={"Service": "web"}))


def test_a_refresh_replaces_the_group(account: Account) -> None:
    """It ends successful, and the group is saved on the new version."""
    _, refresh, version = account.rolling()
    assert account.refresh() in {RefreshStatus.PENDING, RefreshStatus.IN_PROGRESS}
    account.cloud.clock.advance(timedelta(hours=1))
    ended = account.refreshes.listed(WEB)[0]
    assert (ended.id, ended.status, ended.percentage) == (refresh, RefreshStatus.SUCCESSFUL, 100)
    group = account.fleets.find(GroupByName(name=WEB))
    assert group.template is not None
    assert group.template.number == version.number
    assert {member.image for member in group.members} == {ImageId(version.image)}


def mixed(account: Account, **override: str) -> tuple[Group, TemplateVersion]:
    """Make a mixed group of four units on the base image, and the version to move it to."""
    template = account.world.template("mixed", account.base().id)
    specification: Any = {"LaunchTemplateId": template, "Version": "1"}
    named: Any = {"InstanceType": "t3.small", **override}
    account.world.autoscaling.create_auto_scaling_group(
        AutoScalingGroupName=WEB,
        MinSize=0,
        MaxSize=8,
        DesiredCapacity=4,
        AvailabilityZones=["us-east-1a"],
        MixedInstancesPolicy={"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": [named]}},
    )
    account.cloud.clock.advance(timedelta(minutes=2))
    version = account.world.version(template, ImageId=account.bake().id)
    return account.fleets.named(WEB)[0], account.templates.version(TemplateId(template), str(version))


def test_a_weighted_group_is_moved_to_the_new_image(account: Account) -> None:
    """Its sizes are units; overrides keep their weights and get the image that they named the old one of."""
    group, version = mixed(account, WeightedCapacity="2", ImageId=account.base().id)
    assert (group.desired, len(group.members)) == (4, 2)
    account.start(group, version)
    account.cloud.clock.advance(timedelta(hours=1))
    group = account.fleets.named(WEB)[0]
    assert account.refresh() is RefreshStatus.SUCCESSFUL
    assert group.override_images == (version.image,)
    assert {member.image for member in group.standing} == {version.image}


def test_root_volumes_are_replaced_under_the_same_instances(account: Account) -> None:
    """AWS wants a mixed-instances policy whose overrides all name the image: they get it by this refresh."""
    group, version = mixed(account)
    account.start(group, version, replace(FAST, root_volume=True))
    account.cloud.clock.advance(timedelta(hours=1))
    after = account.fleets.named(WEB)[0]
    assert account.refresh() is RefreshStatus.SUCCESSFUL
    assert {member.id for member in after.members} == {member.id for member in group.members}
    assert {member.image for member in after.members} == {version.image}
    assert after.override_images == (version.image,)


def test_a_second_refresh_is_held_unless_it_goes_the_same_way(account: Account) -> None:
    """The same request answers the refresh that runs; another is refused."""
    group, refresh, version = account.rolling()
    assert account.start(group, version) == refresh
    source = account.templates.version(version.id, "1")
    with pytest.raises(HeldError):
        account.start(group, source)


def test_a_lost_answer_does_not_lose_the_refresh(account: Account) -> None:
    """StartInstanceRefresh has no token: the one that started is found and answered."""
    group = account.group()
    version = account.next_version(group, account.bake())
    account.cloud.faults.lose_answer("autoscaling:StartInstanceRefresh", times=1)
    assert account.start(group, version) == account.refreshes.listed(WEB)[0].id


def test_a_refresh_is_rolled_back_while_it_runs(account: Account) -> None:
    """The group goes back to what is saved on it; afterwards there is nothing to roll back."""
    account.rolling()
    account.refreshes.roll_back(WEB)
    account.cloud.clock.advance(timedelta(hours=1))
    assert account.refresh() is RefreshStatus.ROLLBACK_SUCCESSFUL
    with pytest.raises(NotPossible):
        account.refreshes.roll_back(WEB)


def test_a_refresh_is_cancelled_once_or_twice(account: Account) -> None:
    """Cancelling what does not run is no error."""
    account.rolling()
    account.refreshes.cancel(WEB)
    account.cloud.clock.advance(timedelta(hours=1))
    assert account.refresh() is RefreshStatus.CANCELLED
    account.refreshes.cancel(WEB)
