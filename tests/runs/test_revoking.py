from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import standing, watched
from runs.watching import KilledError, at, kill

from pipeline.aws.paging import tag_list
from pipeline.errors import ExitCode, NotFound, NotOurs, NotPossible, RefusedError, Unavailable
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import TAG_FAMILY, TAG_REVOKED, TAG_SOURCE_IMAGE, TAG_STAGE
from pipeline.model.outcomes import Refused
from pipeline.model.release_rules import MaxAge
from pipeline.model.sources import SourceChannel
from pipeline.model.steps import BuildImage, TagImage
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.gate import gate
from pipeline.runs.revoking import revoke

OURS = {TAG_FAMILY: "web", TAG_STAGE: Stage.TESTED.value}


def a_fleet(make: SceneMaker) -> tuple[Scene, ImageId]:
    """Make a fleet on an old image, and a newer image."""
    scene = make(rooms.fleet("web-a", min_healthy=90, max_healthy=100))
    scene.world.fleet("web-a", scene.world.image("old", tags=OURS))
    return scene, ImageId(scene.world.image("new", tags=OURS))


def take_out(scene: Scene, image: str, **how: Any) -> dict[str, str]:
    """Revoke an image, on another machine."""
    told = revoke(scene.again(), ImageId(image), "CVE-2026-1", **{"cascade": False, **how})
    texts: dict[str, list[str]] = {}
    for one in told:
        texts.setdefault(one.target, []).append(one.text)
    return {target: "; ".join(lines) for target, lines in texts.items()}


def test_a_revoked_image_stops_the_roll_to_it(make: SceneMaker) -> None:
    """The run under way sees it and brings its fleet back; the reason and the name are in what it says."""
    scene, image = a_fleet(make)
    room = at(scene, "InProgress 25", lambda: take_out(scene, image)).room
    plan = plans.for_roll(room, "web-a", image=image)
    result = apply(room, plan)
    assert exit_code(plan, result) is ExitCode.ROLLED_BACK
    assert "CVE-2026-1; by arn:aws" in str(result.lanes[0])
    assert set(scene.world.versions("web-a")) == {"1"}


def test_what_a_dead_run_rolls_is_stopped_by_the_command(make: SceneMaker) -> None:
    """The refresh goes back in AWS, although nobody watches it."""
    scene, image = a_fleet(make)
    template = scene.world.group("web-a")["LaunchTemplate"]["LaunchTemplateId"]
    number = scene.world.version(template, ImageId=image)
    scene.world.autoscaling.start_instance_refresh(
        AutoScalingGroupName="web-a",
        DesiredConfiguration={"LaunchTemplate": {"LaunchTemplateId": template, "Version": str(number)}},
    )
    scene.world.wait(10)
    assert "would be stopped" in take_out(scene, image, dry_run=True)["web-a"]
    assert "is being rolled back" in take_out(scene, image)["web-a"]


def test_nothing_is_begun_with_a_revoked_image(make: SceneMaker) -> None:
    """Not rolled, not promoted, no launch template version made of a plan that is older than the word."""
    scene, image = a_fleet(make)
    plan = plans.for_roll(scene.room, "web-a", image=image)
    take_out(scene, image)
    scene.world.cloud.calls.clear()
    result = apply(scene.room, plan)
    assert exit_code(plan, result) is ExitCode.REFUSED
    assert not scene.world.cloud.calls.matching("ec2:CreateLaunchTemplateVersion")
    for planner in (plans.for_promote, plans.for_smoke):
        with pytest.raises(RefusedError, match="was revoked"):
            planner(scene.again(), "web", image=image)
    with pytest.raises(RefusedError, match=r"was revoked \(CVE-2026-1"):
        plans.for_roll(scene.again(), "web-a", image=image)


def test_a_fleet_on_it_is_named_with_its_way_back(make: SceneMaker) -> None:
    """After the roll: the fleet is told, its way back is open, and leaves the mark as it is."""
    scene, image = a_fleet(make)
    apply(scene.room, plans.for_roll(scene.room, "web-a", image=image))
    assert take_out(scene, image)["web-a"] == "4 of 4 instances run it, and the next ones would: rebake rollback web-a"
    plan = plans.for_rollback(scene.again(), "web-a", reject=True)
    assert not [one for one in plan.every if isinstance(one.step, TagImage)]
    room = scene.again()
    assert exit_code(plan, apply(room, plan)) is ExitCode.DONE
    assert room.tools.images.get([image])[image].stage is Stage.REVOKED


def test_there_is_no_way_back_to_a_revoked_image(make: SceneMaker) -> None:
    """The image before the current one was revoked: no rollback boots it."""
    scene, image = a_fleet(make)
    apply(scene.room, plans.for_roll(scene.room, "web-a", image=image))
    (old,) = [one.id for one in scene.room.images_of("web").baked if one.id != image]
    take_out(scene, old)
    with pytest.raises(NotPossible, match="was revoked"):
        plans.for_rollback(scene.again(), "web-a")


def test_descendants_are_named_or_revoked_with_it(make: SceneMaker) -> None:
    """What was baked from it, and from that, is only told of without --cascade; a second time changes nothing."""
    scene, image = a_fleet(make)
    child = scene.world.image("child", tags={**OURS, TAG_SOURCE_IMAGE: image})
    grandchild = scene.world.image("grandchild", tags={**OURS, TAG_SOURCE_IMAGE: child})
    assert "takes --cascade" in take_out(scene, image)[child]
    told = take_out(scene, image, cascade=True)
    assert "revoked (CVE-2026-1" in told[image]
    assert told[child] == told[grandchild] == "is revoked"
    scene.world.cloud.calls.clear()
    take_out(scene, image, cascade=True)
    assert not scene.world.changed


def test_a_channel_that_points_to_it_is_told(make: SceneMaker) -> None:
    """Whoever launches by the channel would still take it."""
    scene, image = a_fleet(make)
    apply(scene.room, plans.for_promote(scene.room, "web", image=image))
    assert "still points to" in take_out(scene, image)["web"]


def test_a_smoke_test_does_not_wash_it_off(make: SceneMaker) -> None:
    """An image that is revoked while it is tested stays so."""
    scene, image = a_fleet(make)
    room = at(scene, f"booting {image}", lambda: take_out(scene, image)).room
    plan = plans.for_smoke(room, "web", image=image)
    result = apply(room, plan)
    assert isinstance(result.last, Refused)
    assert room.tools.images.get([image])[image].stage is Stage.REVOKED


def test_a_descendant_whose_parent_is_gone_is_in_doubt(make: SceneMaker) -> None:
    """Nobody can tell any more whether it came from the image: that is told, and ends with 5."""
    scene, image = a_fleet(make)
    ours = replace(scene.room.settings.families["web"], source=SourceChannel(family="web", channel="stable"))
    room = scene.again()
    room = replace(room, settings=replace(room.settings, families={"web": ours}))
    parent = scene.world.image("parent", tags={**OURS, TAG_SOURCE_IMAGE: image})
    child = scene.world.image("child", tags={**OURS, TAG_SOURCE_IMAGE: parent})
    scene.world.ec2.deregister_image(ImageId=parent)
    told = {one.target: one for one in revoke(room, image, "CVE-2026-1", cascade=True)}
    assert (told[child].ok, "cannot be told" in told[child].text) == (False, True)


def test_what_has_traffic_beside_the_fleet_is_named(make: SceneMaker) -> None:
    """A green group of a dead run boots the image: the fleet runs it, and its gate judges it, whatever it asks."""
    stand = standing(make, shifts=(50, 100))
    image = stand.image("new")
    with pytest.raises(KilledError):
        watched(stand, "50 % green", kill).roll(image)
    told = take_out(stand.scene, image)["web-prod"]
    assert told == "4 of 8 instances run it, and the next ones would: rebake rollback web-prod"
    room = stand.scene.again()
    room = replace(room, settings=replace(room.settings, release_gate=(MaxAge(age=timedelta(days=1)),)))
    verdicts = {one.image: [verdict.gate for verdict in one.verdicts] for one in gate(room, fleets=["web-prod"])}
    assert verdicts.pop(image) == ["stage", "max_age"]
    assert list(verdicts.values()) == [["max_age"]]


def test_no_channel_is_moved_to_it_by_an_older_plan(make: SceneMaker) -> None:
    """Neither is it baked from: what was planned before the word is refused."""
    scene, image = a_fleet(make)
    promote, bake = plans.for_promote(scene.room, "web", image=image), plans.for_bake(scene.room, "web", force=True)
    take_out(scene, image)
    assert exit_code(promote, apply(scene.room, promote)) is ExitCode.REFUSED
    (source,) = {one.step.source_image for one in bake.every if isinstance(one.step, BuildImage)}
    marks = {TAG_FAMILY: "base", TAG_STAGE: Stage.TESTED.value, TAG_REVOKED: "bad"}
    scene.world.ec2.create_tags(Resources=[source], Tags=tag_list(marks))
    room = scene.again()
    assert exit_code(bake, apply(room, bake)) is ExitCode.REFUSED
    assert room.tools.images.get([source])[source].stage is Stage.REVOKED


def test_the_mark_comes_before_all_that_may_fail(make: SceneMaker) -> None:
    """Channels cannot be read at the moment: the command says so, and the image is revoked all the same."""
    scene, image = a_fleet(make)
    scene.world.cloud.faults.fail("ssm:GetParameterHistory", "InternalServerError")
    with pytest.raises(Unavailable):
        take_out(scene, image)
    assert scene.room.tools.images.get([image])[image].stage is Stage.REVOKED


def test_only_images_of_ours_are_revoked(make: SceneMaker) -> None:
    """A foreign one and one that does not exist are errors."""
    scene, _ = a_fleet(make)
    with pytest.raises(NotOurs, match="carries no rebake tags"):
        take_out(scene, scene.world.image("foreign"))
    with pytest.raises(NotFound, match="does not exist"):
        take_out(scene, "ami-00000000000000000")
