"""Evidence from the bake to another machine: kept, signed, in S3, and finished by whoever comes next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.watching import at

from pipeline.aws.session import Clients
from pipeline.errors import AccessDenied, ExitCode, Interrupted, NotFound, NotPossible
from pipeline.model.evidence import Proof, Provenance
from pipeline.model.images import Image, Stage
from pipeline.model.names import TAG_EVIDENCE
from pipeline.model.outcomes import Failed, Outcome
from pipeline.model.settings import Bucket, EvidenceSettings
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.diff import diff


def vaulted(make: SceneMaker, *, signed: bool = True) -> Scene:
    """Make a scene whose evidence goes to a bucket, and is signed."""
    bare = make()
    bare.world.client("s3").create_bucket(Bucket="audit")
    kms = bare.world.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"] if signed else None
    return make(evidence=EvidenceSettings(bucket=Bucket(name="audit", prefix="e"), kms_key=key))


def elsewhere(scene: Scene, clients: Clients, folder: Path) -> Scene:
    """Open the same room on another machine: nothing of the first one's files is there."""
    there = rooms.opened(scene.room.settings, scene.world, clients, folder / "elsewhere")
    there.builder.tags_images = scene.builder.tags_images
    return there


def release(scene: Scene) -> ExitCode:
    """Bake, test and promote."""
    room = scene.again()
    plan = plans.for_release(room)
    return exit_code(plan, apply(room, plan))


def bake(scene: Scene) -> ExitCode:
    """Bake alone."""
    room = scene.again()
    plan = plans.for_bake(room, "web")
    return exit_code(plan, apply(room, plan))


def smoke(scene: Scene, meanwhile: Callable[[], object] = int) -> tuple[ExitCode, Outcome | None]:
    """Test the newest image; something happens while its instance boots."""
    room = at(scene, "web: testing ami-", meanwhile).again()
    plan = plans.for_smoke(room, "web")
    result = apply(room, plan)
    return exit_code(plan, result), result.last


def newest(scene: Scene) -> Image:
    """Look at the newest image."""
    return scene.room.images_of("web").baked[0]


def asked(scene: Scene) -> Provenance:
    """Ask for the provenance of the newest image."""
    return scene.room.tools.evidence.provenance(newest(scene))


@pytest.mark.parametrize(("signed", "proof"), [(True, Proof.VERIFIED), (False, Proof.UNSIGNED)])
def test_another_machine_can_tell(
    make: SceneMaker, clients: Clients, tmp_path: Path, signed: bool, proof: Proof
) -> None:
    """After bake and smoke test: where the image comes from, what changed on it, and that it was tested."""
    scene = vaulted(make, signed=signed)
    assert release(scene) is ExitCode.DONE
    there = elsewhere(scene, clients, tmp_path)
    assert (asked(there).proof, asked(scene).proof) == (proof, proof)
    image = newest(there)
    assert image.stage is Stage.TESTED
    assert image.source_image is not None
    (change,) = diff(there.room, image.source_image, image.id)
    assert change.cves == ("CVE-2026-1",)
    details = asked(there).statement["predicate"]
    assert details["runDetails"]["metadata"]["invocationId"] == image.run
    assert details["buildDefinition"]["internalParameters"]["author"]["caller"].startswith("arn:aws:")
    kept = scene.world.client("s3").list_objects_v2(Bucket="audit", Prefix=f"e/{image.id}/")["Contents"]
    names = sorted(one["Key"].rpartition("/")[2].partition("-")[0] for one in kept)
    assert names == ["changes.md", "manifest", "manifest", "packages.json", "provenance.json", "sbom.cdx.json", "smoke"]
    snapshot = scene.world.ec2.describe_snapshots(SnapshotIds=list(image.snapshots))["Snapshots"][0]
    assert {"Key": TAG_EVIDENCE, "Value": image.tags[TAG_EVIDENCE]} in snapshot["Tags"]


def test_what_was_changed_in_the_bucket_is_told(make: SceneMaker, clients: Clients, tmp_path: Path) -> None:
    """By whoever has no copy of his own; where the bucket does not answer nothing is said at all."""
    scene = vaulted(make)
    assert release(scene) is ExitCode.DONE
    there, image, s3 = elsewhere(scene, clients, tmp_path), newest(scene), scene.world.client("s3")
    for name in ("packages.json", "provenance.json"):
        s3.put_object(Bucket="audit", Key=f"e/{image.id}/{name}", Body=b"{}")
    assert asked(there).proof is Proof.TAMPERED
    assert asked(scene).proof is Proof.VERIFIED
    with pytest.raises(NotPossible, match="not what was written"):
        diff(there.room, image.id, image.id)
    scene.world.cloud.deny("s3:GetObject")
    with pytest.raises(AccessDenied, match="s3:GetObject"):
        asked(there)


@pytest.mark.parametrize("action", ["s3:PutObject", "kms:Sign", "ec2:CreateTags"])
def test_a_bake_whose_evidence_could_not_be_kept_is_finished_by_the_next_run(make: SceneMaker, action: str) -> None:
    """Nothing is baked twice, and the lists that this machine has are not lost."""
    scene = vaulted(make)
    scene.builder.tags_images = False
    scene.world.cloud.deny(action)
    assert release(scene) is not ExitCode.DONE
    scene.world.cloud.allow_all()
    assert release(scene) is ExitCode.DONE
    assert len(scene.builder.built) == 1
    assert asked(scene).proof is Proof.VERIFIED
    assert diff(scene.room, newest(scene).id, newest(scene).id) == ()


def test_a_bake_that_another_machine_finishes_has_no_lists(make: SceneMaker, clients: Clients, tmp_path: Path) -> None:
    """It does not fail for want of them, and says who has finished what and whose tools are not known."""
    scene = vaulted(make)
    scene.builder.tags_images = False
    scene.builder.failure = Interrupted("Stopped by SIGTERM.")
    assert release(scene) is ExitCode.INTERRUPTED
    there = elsewhere(scene, clients, tmp_path)
    assert release(there) is ExitCode.DONE
    image = newest(there)
    found = asked(there)
    assert found.proof is Proof.VERIFIED
    inner = found.statement["predicate"]["buildDefinition"]["internalParameters"]
    assert inner["adoptedBy"] != image.run
    with pytest.raises(NotFound, match="No package list"):
        diff(there.room, image.id, image.id)


def test_a_smoke_test_elsewhere_leaves_the_evidence_whole(make: SceneMaker, clients: Clients, tmp_path: Path) -> None:
    """Without a bucket the tester has nothing of the bake: it adds its own, and the baker still reads all."""
    scene = make()
    assert bake(scene) is ExitCode.DONE
    there = elsewhere(scene, clients, tmp_path)
    assert release(there) is ExitCode.DONE
    assert asked(there).proof is Proof.MISSING
    folder = f"evidence/{newest(scene).id}"
    link = f"manifest-{newest(scene).tags[TAG_EVIDENCE]}.json"
    (tmp_path / folder / link).write_bytes((tmp_path / "elsewhere" / folder / link).read_bytes())
    assert asked(scene).proof is Proof.UNSIGNED


def test_a_tag_that_is_seen_late_is_not_lost(make: SceneMaker) -> None:
    """The chain goes on from the tag as it is when the test ends, not as it was when it began."""
    scene = make()
    assert bake(scene) is ExitCode.DONE
    image = newest(scene)
    scene.world.ec2.delete_tags(Resources=[image.id], Tags=[{"Key": TAG_EVIDENCE}])
    code, _ = smoke(scene, lambda: scene.room.tools.images.tag(image, {TAG_EVIDENCE: image.tags[TAG_EVIDENCE]}))
    assert (code, newest(scene).stage, asked(scene).proof) == (ExitCode.DONE, Stage.TESTED, Proof.UNSIGNED)


def test_a_chain_is_never_begun_where_one_should_stand(make: SceneMaker) -> None:
    """Not while a tag may still become visible; after an hour the image is one that never had any evidence."""
    scene = make()
    assert bake(scene) is ExitCode.DONE
    scene.world.ec2.delete_tags(Resources=[newest(scene).id], Tags=[{"Key": TAG_EVIDENCE}])
    code, outcome = smoke(scene)
    assert code is ExitCode.FAILED
    assert isinstance(outcome, Failed)
    assert "run it again: rebake smoke web" in outcome.hint
    assert (newest(scene).stage, TAG_EVIDENCE in newest(scene).tags) == (Stage.CANDIDATE, False)
    scene.world.wait(3600)
    assert smoke(scene)[0] is ExitCode.DONE
    assert (newest(scene).stage, asked(scene).proof) == (Stage.TESTED, Proof.MISSING)


def test_a_bake_that_was_cut_short_keeps_its_place_in_the_chain(make: SceneMaker) -> None:
    """However old it is: its smoke test does not count before the bake is finished."""
    scene = vaulted(make)
    scene.world.cloud.deny("s3:PutObject")
    assert bake(scene) is not ExitCode.DONE
    scene.world.cloud.allow_all()
    scene.world.wait(3 * 3600)
    code, outcome = smoke(scene)
    assert (code, newest(scene).stage) == (ExitCode.FAILED, Stage.CANDIDATE)
    assert "finish it, or bake another: rebake bake web" in str(outcome)
    assert bake(scene) is ExitCode.DONE
    assert smoke(scene)[0] is ExitCode.DONE
    assert asked(scene).proof is Proof.VERIFIED


def test_a_fault_is_written_without_evidence(make: SceneMaker) -> None:
    """An image that fails its test is rejected even where the reports have nothing to hang on yet."""
    scene = make()
    assert bake(scene) is ExitCode.DONE
    scene.world.ec2.delete_tags(Resources=[newest(scene).id], Tags=[{"Key": TAG_EVIDENCE}])
    scene.smoke.sick = frozenset({"t3.small"})
    assert smoke(scene)[0] is ExitCode.REFUSED
    assert (newest(scene).stage, TAG_EVIDENCE in newest(scene).tags) == (Stage.REJECTED, False)


def test_without_its_bucket_a_bake_is_not_finished(make: SceneMaker) -> None:
    """What must be kept and cannot be is told; the image stays unfinished, for the next run."""
    scene = make(evidence=EvidenceSettings(bucket=Bucket(name="none", prefix="e")))
    room = scene.again()
    plan = plans.for_bake(room, "web")
    result = apply(room, plan)
    assert exit_code(plan, result) is ExitCode.FAILED
    assert "NoSuchBucket" in str(result.stopped)
    assert newest(scene).imds_v2 is False
