from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker

from pipeline.errors import NotFound, UsageError
from pipeline.model.gates import Answer
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import TAG_FAMILY, TAG_SOURCE_IMAGE, TAG_STAGE
from pipeline.model.release_rules import CleanDescent, MaxAge, NoFindings, Promoted, Proven, ReleaseRule, SmokeTested
from pipeline.model.sources import SourceChannel
from pipeline.runs import plans
from pipeline.runs.apply import apply
from pipeline.runs.gate import fleets_of, gate
from pipeline.runs.revoking import revoke

OURS = {TAG_FAMILY: "web", TAG_STAGE: Stage.TESTED.value}
TESTED = (SmokeTested(),)


def a_scene(make: SceneMaker, *rules: ReleaseRule, **settings: Any) -> Scene:
    """Make two fleets in a patch group and one outside of it, all on one image of ours, and a gate."""
    fleets = [
        replace(rooms.fleet(name), patch_group=group) for name, group in (("a", "dev"), ("b", "dev"), ("c", None))
    ]
    scene = make(*fleets, release_gate=rules, **settings)
    image = scene.world.image("old", tags=OURS)
    for fleet in fleets:
        scene.world.fleet(fleet.name, image, size=2)
    return scene


def answers(scene: Scene, image: str) -> dict[str, Answer]:
    """Ask about one image."""
    (judged,) = gate(scene.again(), image=ImageId(image))
    return {verdict.gate: verdict.answer for verdict in judged.verdicts}


def test_an_image_passes_from_rule_to_rule(make: SceneMaker) -> None:
    """Tested but not promoted; promoted; looked at by Inspector; a critical finding; too old; revoked."""
    rules = (MaxAge(age=timedelta(days=1)), NoFindings(), SmokeTested(), Promoted())
    scene = a_scene(make, *rules)
    image = scene.world.image("new", tags=OURS)
    wanted = {"max_age": "pass", "findings": "unknown", "smoke_tested": "pass", "promoted": "refuse"}
    assert answers(scene, image) == wanted
    apply(scene.room, plans.for_promote(scene.room, "web", image=ImageId(image)))
    assert answers(scene, image) == (wanted := wanted | {"promoted": "pass"})
    scene.world.client("inspector2").enable(resourceTypes=["EC2"])
    assert answers(scene, image) == (wanted := wanted | {"findings": "pass"})
    scene.world.ec2.create_tags(
        Resources=[image], Tags=[{"Key": "sandbox:cve:CVE-2026-1", "Value": "critical yes bash"}]
    )
    scene.world.wait(60)
    assert answers(scene, image) == (wanted := wanted | {"findings": "refuse"})
    scene.world.wait(90_000)
    assert answers(scene, image) == (wanted := wanted | {"max_age": "refuse"})
    revoke(scene.again(), ImageId(image), "bad", cascade=False)
    assert answers(scene, image) == wanted | {"smoke_tested": "refuse", "stage": "refuse"}


def test_what_fleets_run_and_would_boot_next_is_asked(make: SceneMaker) -> None:
    """Of a group with an old instance and a newer version both images are judged, one verdict a rule."""
    scene = a_scene(make, *TESTED)
    bad = scene.world.image("bad", tags={**OURS, TAG_STAGE: "candidate"})
    template = scene.world.group("b")["LaunchTemplate"]["LaunchTemplateId"]
    version = scene.world.version(template, ImageId=bad)
    scene.world.autoscaling.update_auto_scaling_group(
        AutoScalingGroupName="b", LaunchTemplate={"LaunchTemplateId": template, "Version": str(version)}
    )
    room = scene.again()
    judged = gate(room, fleets=fleets_of(room, None, "dev"))
    assert [(one.subject, one.passes) for one in judged if one.image != bad] == [("a", True), ("b", True)]
    assert [(one.subject, one.passes) for one in judged if one.image == bad] == [("b", False)]
    assert [one.subject for one in gate(room, fleets=fleets_of(room, "c", None))] == ["c"]


def test_what_cannot_be_known_does_not_pass(make: SceneMaker) -> None:
    """A group that is gone, and an image that was deregistered under its instances."""
    scene = a_scene(make, *TESTED)
    (image,) = scene.room.images_of("web").baked
    scene.world.ec2.deregister_image(ImageId=image.id)
    scene.world.autoscaling.delete_auto_scaling_group(AutoScalingGroupName="a", ForceDelete=True)
    judged = gate(scene.again(), fleets=("a", "b"))
    assert [(one.subject, one.passes) for one in judged] == [("a", False), ("b", False)]
    assert {verdict.answer for one in judged for verdict in one.verdicts} == {Answer.UNKNOWN}


@pytest.mark.parametrize(
    ("stage", "gone", "answer"), [("tested", False, "pass"), ("revoked", False, "refuse"), ("tested", True, "unknown")]
)
def test_ancestors_are_climbed(make: SceneMaker, stage: str, gone: bool, answer: str) -> None:
    """The grandparent decides; one that should be ours and is gone is unknown."""
    scene = a_scene(make, CleanDescent())
    room = scene.room
    ours = replace(room.settings.families["web"], source=SourceChannel(family="web", channel="stable"))
    room = replace(room, settings=replace(room.settings, families={"web": ours}))
    grandparent = scene.world.image("grandparent", tags={**OURS, TAG_STAGE: stage})
    parent = scene.world.image("parent", tags={**OURS, TAG_SOURCE_IMAGE: grandparent})
    image = scene.world.image("image", tags={**OURS, TAG_SOURCE_IMAGE: parent})
    if gone:
        scene.world.ec2.deregister_image(ImageId=grandparent)
    (judged,) = gate(room, image=ImageId(image))
    assert judged.verdicts[0].answer == answer


def test_provenance_is_asked_of_the_evidence(make: SceneMaker) -> None:
    """Of one image nobody wrote down how it came to be; of another a bake did, and nobody has signed it."""
    scene = a_scene(make, Proven(), Proven(signed=True))
    assert answers(scene, scene.world.image("new", tags=OURS)) == {"provenance": "refuse"}
    apply(scene.room, plans.for_bake(scene.room, "web", force=True))
    (judged,) = gate(scene.again(), image=scene.again().images_of("web").baked[0].id)
    assert [verdict.answer for verdict in judged.verdicts] == [Answer.PASS, Answer.REFUSE]


def test_a_gate_without_rules_or_image_is_an_error(make: SceneMaker) -> None:
    """Nothing to ask, nobody to ask about."""
    with pytest.raises(UsageError, match="no release gate"):
        gate(a_scene(make).room, image=ImageId("ami-00000000000000000"))
    scene = make(release_gate=TESTED)
    with pytest.raises(NotFound, match="does not exist"):
        gate(scene.room, image=ImageId("ami-00000000000000000"))
    with pytest.raises(UsageError, match="no patch group named prod"):
        fleets_of(scene.room, None, "prod")
