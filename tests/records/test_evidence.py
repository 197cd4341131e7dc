"""Evidence of images: what is kept, and that nothing else is believed."""

from __future__ import annotations

import errno
import json
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

import nouns
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipeline.errors import NotPossible, StepFailed
from pipeline.model.evidence import Bake, Proof, Signature
from pipeline.model.ids import BakeKey, ImageId, InstanceId, RunId
from pipeline.model.images import Image
from pipeline.model.masking import Masker
from pipeline.model.names import TAG_BAKE_KEY, TAG_EVIDENCE
from pipeline.model.outcomes import SmokeReport
from pipeline.model.packages import Fix, OperatingSystem, Package, PackageLists, Patch, Survey
from pipeline.model.settings import Secret
from pipeline.ports.evidence import Evidence
from pipeline.records import KeptEvidence, state_dir
from pipeline.records.evidence import FileObjects

IMAGE, SOURCE, KEY = ImageId("ami-0123456789abcdef0"), ImageId("ami-0000000000000000f"), BakeKey("b" * 64)
AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
LISTS = PackageLists(
    before=(Package(name="openssl", version="3.0.20-1~deb12u2"),),
    after=(Package(name="nginx", version="1:1.22"), Package(name="openssl", version="3.0.22-1~deb12u2")),
    fixes=(Fix(package="openssl", cves=("CVE-2026-1", "CVE-2026-2")),),
    system="debian-12",
)
REPORT = SmokeReport(
    image=IMAGE, instance=InstanceId("i-1"), instance_type="t3.small", tests=(), junit="<testsuites>é</testsuites>"
)
BARE = nouns.image(IMAGE, created=AT, tags={TAG_BAKE_KEY: KEY})
BAKE = Bake(
    image=BARE,
    family=replace(
        nouns.family(), variables={"app": "2.4", "key": Secret(service="ssm", name="/web/key"), "pw": "hunter2"}
    ),
    source=SOURCE,
    key=KEY,
    run=RunId("20261124T024500-abcd"),
    recipe="built-in template debian-12",
    files={PurePath("image.pkr.hcl"): b"template", PurePath("scripts/patch-apt.sh"): b"script"},
    began=datetime(2026, 11, 24, 2, 45, tzinfo=UTC),
    lists=LISTS,
    tools={"packer": "1.11.2", "packer-plugin-amazon": "1.3.3"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pen:
    """A signer whose signatures are its name and what it signed; a forger's true name is another."""

    name: str
    truly: str = ""

    def sign(self, message: bytes) -> Signature:
        """Sign."""
        return Signature(key=self.name, value=(self.truly or self.name).encode() + message)

    def verify(self, message: bytes, signature: Signature) -> bool | None:
        """Compare."""
        return None if signature.key != self.name else signature.value == self.name.encode() + message


@dataclass(slots=True, kw_only=True)
class Shelf:
    """A place that several machines share."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, name: str, content: bytes) -> None:
        """Keep a file."""
        self.files[name] = content

    def get(self, name: str) -> bytes | None:
        """Find it, and note that it was asked for."""
        self.asked.append(name)
        return self.files.get(name)


def machine(folder: Path, shelf: Shelf | None = None, **more: Any) -> KeptEvidence:
    """Make the evidence of a machine."""
    return KeptEvidence(FileObjects(folder), shelf, **more)


def tagged(digest: str, image: Image = BARE) -> Image:
    """Write the digest on the image, as the step does."""
    return replace(image, tags={**image.tags, TAG_EVIDENCE: digest})


def predicate(evidence: Evidence, image: Image) -> Mapping[str, Any]:
    """Read the predicate of an image's provenance."""
    found: Mapping[str, Any] = evidence.provenance(image).statement["predicate"]
    return found


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let the kernel refuse to write files beyond a size, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_is_kept_of_a_bake(tmp_path: Path) -> None:
    """Lists come back as they were; the note names old and new versions and CVEs; all of it is for the owner only."""
    image = tagged(machine(tmp_path).keep_bake(BAKE))
    assert machine(tmp_path).packages(image) == LISTS
    note = (tmp_path / IMAGE / "changes.md").read_text()
    assert "| openssl | 3.0.20-1~deb12u2 | 3.0.22-1~deb12u2 |  | CVE-2026-1, CVE-2026-2 |" in note
    assert "| nginx |  | 1:1.22 |  |  |" in note
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / IMAGE).iterdir()} == {0o600}
    assert (tmp_path / IMAGE).stat().st_mode & 0o777 == 0o700


def test_the_sbom_is_valid_and_each_package_has_its_url(tmp_path: Path) -> None:
    """By the library's own validator; the same bake is the same bytes."""
    machine(tmp_path).keep_bake(BAKE)
    text = (tmp_path / IMAGE / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert sorted(one["purl"] for one in json.loads(text)["components"]) == [
        "pkg:deb/debian/nginx@1:1.22?distro=debian-12",
        "pkg:deb/debian/openssl@3.0.22-1~deb12u2?distro=debian-12",
    ]
    machine(tmp_path / "again").keep_bake(BAKE)
    assert (tmp_path / "again" / IMAGE / "sbom.cdx.json").read_text() == text


@pytest.mark.parametrize(
    ("system", "url"),
    [
        ("amzn-2023", "pkg:rpm/amzn/bind@9.18?distro=amzn-2023&epoch=32"),
        ("rhel-9.4", "pkg:rpm/redhat/bind@9.18?distro=rhel-9.4&epoch=32"),
        ("", "pkg:generic/bind@32:9.18"),
    ],
)
def test_urls_of_other_systems(tmp_path: Path, system: str, url: str) -> None:
    """An RPM's epoch is a qualifier; where nobody says what the system is, nothing is made up."""
    lists = PackageLists(after=(Package(name="bind", version="32:9.18"),), system=system)
    machine(tmp_path).keep_bake(replace(BAKE, lists=lists))
    (component,) = json.loads((tmp_path / IMAGE / "sbom.cdx.json").read_text())["components"]
    assert component["purl"] == url


def test_the_provenance_says_how_the_image_came_to_be(tmp_path: Path) -> None:
    """Who, when, of what, with what: without the values of secrets, and masked."""
    evidence = machine(tmp_path, masker=Masker(["hunter2"]))
    found = predicate(evidence, tagged(evidence.keep_bake(BAKE)))
    asked = found["buildDefinition"]["externalParameters"]
    assert asked["variables"] == {"app": "2.4", "key": {"ssm": "/web/key"}, "pw": "***"}
    source, *files = found["buildDefinition"]["resolvedDependencies"]
    assert source["uri"].endswith(f"image/{SOURCE}")
    assert [one["name"] for one in files] == ["image.pkr.hcl", "scripts/patch-apt.sh"]
    details = found["runDetails"]
    assert details["builder"]["version"]["packer-plugin-amazon"] == "1.3.3"
    assert details["metadata"] == {
        "invocationId": BAKE.run,
        "startedOn": "2026-11-24T02:45:00Z",
        "finishedOn": "2026-11-24T03:00:00Z",
    }
    assert [one["name"] for one in details["byproducts"]] == ["changes.md", "packages.json", "sbom.cdx.json"]


def test_who_signed_is_known(tmp_path: Path) -> None:
    """Verified by the key that is configured only; unsigned, and by another key, is told apart from false."""
    evidence = machine(tmp_path, signer=Pen(name="ours"))
    image = tagged(evidence.keep_bake(BAKE))
    assert (evidence.provenance(image).proof, evidence.provenance(image).key) == (Proof.VERIFIED, "ours")
    assert machine(tmp_path).provenance(image).proof is Proof.UNSIGNED
    assert machine(tmp_path, signer=Pen(name="other")).provenance(image).proof is Proof.UNSIGNED
    plain = tagged(machine(tmp_path / "plain").keep_bake(BAKE))
    assert machine(tmp_path / "plain", signer=Pen(name="ours")).provenance(plain).proof is Proof.UNSIGNED
    envelope = (tmp_path / IMAGE / "provenance.json").read_text()
    assert json.loads(envelope)["payloadType"] == "application/vnd.in-toto+json"


def planted(folder: Path, manifest: bytes) -> str:
    """Put a manifest of one's own; whoever may write tags then writes this one."""
    digest = sha256(manifest).hexdigest()
    (folder / IMAGE / f"manifest-{digest}.json").write_bytes(manifest)
    return digest


def test_a_forger_who_may_write_the_tag_has_no_key(tmp_path: Path) -> None:
    """Other lists under a true signature, a signature that is none, and what is no manifest are found out."""
    ours = machine(tmp_path, signer=Pen(name="ours"))
    digest = ours.keep_bake(BAKE)
    manifest = (tmp_path / IMAGE / f"manifest-{digest}.json").read_bytes()
    lists = tmp_path / IMAGE / "packages.json"
    lists.write_bytes(forged := lists.read_bytes().replace(b"3.0.20", b"3.0.10"))
    listed = json.loads(manifest)
    listed["files"]["packages.json"] = sha256(forged).hexdigest()
    assert ours.provenance(tagged(planted(tmp_path, json.dumps(listed).encode()))).proof is Proof.TAMPERED
    unsigned = tagged(machine(tmp_path, signer=Pen(name="ours", truly="mine")).keep_bake(BAKE))
    assert ours.provenance(unsigned).proof is Proof.TAMPERED
    for nothing in (b"[]", b"{", b"{}"):
        assert ours.provenance(tagged(planted(tmp_path, nothing))).proof is Proof.TAMPERED


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("name", ["packages.json", "sbom.cdx.json", "changes.md", "provenance.json", "manifest-"])
def test_what_was_changed_is_not_believed(tmp_path: Path, name: str, signed: bool) -> None:
    """A file or the manifest that is not what the tag vouches for is told; neither it nor words about it are read."""
    evidence = machine(tmp_path, signer=Pen(name="ours") if signed else None)
    image = tagged(evidence.keep_bake(BAKE))
    (path,) = (tmp_path / IMAGE).glob(f"{name}*")
    path.write_bytes(path.read_bytes().replace(b"3.0.20", b"3.0.99") + b" ")
    if name in {"packages.json", "manifest-"}:
        with pytest.raises(NotPossible, match="is not what was written"):
            evidence.packages(image)
    found = evidence.provenance(image)
    assert (found.proof, found.statement) == (Proof.TAMPERED, {})
    assert f"{path.name} of {IMAGE} is not what was written" in found.why
    path.unlink()
    assert name not in {"packages.json", "manifest-"} or evidence.packages(image) is None
    found = evidence.provenance(image)
    assert (found.proof, found.statement) == (Proof.MISSING, {})


def test_what_was_changed_is_worse_than_what_is_missing(tmp_path: Path) -> None:
    """Of two files that are not whole the one that somebody has changed is told."""
    evidence = machine(tmp_path)
    image = tagged(evidence.keep_bake(BAKE))
    (tmp_path / IMAGE / "changes.md").unlink()
    (tmp_path / IMAGE / "sbom.cdx.json").write_text("{}")
    assert evidence.provenance(image).proof is Proof.TAMPERED


def test_each_file_is_fetched_once(tmp_path: Path) -> None:
    """A chain of manifests and the files of the bake: an answer costs one request each."""
    shelf = Shelf()
    baker = machine(tmp_path / "a", shelf)
    image = tagged(baker.add_smoke(tagged(baker.keep_bake(BAKE)), [REPORT]))
    shelf.asked.clear()
    assert machine(tmp_path / "b", shelf).provenance(image).proof is Proof.UNSIGNED
    assert len(shelf.asked) == len(set(shelf.asked)) == 6


def test_evidence_of_another_image_is_none(tmp_path: Path) -> None:
    """An image that was copied with its tags, one without a tag, and one whose bake key was changed."""
    evidence = machine(tmp_path)
    digest = evidence.keep_bake(BAKE)
    assert evidence.provenance(BARE).proof is Proof.MISSING
    other = ImageId("ami-00000000000000001")
    copied = tagged(digest, replace(BARE, id=other))
    (tmp_path / IMAGE).rename(tmp_path / other)
    assert (evidence.provenance(copied).proof, evidence.packages(copied)) == (Proof.MISSING, None)
    (tmp_path / other).rename(tmp_path / IMAGE)
    rekeyed = tagged(digest, replace(BARE, tags={TAG_BAKE_KEY: "c" * 64}))
    assert evidence.provenance(rekeyed).proof is Proof.TAMPERED


def test_another_machine_reads_what_is_shared(tmp_path: Path) -> None:
    """From the shared place; a copy of its own that was damaged does no harm while the shared one is whole."""
    shelf = Shelf()
    image = tagged(machine(tmp_path / "a", shelf).keep_bake(BAKE))
    there = machine(tmp_path / "b", shelf)
    assert there.packages(image) == LISTS
    assert machine(tmp_path / "c").packages(image) is None
    (tmp_path / "a" / IMAGE / "packages.json").write_text("{}")
    assert machine(tmp_path / "a", shelf).packages(image) == LISTS


def test_a_smoke_test_adds_a_link_wherever_it_runs(tmp_path: Path) -> None:
    """On a machine that has nothing of the bake, too; neither heals what was changed, nor loses what was there."""
    baker, tester = machine(tmp_path / "a"), machine(tmp_path / "b", masker=Masker(["é"]))
    image = tagged(baker.keep_bake(BAKE))
    kept = Path(tester.keep_smoke(REPORT))
    assert kept == tmp_path / "b" / IMAGE / "smoke-i-1.xml"
    assert kept.read_text() == "<testsuites>***</testsuites>"
    tested = tagged(tester.add_smoke(image, [REPORT]))
    assert tested != image
    assert tester.packages(tested) is None
    for path in (tmp_path / "a" / IMAGE).iterdir():
        (tmp_path / "b" / IMAGE / path.name).write_bytes(path.read_bytes())
    assert tester.packages(tested) == LISTS
    assert tester.provenance(tested).proof is Proof.UNSIGNED
    assert tagged(tester.add_smoke(image, [REPORT])) == tested
    (tmp_path / "b" / IMAGE / "packages.json").write_text("{}")
    with pytest.raises(NotPossible):
        tester.packages(tagged(tester.add_smoke(tested, [REPORT])))


def test_a_bake_that_was_cut_short_is_finished_with_its_own_lists(tmp_path: Path) -> None:
    """Before the tag stood: on the same machine the lists are still there, on another one there are none to be had."""
    shelf = Shelf()
    machine(tmp_path / "a", shelf).keep_bake(BAKE)
    adopted = replace(BAKE, lists=PackageLists(), adopted=RunId("20261124T040000-abcd"))
    again = machine(tmp_path / "a", shelf)
    assert again.packages(tagged(again.keep_bake(adopted))) == LISTS
    other = machine(tmp_path / "b", shelf)
    image = tagged(other.keep_bake(adopted))
    assert other.packages(image) is None
    assert predicate(other, image)["buildDefinition"]["internalParameters"]["adoptedBy"] == adopted.adopted


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """When the disk is full, the old file stands, nothing half-written remains, and the hint says what to do."""
    place = FileObjects(tmp_path)
    place.put("a/b", b"old")
    with files_no_larger_than(1024), pytest.raises(StepFailed, match="could not be written") as caught:
        place.put("a/b", b"new" * 1000)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert "free some space" in caught.value.hint
    assert place.get("a/b") == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    with pytest.raises(NotPossible, match="cannot be read"):
        place.get("a")


@pytest.mark.parametrize("value", ["", "relative/path"])
def test_state_lives_at_home_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str) -> None:
    """Without an absolute XDG_STATE_HOME the XDG default holds."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", value)
    assert state_dir() == tmp_path / ".local" / "state" / "rebake"


def test_state_lives_where_xdg_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_STATE_HOME is honoured."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir() == tmp_path / "rebake"


OPENSSL = Patch(
    name="openssl",
    version="3.0.22-1~deb12u2",
    installed="3.0.20-1~deb12u2",
    security=True,
    released=AT,
    advisories=("DSA-1",),
    cves=("CVE-2026-3",),
    needs=(Package(name="libssl3", version="3.0.22"),),
)
SURVEY = Survey(
    image=SOURCE, at=AT, system=OperatingSystem.DEBIAN, patches=(OPENSSL, Patch(name="tzdata", version="2026f"))
)


def test_a_survey_comes_back_as_kept(tmp_path: Path) -> None:
    """The newest one of an image is kept, whole; of an image that was never surveyed there is none."""
    evidence: Evidence = machine(tmp_path)
    assert evidence.survey(SOURCE) is None
    evidence.keep_survey(Survey(image=SOURCE, at=AT, system=OperatingSystem.UBUNTU))
    evidence.keep_survey(SURVEY)
    assert machine(tmp_path).survey(SOURCE) == SURVEY


def test_what_the_survey_knows_of_a_change_is_told_with_it(tmp_path: Path) -> None:
    """Advisories and CVE ids that the source image's survey names, beside those of the build."""
    evidence = machine(tmp_path)
    evidence.keep_survey(SURVEY)
    found = evidence.packages(tagged(evidence.keep_bake(BAKE)))
    assert found is not None
    cves = ("CVE-2026-1", "CVE-2026-2", "CVE-2026-3")
    assert found.fixes == (Fix(package="openssl", advisories=("DSA-1",), cves=cves),)


@pytest.mark.parametrize("text", ["", "{}", '{"format": 0}', '{"format": 1, "image": "ami-1", "at": "soon"}'])
def test_a_survey_that_cannot_be_read_is_taken_anew(text: str, tmp_path: Path) -> None:
    """It can be had again at any time, so that a damaged one is no reason to stop."""
    evidence = machine(tmp_path)
    evidence.keep_survey(SURVEY)
    (tmp_path / SOURCE / "survey.json").write_text(text)
    assert evidence.survey(SOURCE) is None
