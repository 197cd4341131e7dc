from __future__ import annotations

import pytest
from rooms import Scene, SceneMaker

from pipeline.errors import ExitCode, Interrupted, NotFound, StepFailed
from pipeline.model.ids import ImageId
from pipeline.model.images import Image, Stage
from pipeline.model.names import TAG_BAKE_KEY, TAG_RUN, TAG_STAGE
from pipeline.model.outcomes import Done, Failed, RunResult, Skipped
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.diff import diff


def bake(scene: Scene) -> tuple[ExitCode, RunResult]:
    """Bake the family."""
    room = scene.again()
    plan = plans.for_bake(room, "web")
    result = apply(room, plan)
    return exit_code(plan, result), result


def baked(scene: Scene) -> tuple[Image, ...]:
    """List what was baked."""
    return scene.room.tools.images.baked(family="web")


def test_a_bake_leaves_a_marked_candidate(make: SceneMaker) -> None:
    """Key, run, source image and stage are tags on image and snapshots; IMDSv2 is its default."""
    scene = make()
    assert bake(scene)[0] is ExitCode.DONE
    (image,) = baked(scene)
    assert image.stage is Stage.CANDIDATE
    assert image.bake_key == scene.builder.built[0].key
    snapshot = scene.world.ec2.describe_snapshots(SnapshotIds=list(image.snapshots))["Snapshots"][0]
    tags = {tag["Key"]: tag["Value"] for tag in snapshot["Tags"]}
    assert {TAG_BAKE_KEY, TAG_RUN, TAG_STAGE} <= tags.keys()
    described = scene.world.ec2.describe_images(ImageIds=[image.id])["Images"][0]
    assert described["ImdsSupport"] == "v2.0"


def test_nothing_changed_calls_nothing_that_changes(make: SceneMaker) -> None:
    """The second bake finds the image by its key and makes no mutating call."""
    scene = make()
    bake(scene)
    scene.world.cloud.forbid_mutations()
    code, result = bake(scene)
    assert (code, result.results) == (ExitCode.DONE, ())
    assert len(baked(scene)) == 1


def test_a_template_of_the_users_own_is_marked_afterwards(make: SceneMaker) -> None:
    """A build that writes no tags of ours gets them by the API."""
    scene = make()
    scene.builder.tags_images = False
    bake(scene)
    (image,) = baked(scene)
    assert image.stage is Stage.CANDIDATE


def test_an_image_whose_creation_was_not_heard_of_is_adopted(make: SceneMaker) -> None:
    """CreateImage's answer is lost and Packer fails: the image is found by its name, marked and used."""
    scene = make()
    scene.builder.tags_images = False
    scene.builder.failure = StepFailed("InvalidAMIName.Duplicate")
    code, result = bake(scene)
    assert code is ExitCode.DONE
    assert isinstance(result.last, Done)
    assert [image.stage for image in baked(scene)] == [Stage.CANDIDATE]


def test_a_failed_build_is_told_with_its_cause(make: SceneMaker) -> None:
    """A build that fails without an image ends as failed; the next bake tries again."""
    scene = make()
    scene.world.cloud.deny("ec2:CreateImage")
    code, _ = failing_bake(scene)
    assert code is ExitCode.FAILED
    scene.world.cloud.allow_all()
    assert bake(scene)[0] is ExitCode.DONE


def failing_bake(scene: Scene) -> tuple[ExitCode, RunResult]:
    """Bake with a builder that fails before it has made an image."""
    room = scene.again()
    plan = plans.for_bake(room, "web")
    scene.builder.failure_before_image = StepFailed("shell provisioner failed: exit 3")
    result = apply(room, plan)
    scene.builder.failure_before_image = None
    return exit_code(plan, result), result


def test_an_interrupted_bake_marks_what_it_leaves(make: SceneMaker) -> None:
    """Stopped while the image was being made: it carries its key, and the next run finishes it instead of baking."""
    scene = make()
    scene.builder.tags_images = False
    scene.builder.failure = Interrupted("Stopped by SIGTERM.")
    code, result = bake(scene)
    assert code is ExitCode.INTERRUPTED
    assert isinstance(result.stopped, Interrupted)
    scene.builder.failure = None
    assert bake(scene)[0] is ExitCode.DONE
    assert bake(scene)[1].results == ()
    assert len(scene.builder.built) == len(baked(scene)) == 1


def test_two_plans_made_at_once_bake_once(make: SceneMaker) -> None:
    """The second run finds what the first has baked in the meantime; a forced one bakes all the same."""
    scene = make()
    plan = plans.for_bake(scene.room, "web")
    forced = plans.for_bake(scene.room, "web", force=True)
    bake(scene)
    result = apply(scene.again(), plan)
    assert isinstance(result.last, Skipped)
    assert len(baked(scene)) == 1
    apply(scene.again(), forced)
    assert len(baked(scene)) == 2


def test_an_image_that_fails_later_is_told(make: SceneMaker) -> None:
    """A KMS key that may not be used shows only after CreateImage: the image turns out failed."""
    scene = make()
    scene.builder.failing_image = True
    code, result = bake(scene)
    assert code is ExitCode.FAILED
    assert isinstance(result.last, Failed)
    assert "failed" in result.last.reason


def test_a_recipe_that_changed_after_the_plan_is_not_built(make: SceneMaker) -> None:
    """What was approved is what is built."""
    scene = make()
    plan = plans.for_bake(scene.room, "web")
    scene.builder.recipe = b"recipe 2"
    result = apply(scene.room, plan)
    assert isinstance(result.last, Failed)
    assert "changed after the plan" in result.last.reason
    assert scene.builder.built == []


def test_the_difference_of_two_images_comes_from_their_lists(make: SceneMaker) -> None:
    """Source image and baked image differ by what patching changed; an unknown image is said so."""
    scene = make()
    bake(scene)
    (image,) = baked(scene)
    assert image.source_image is not None
    (change,) = diff(scene.room, image.source_image, image.id)
    assert (change.name, change.before, change.after) == ("openssl", "3.0.20", "3.0.22")
    assert diff(scene.room, image.id, image.id) == ()
    with pytest.raises(NotFound, match="No package list"):
        diff(scene.room, ImageId("ami-0other"), image.id)
    with pytest.raises(NotFound, match="No package list"):
        diff(scene.room, image.id, ImageId("ami-0other"))
