"""The last known good image: protected while a way back may need it, released once a newer one is proven."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import rooms
from botocore.exceptions import ClientError
from rooms import Scene, SceneMaker
from runs.stands import proven, roll, standing
from runs.watching import KilledError, at, interrupt, kill

from pipeline.errors import ExitCode
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import TAG_GOOD, TAG_STAGE
from pipeline.model.settings import FleetSettings
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code

WEEK = timedelta(days=7)
ARRIVED = "AwaitRefresh: done"


def kept(name: str = "web-prod") -> FleetSettings:
    """Configure a fleet whose good images are kept for a week."""
    return replace(rooms.fleet(name), keep_good=WEEK)


def protected(scene: Scene) -> set[str]:
    """List the images that cannot be deregistered; each says that we have done it."""
    images = scene.world.ec2.describe_images(Owners=["self"])["Images"]
    found = {image["ImageId"]: image for image in images if image["DeregistrationProtection"] != "disabled"}
    marked = {image["ImageId"] for image in images if TAG_GOOD in {tag["Key"] for tag in image.get("Tags", [])}}
    assert marked == found.keys()
    return set(found)


def back(scene: Scene, *, reject: bool = False) -> ExitCode:
    """Roll the fleet back."""
    room = scene.again()
    plan = plans.for_rollback(room, "web-prod", reject=reject)
    return exit_code(plan, apply(room, plan))


def started(make: SceneMaker, *fleets: FleetSettings) -> tuple[Scene, ImageId]:
    """Make fleets of one instance on an old image."""
    scene = make(*(fleets or (kept(),)))
    old = proven(scene, "old")
    for fleet in fleets or (kept(),):
        scene.world.fleet(fleet.name, old, size=1)
    return scene, old


def test_the_image_before_stays_until_a_newer_one_is_proven(make: SceneMaker) -> None:
    """After a roll both are protected, AWS refuses to deregister them; the next roll releases what is proven past."""
    scene, old = started(make)
    new, newer, newest = (proven(scene, name) for name in ("new", "newer", "newest"))
    assert roll(scene, new)[0] is ExitCode.DONE
    assert protected(scene) == {old, new}
    with pytest.raises(ClientError, match="OperationNotPermitted"):
        scene.world.ec2.deregister_image(ImageId=old)
    scene.world.wait(timedelta(days=1).total_seconds())
    assert roll(scene, newer)[0] is ExitCode.DONE
    assert protected(scene) == {old, new, newer}
    scene.world.wait(timedelta(days=6).total_seconds())
    assert roll(scene, newest)[0] is ExitCode.DONE
    assert protected(scene) == {new, newer, newest}
    scene.world.ec2.deregister_image(ImageId=old)


def test_an_image_that_was_left_again_was_not_good(make: SceneMaker) -> None:
    """Brought back after a day: what it left is released, what it came back to is as old a good one as before."""
    scene, old = started(make)
    bad, new = proven(scene, "bad"), proven(scene, "new")
    roll(scene, bad)
    scene.world.wait(timedelta(days=6).total_seconds())
    assert back(scene) is ExitCode.DONE
    assert protected(scene) == {old}
    assert plans.for_rollback(scene.again(), "web-prod").empty
    scene.world.wait(timedelta(days=2).total_seconds())
    roll(scene, new)
    assert protected(scene) == {old, new}


def test_an_image_that_was_revoked_proves_nothing_past(make: SceneMaker) -> None:
    """However long it was on the fleet: the one before it stays, and it is released itself."""
    scene, old = started(make)
    bad, new = proven(scene, "bad"), proven(scene, "new")
    roll(scene, bad)
    scene.world.wait((2 * WEEK).total_seconds())
    scene.world.ec2.create_tags(Resources=[bad], Tags=[{"Key": TAG_STAGE, "Value": Stage.REVOKED}])
    roll(scene, new)
    assert protected(scene) == {old, new}


def test_a_roll_that_does_not_get_through_changes_nothing(make: SceneMaker) -> None:
    """What is rolled back on the way was never good."""
    scene, old = started(make)
    new = proven(scene, "new")
    roll(scene, new)
    code, _ = roll(at(scene, "InProgress", interrupt), proven(scene, "newer"))
    assert code is ExitCode.INTERRUPTED
    assert protected(scene) == {old, new}


@pytest.mark.parametrize("words", [ARRIVED, "KeepGood: it"])
def test_a_kill_before_it_was_written_down_is_made_up_for(make: SceneMaker, words: str) -> None:
    """The same roll again does just that, and once more nothing."""
    scene, old = started(make)
    new = proven(scene, "new")
    with pytest.raises(KilledError):
        roll(at(scene, words, kill), new)
    assert protected(scene) == set()
    plan = plans.for_roll(scene.again(), "web-prod", image=new)
    assert [type(planned.step).__name__ for planned in plan.every] == ["KeepGood"]
    assert roll(scene, new)[0] is ExitCode.DONE
    assert protected(scene) == {old, new}
    assert plans.for_roll(scene.again(), "web-prod", image=new).empty


def test_a_fleet_that_cannot_be_protected_stays_where_it_is(make: SceneMaker) -> None:
    """A missing right is told and fails the run, but is no reason to roll anybody back; allowed, it is made up for."""
    scene, old = started(make)
    new = proven(scene, "new")
    scene.world.cloud.deny("ec2:EnableImageDeregistrationProtection")
    code, result = roll(scene, new)
    assert code is ExitCode.FAILED
    assert f"web-prod is on {new}" in str(result.lanes[0].outcome)
    assert "ec2:EnableImageDeregistrationProtection" in str(result.lanes[0].outcome)
    assert scene.world.versions("web-prod") == ["2"]
    assert scene.world.refresh("web-prod")["Status"] == "Successful"
    scene.world.cloud.allow_all()
    assert roll(scene, new)[0] is ExitCode.DONE
    assert protected(scene) == {old, new}


def test_a_fleet_whose_image_is_gone_is_told(make: SceneMaker) -> None:
    """Deregistered while it was rolled out: one sentence and the next step, instead of a fault of our own."""
    scene, _ = started(make)
    new = proven(scene, "new")
    _, result = roll(at(scene, "KeepGood: it", lambda: scene.world.ec2.deregister_image(ImageId=new)), new)
    outcome = str(result.lanes[0].outcome)
    assert f"web-prod is on {new}, which does not exist any more" in outcome
    assert "rebake rollback web-prod" in outcome


def test_a_cord_that_is_pulled_at_the_end_brings_nobody_back(make: SceneMaker) -> None:
    """Nor does an interruption: the fleet has arrived."""
    scene, _ = started(make)
    new = proven(scene, "new")
    code, _ = roll(at(scene, "KeepGood: it", interrupt), new)
    assert code is ExitCode.INTERRUPTED
    assert scene.world.versions("web-prod") == ["2"]


def test_an_image_stays_while_any_fleet_needs_it(make: SceneMaker) -> None:
    """Of two fleets one goes on: what the other one may go back to stays protected until that one goes on, too."""
    scene, old = started(make, kept("web-prod"), kept("web-slow"))
    images = [proven(scene, name) for name in ("first", "second", "third")]

    def to(fleet: str, image: ImageId) -> None:
        room = scene.again()
        plan = plans.for_roll(room, fleet, image=image)
        assert exit_code(plan, apply(room, plan)) is ExitCode.DONE

    to("web-prod", images[0])
    to("web-slow", images[0])
    for image in images[1:]:
        scene.world.wait(WEEK.total_seconds())
        to("web-prod", image)
    assert protected(scene) == {old, *images}
    to("web-slow", images[2])
    assert protected(scene) == set(images)


def test_what_others_protect_is_theirs(make: SceneMaker) -> None:
    """An image that somebody has protected himself is never released, and one of another account is left alone."""
    scene, old = started(make)
    scene.world.ec2.enable_image_deregistration_protection(ImageId=old)
    new = proven(scene, "new")
    roll(scene, new)
    scene.world.wait(WEEK.total_seconds())
    roll(scene, proven(scene, "newer"))
    found = scene.room.tools.images.get([old, new])
    assert (found[old].protected, found[old].good) == (True, False)
    assert found[new].good


@pytest.mark.parametrize("mine", [False, True])
def test_an_image_that_was_not_baked_here_is_not_protected(make: SceneMaker, *, mine: bool) -> None:
    """Of another account or by another tool: it is not tried. One that is gone meanwhile is told."""
    scene = make(kept())
    scene.world.fleet("web-prod", scene.world.image("by hand") if mine else scene.world.base(), size=1)
    new, newer = proven(scene, "new"), proven(scene, "newer")
    roll(scene, new)
    assert protected(scene) == {new}
    scene.world.ec2.disable_image_deregistration_protection(ImageId=new)
    roll(at(scene, ARRIVED, lambda: scene.world.ec2.deregister_image(ImageId=new)), newer)
    assert protected(scene) == {newer}
    assert f"{new}, an image that the fleet may have had to go back to, does not exist" in str(scene.recorder.events)


def test_blue_green_keeps_its_images_too(make: SceneMaker) -> None:
    """After the last shift; a way back while blue is kept releases what was left."""
    stand = standing(make)
    fleet = replace(stand.scene.room.settings.fleets["web-prod"], keep_good=WEEK)
    settings = replace(stand.scene.room.settings, fleets={"web-prod": fleet})
    stand = replace(stand, scene=replace(stand.scene, room=replace(stand.scene.room, settings=settings)))
    new = stand.image()
    assert stand.roll(new)[0] is ExitCode.DONE
    assert protected(stand.scene) == {stand.fleet.image, new}
    assert stand.back() is ExitCode.DONE
    assert protected(stand.scene) == {stand.fleet.image}
    assert stand.plan(ImageId(stand.fleet.image)).empty
