"""Every verb from the outside: exit codes, one JSON document, dry runs that change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nouns
import pytest
from commands import Command, Project
from world import World

from pipeline import __version__
from pipeline.model.evidence import Bake
from pipeline.model.ids import RunId
from pipeline.model.names import TAG_BAKE_KEY, TAG_EVIDENCE, TAG_FAMILY, TAG_SOURCE_IMAGE, TAG_STAGE
from pipeline.model.packages import Fix, Package, PackageLists
from pipeline.records.evidence import FileObjects, KeptEvidence
from pipeline.records.places import state_dir
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

SPEED = 200


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file: every test has a group of its own in it."""
    cloud = Cloud(clock=WallClock(SPEED))
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


@pytest.fixture
def world(account: tuple[World, str], monkeypatch: pytest.MonkeyPatch) -> World:
    """Point the command at the account and its time."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", account[1])
    monkeypatch.setenv("REBAKE_TIME_SCALE", str(SPEED))
    return account[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baked:
    """Images that were baked of the project's very recipe: the newest candidate, and one that is tested."""

    tested: str
    candidate: str


@pytest.fixture
def baked(account: tuple[World, str], rebake: Command, project: Project, world: World) -> Baked:
    """Make the images once, as if `rebake bake` had; their key is what the plan says."""
    project()
    step = document(rebake("bake", "web", "--force", "--dry-run", "--json").out)["plan"]["steps"][0]["step"]
    tags = {TAG_FAMILY: "web", TAG_BAKE_KEY: step["bake_key"], TAG_SOURCE_IMAGE: step["source_image"]}
    found = world.ec2.describe_images(Owners=["self"])["Images"]
    by_name = {image["Name"]: image["ImageId"] for image in found}
    candidate = by_name.get("candidate") or world.image(
        "candidate", tags=tags | {TAG_STAGE: "candidate", TAG_BAKE_KEY: "0"}
    )
    tested = by_name.get("tested") or world.image("tested", tags=tags | {TAG_STAGE: "tested"})
    assert account
    return Baked(tested=tested, candidate=candidate)


def document(text: str) -> Any:
    """Read stdout as the one JSON document that it must be."""
    return json.loads(text)


def test_a_release_from_plan_to_history(rebake: Command, project: Project, world: World, baked: Baked) -> None:
    """Plan (2), release with a report, plan (0), status, history, and back again: each as documented."""
    folder = project(group="whole")
    world.fleet("whole", world.image("before"), size=2)
    assert rebake("plan").code == 2
    answer = rebake("release", "--yes", "--json", "--report", "report.html")
    assert answer.code == 0, answer.err
    kinds = [step["outcome"]["kind"] for step in document(answer.out)["results"]]
    assert set(kinds) == {"Done"}
    assert "<polygon" in (folder / "report.html").read_text()
    assert document((folder / "report.json").read_text())["stopped"] == ""
    nothing = rebake("plan")
    assert (nothing.code, nothing.out.splitlines()[-1]) == (0, "Plan: nothing to do.")
    assert f"2 on {baked.tested}" in rebake("status", "web-prod").out
    past = rebake("history", "web").out
    assert "promoted" in past
    assert "Successful 100 % to version 2" in past
    back = rebake("rollback", "web-prod", "--yes")
    assert back.code == 0, back.err
    assert back.out.splitlines()[-1].split()[1] == "done"
    assert "DRIFT" in rebake("status", "web").out


def test_a_bake_of_nothing_new_changes_nothing(
    rebake: Command, project: Project, world: World, baked: Baked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an image of exactly this recipe, neither --yes nor Packer is needed, and the image is named."""
    monkeypatch.setenv("PATH", str(project()))
    world.cloud.calls.clear()
    answer = rebake("bake", "web")
    assert answer.code == 0
    assert f"nothing changed: {baked.tested}" in answer.out
    assert world.changed == ()


@pytest.mark.parametrize("size", [0, 1])
def test_small_groups_are_rolled(rebake: Command, project: Project, world: World, baked: Baked, size: int) -> None:
    """A group of none only changes its template, one of one is replaced; both end with 0."""
    name = f"size-{size}"
    project(group=name)
    world.fleet(name, world.base(), size=size)
    answer = rebake("roll", "web-prod", "--image", baked.tested, "--yes")
    assert answer.code == 0, answer.err
    assert world.versions(name) == ["2"] * size
    assert ("size 0" in answer.out) == (size == 0)


TESTED = "the tested image"
CHANGING = {
    "bake": ("bake", "web", "--force"),
    "smoke": ("smoke", "web"),
    "promote": ("promote", "web", "--image", TESTED),
    "roll": ("roll", "web-prod", "--image", TESTED),
    "rollback": ("rollback", "web-prod"),
    "release": ("release", "--force"),
}


@pytest.fixture
def rolled(rebake: Command, project: Project, world: World, baked: Baked) -> str:
    """Make a fleet that every verb has something to do with: rolled once, to an older image; answer the tested one."""
    project(group="dry")
    standing = world.autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=["dry"])["AutoScalingGroups"]
    if not standing:
        fleet = world.fleet("dry", world.base(), size=1)
        older = world.image("older", tags={TAG_FAMILY: "web", TAG_BAKE_KEY: "1", TAG_STAGE: "tested"})
        assert rebake("roll", "web-prod", "--image", older, "--yes").code == 0
        world.ssm.put_parameter(
            Name="/rebake/web/stable", Value=older, Type="String", DataType="aws:ec2:image", Overwrite=True
        )
        assert fleet.group == "dry"
    return baked.tested


@pytest.mark.parametrize("verb", CHANGING)
def test_a_dry_run_changes_nothing(rebake: Command, rolled: str, world: World, verb: str) -> None:
    """--dry-run of each changing verb tells the plan, makes no mutating call, needs no approval, and ends with 0."""
    world.cloud.calls.clear()
    answer = rebake(*(rolled if word == TESTED else word for word in CHANGING[verb]), "--dry-run", "--json")
    assert answer.code == 0, answer.err
    assert world.changed == ()
    assert len(world.cloud.calls) > 0
    told = document(answer.out)
    assert told["plan"]["steps"] or told["plan"]["waves"]
    assert (told["results"], told["exit_code"]) == ([], 0)


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("plan", "web"), "plan"),
        (("status",), "families"),
        (("history", "web-prod"), "families"),
        (("check",), "findings"),
        (("check", "--live"), "findings"),
        (("schema",), "$schema"),
    ],
    ids=" ".join,
)
def test_json_is_one_document(rebake: Command, rolled: str, world: World, words: tuple[str, ...], key: str) -> None:
    """--json prints exactly one document on stdout, whatever there is to tell; reading verbs change nothing."""
    assert rolled
    world.cloud.calls.clear()
    answer = rebake(*words, *(["--json"] if words != ("schema",) else []))
    assert answer.code in {0, 1, 2}, answer.err
    assert key in document(answer.out)
    assert world.changed == ()


def test_a_check_without_aws_calls_nothing(rebake: Command, project: Project, world: World) -> None:
    """`check` reads files and tools only."""
    project()
    world.cloud.calls.clear()
    answer = rebake("check")
    assert "family web" in answer.out
    assert len(world.cloud.calls) == 0


def listed(world: World, name: str, version: str, *cves: str) -> str:
    """Make an image with evidence of one package on it, kept on this machine."""
    image = nouns.image(world.image(name))
    lists = PackageLists(
        after=(Package(name="openssl", version=version),),
        fixes=(Fix(package="openssl", cves=cves),),
        system="debian-12",
    )
    bake = Bake(
        image=image,
        family=nouns.family(),
        source=nouns.SOURCE,
        key=nouns.KEY,
        run=RunId("20261123T181500-kqzt"),
        recipe="",
        files={},
        began=image.created,
        lists=lists,
    )
    digest = KeptEvidence(FileObjects(state_dir() / "evidence")).keep_bake(bake)
    world.ec2.create_tags(Resources=[image.id], Tags=[{"Key": TAG_EVIDENCE, "Value": digest}])
    return image.id


def test_the_difference_of_two_images(rebake: Command, project: Project, world: World) -> None:
    """`diff` reads kept lists and names what is mended; what it cannot know, and what was changed, it says so."""
    project()
    old = listed(world, "old", "3.0.20", "CVE-2026-1")
    new = listed(world, "new", "3.0.22", "CVE-2026-1", "CVE-2026-2")
    assert "openssl  3.0.20  ->  3.0.22  CVE-2026-2" in rebake("diff", old, new).out
    (change,) = document(rebake("diff", old, new, "--json").out)["changes"]
    assert (change["after"], change["advisories"], change["cves"]) == ("3.0.22", [], ["CVE-2026-2"])
    assert "the same packages" in rebake("diff", old, old).out
    unknown = rebake("diff", old, "ami-00000000000000003", "--json")
    assert unknown.code == 1
    assert "ami-00000000000000003" in document(unknown.out)["error"]
    (state_dir() / "evidence" / new / "packages.json").write_text("{}")
    forged = rebake("diff", old, new)
    assert forged.code == 1
    assert "not what was written" in forged.complaint()[0]


def test_init_writes_a_file_that_check_can_read(rebake: Command, project: Project) -> None:
    """`init` writes the starter and the schema beside it, and overwrites only when told to."""
    folder = project()
    kept = (folder / "rebake.yaml").read_text()
    refused = rebake("init")
    assert refused.code == 64
    assert "--force" in refused.complaint()[1]
    assert (folder / "rebake.yaml").read_text() == kept
    assert rebake("init", "--force").code == 0
    assert document((folder / "rebake.schema.json").read_text())["$schema"]
    assert rebake("init", "nowhere/rebake.yaml").code == 64
    assert (folder / "rebake.yaml").read_text() != kept


def test_the_version_is_said(rebake: Command) -> None:
    """`--version` prints the version and nothing else; no word at all prints the help."""
    assert (rebake("--version").out, rebake("--version").code) == (f"{__version__}\n", 0)
    assert "Commands:" in rebake().out
    assert rebake("sandbox").complaint() == ("Missing command.", "see: rebake sandbox --help")


def test_an_error_before_the_plan_is_one_document_too(rebake: Command, home: Path) -> None:
    """An error is the document on stdout, and the sentence on stderr."""
    answer = rebake("plan", "--json", "--config", str(home / "none.yaml"))
    assert document(answer.out)["exit_code"] == answer.code == 64
    assert document(answer.out)["faults"]
