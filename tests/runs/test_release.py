from __future__ import annotations

import nouns
import pytest
import rooms
from rooms import SceneMaker

from pipeline.errors import ExitCode, NotFound, RefusedError, UsageError
from pipeline.model.images import Stage
from pipeline.model.outcomes import Failed, Refused
from pipeline.model.sources import SourceChannel
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.status import history, status


def release(scene: rooms.Scene) -> tuple[ExitCode, list[str]]:
    """Release everything; answer the exit code and the kinds of steps that were taken."""
    room = scene.again()
    plan = plans.for_release(room)
    result = apply(room, plan)
    return exit_code(plan, result), [type(step.planned.step).__name__ for step in result.results]


def test_a_release_goes_from_source_image_to_replaced_fleet(make: SceneMaker) -> None:
    """Bake, smoke test, promote, roll: every instance runs the new image, and the same again has nothing to do."""
    scene = make(rooms.fleet())
    fleet = scene.world.fleet("web-prod", scene.world.image("old"))
    code, kinds = release(scene)
    assert code is ExitCode.DONE
    assert kinds[:3] == ["BuildImage", "SmokeTestImage", "MoveChannel"]
    (standing,) = status(scene.room)
    assert standing.newest is not None
    assert standing.newest.stage is Stage.TESTED
    assert standing.fleets[0].by_image == {standing.channel: 4}
    assert standing.fleets[0].on_channel is True
    assert scene.world.versions(fleet.group) == ["2"] * 4
    assert plans.for_release(scene.again()).empty


def test_the_second_release_bakes_only_what_changed(make: SceneMaker) -> None:
    """A changed recipe is baked again; history then shows two images, two promotions, two refreshes."""
    scene = make(rooms.fleet())
    scene.world.fleet("web-prod", scene.world.image("old"))
    release(scene)
    scene.builder.recipe = b"recipe 2"
    assert release(scene)[0] is ExitCode.DONE
    (past,) = history(scene.room)
    assert [len(past.images), len(past.channel), len(past.refreshes["web-prod"])] == [2, 2, 2]


def test_a_newer_source_image_is_baked(make: SceneMaker) -> None:
    """When the owner publishes a newer source image, the next plan says so."""
    scene = make()
    release(scene)
    scene.world.cloud.publish_base(like="debian-12-amd64", name="debian-12-amd64-20991231-1")
    plan = plans.for_release(scene.again())
    assert "newer source image" in plan.steps[0].why


def test_a_sick_candidate_is_rejected_and_never_rolled(make: SceneMaker) -> None:
    """A failed smoke test ends the release as refused; fleet and channel stand, and the image stays rejected."""
    scene = make(rooms.fleet())
    scene.world.fleet("web-prod", scene.world.image("old"))
    scene.smoke.sick = frozenset({"t3.small"})
    code, kinds = release(scene)
    assert (code, kinds[-1]) == (ExitCode.REFUSED, "SmokeTestImage")
    (standing,) = status(scene.room)
    assert standing.channel is None
    assert standing.newest is not None
    assert standing.newest.stage is Stage.REJECTED
    with pytest.raises(RefusedError, match="can never be rolled"):
        plans.for_roll(scene.room, "web-prod", image=standing.newest.id)
    assert release(scene) == (ExitCode.REFUSED, [])


def test_a_boot_matrix_tests_every_type(make: SceneMaker) -> None:
    """The candidate is booted on each instance type; one that fails rejects it, and no instance is left."""
    smoke = nouns.family().smoke
    both = nouns.family(smoke=type(smoke)(instance_types=("t3.small", "m5.large")))
    scene = make(families={"web": both})
    scene.smoke.sick = frozenset({"m5.large"})
    room = scene.again()
    result = apply(room, plans.for_release(room))
    assert isinstance(result.last, Refused)
    assert "m5.large: test_true" in result.last.reason
    (standing,) = status(scene.room)
    assert standing.newest is not None
    assert standing.newest.tags["rebake:smoke"] == "t3.small=passed m5.large=failed"
    assert running(scene) == []


def test_a_launch_that_breaks_off_leaves_no_instance(make: SceneMaker) -> None:
    """The second type cannot be had: the first one's instance is terminated, and the candidate stays a candidate."""
    smoke = nouns.family().smoke
    both = nouns.family(smoke=type(smoke)(instance_types=("t3.small", "no.such")))
    scene = make(families={"web": both})
    room = scene.again()
    result = apply(room, plans.for_release(room))
    assert isinstance(result.last, Failed) or result.stopped is not None
    assert status(scene.room)[0].newest.stage is Stage.CANDIDATE  # type: ignore[union-attr] # it was just baked
    assert running(scene) == []


def test_a_family_whose_source_is_missing_stops_no_other(make: SceneMaker) -> None:
    """Of several families, one that cannot be planned is noted; asked for alone, its error is raised."""
    lost = nouns.family(name="lost", source=SourceChannel(family="web", channel="stable"))
    scene = make(families={"web": nouns.family(), "lost": lost})
    plan = plans.for_release(scene.room)
    assert {planned.target for planned in plan.steps} == {"web"}
    assert [note.target for note in plan.blocked] == ["lost"]
    with pytest.raises(NotFound, match="no image matches"):
        plans.for_release(scene.room, ("lost",))
    with pytest.raises(UsageError, match="no family named"):
        plans.for_release(scene.room, ("web", "wbe"))


def test_a_rejected_base_is_not_built_upon(make: SceneMaker) -> None:
    """A family on another's channel refuses that channel's image once it is rejected."""
    derived = nouns.family(name="derived", source=SourceChannel(family="web", channel="stable"))
    scene = make(families={"web": nouns.family(), "derived": derived})
    release(scene)
    base = scene.room.images_of("web").baked[0]
    scene.room.tools.images.tag(base, {"rebake:stage": "rejected"})
    with pytest.raises(RefusedError, match="was rejected"):
        plans.for_bake(scene.again(), "derived")


def test_an_image_whose_agent_never_answers_is_rejected(make: SceneMaker) -> None:
    """A candidate that boots but cannot be reached by the agent is the image's own fault."""
    scene = make()
    room = scene.again()
    apply(room, plans.for_bake(room, "web"))
    image = room.family("web").baked[0]
    scene.world.cloud.virtual.behave(image.id, "offline")
    result = apply(room, plans.for_smoke(room, "web"))
    assert isinstance(result.last, Refused)
    assert "agent never answered" in result.last.reason


def running(scene: rooms.Scene) -> list[str]:
    """List the instances that smoke tests left."""
    found = scene.world.ec2.describe_instances(
        Filters=[
            {"Name": "tag:rebake:purpose", "Values": ["smoke"]},
            {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]},
        ]
    )
    return [instance["InstanceId"] for group in found["Reservations"] for instance in group["Instances"]]
