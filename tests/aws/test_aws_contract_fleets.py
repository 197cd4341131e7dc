"""Fleets and their refreshes as their callers know them, on the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aws.account import WEB, World

from pipeline.errors import HeldError, NotFound, NotPossible
from pipeline.model.fleets import RefreshStatus
from pipeline.model.ids import GroupName, ImageId
from pipeline.model.settings import GroupByName, GroupByTags


def test_a_group_is_found_by_name_and_tags(world: World) -> None:
    """Both selectors mean the same group; its members carry image and version."""
    template = world.template()
    group = world.group(template.id)
    assert (group.desired, group.minimum, group.maximum) == (2, 1, 4)
    assert world.fleets.find(GroupByTags(tags={"Service": "web"})) == group
    assert [member.image for member in group.members] == [world.base().id] * 2
    assert {member.lifecycle for member in group.members} == {"InService"}
    assert {member.template.number for member in group.members if member.template} == {1}
    assert world.fleets.activities(WEB)


def test_groups_must_be_one(world: World) -> None:
    """None and two are different errors."""
    with pytest.raises(NotFound):
        world.fleets.find(GroupByName(name=WEB))
    template = world.template()
    world.group(template.id)
    world.group(template.id, GroupName("web-2"))
    with pytest.raises(NotPossible):
        world.fleets.find(GroupByTags(tags={"Service": "web"}))


def test_a_refresh_replaces_the_group(world: World) -> None:
    """It ends successful, and the group is saved on the new version."""
    _, refresh, version = world.rolling()
    assert world.refresh() in {RefreshStatus.PENDING, RefreshStatus.IN_PROGRESS}
    world.cloud.clock.advance(timedelta(hours=1))
    ended = world.fleets.refreshes(WEB)[0]
    assert (ended.id, ended.status, ended.percentage) == (refresh, RefreshStatus.SUCCESSFUL, 100)
    group = world.fleets.find(GroupByName(name=WEB))
    assert group.template is not None
    assert group.template.number == version.number
    assert {member.image for member in group.members} == {ImageId(version.image)}


def test_a_second_refresh_is_held_unless_it_goes_the_same_way(world: World) -> None:
    """The same request answers the refresh that runs; another is refused."""
    group, refresh, version = world.rolling()
    assert world.start(group, version) == refresh
    source = world.templates.version(version.id, "1")
    with pytest.raises(HeldError):
        world.start(group, source)


def test_a_lost_answer_does_not_lose_the_refresh(world: World) -> None:
    """StartInstanceRefresh has no token: the one that started is found and answered."""
    group = world.group(world.template().id)
    version = world.next_version(group, world.bake())
    world.cloud.faults.lose_answer("autoscaling:StartInstanceRefresh", times=1)
    assert world.start(group, version) == world.fleets.refreshes(WEB)[0].id


def test_a_refresh_is_rolled_back_while_it_runs(world: World) -> None:
    """The group goes back to what is saved on it; afterwards there is nothing to roll back."""
    world.rolling()
    world.fleets.roll_back_refresh(WEB)
    world.cloud.clock.advance(timedelta(hours=1))
    assert world.refresh() is RefreshStatus.ROLLBACK_SUCCESSFUL
    with pytest.raises(NotPossible):
        world.fleets.roll_back_refresh(WEB)


def test_a_refresh_is_cancelled_once_or_twice(world: World) -> None:
    """Cancelling what does not run is no error."""
    world.rolling()
    world.fleets.cancel_refresh(WEB)
    world.cloud.clock.advance(timedelta(hours=1))
    assert world.refresh() is RefreshStatus.CANCELLED
    world.fleets.cancel_refresh(WEB)
