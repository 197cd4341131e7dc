from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path, PurePath

import pytest

from pipeline.errors import ConfigError, StepFailed
from pipeline.model.packages import Fix, Package, PackageLists
from pipeline.packer.archive import pack
from pipeline.packer.artifacts import built_image, package_lists
from pipeline.packer.diagnosis import Diagnosis
from pipeline.packer.events import PackerEvent, parse
from pipeline.packer.workspace import fitted, workspace

# --- events ---------------------------------------------------------------------------------------------------------


def test_parse_unescapes() -> None:
    """Commas and newlines inside data come back."""
    event = parse("1795458033,null.a,error,one%!(PACKER_COMMA) two\\nthree\n")
    assert event == PackerEvent(target="null.a", type="error", data=("one, two\nthree",))
    assert parse("1795458033,,ui,say,\\n==> x").text == "==> x"


@pytest.mark.parametrize("line", ["panic: oh", "", "a,b,c,d", "2026/11/23 [INFO] x, y, z"])
def test_a_line_of_another_kind_is_a_message(line: str) -> None:
    """What a plugin or Go prints unasked is shown, not lost."""
    assert parse(line).text == line


# --- diagnosis ------------------------------------------------------------------------------------------------------


def diagnose(*lines: str) -> Diagnosis:
    """Listen to lines of machine-readable output."""
    diagnosis = Diagnosis()
    for line in lines:
        diagnosis.listen(parse(line))
    return diagnosis


FAILED = (
    "1,,ui,say,==> amazon-ebs.image: Provisioning with shell script: scripts/patch-apt.sh",
    "1,,ui,message,    amazon-ebs.image: Reading package lists...",
    "1,,ui,error,==> amazon-ebs.image: E: Unable to locate package nope",
    "1,,ui,say,==> amazon-ebs.image: Provisioning step had errors: Running the cleanup provisioner...",
    "1,,ui,say,==> amazon-ebs.image: Terminating the source AWS instance...",
    "1,,ui,error,Build 'amazon-ebs.image' errored after 2 minutes: Script exited with non-zero exit status: 100",
    "1,amazon-ebs.image,error,Script exited with non-zero exit status: 100.Allowed exit codes are: [0]",
)  # fmt: skip


def test_a_script_that_failed() -> None:
    """The script, its exit status and its last lines make the sentence; the aftermath does not."""
    assert diagnose(*FAILED).cause() == (
        "the script scripts/patch-apt.sh ended with exit status 100; its last lines: "
        "Reading package lists... | E: Unable to locate package nope"
    )


def test_an_aws_error() -> None:
    """An error of AWS is told with what Packer was doing."""
    cause = diagnose(
        "1,,ui,say,==> amazon-ebs.image: Launching a source AWS instance...",
        "1,,ui,error,==> amazon-ebs.image: Error launching source instance: UnauthorizedOperation: no",
        "1,amazon-ebs.image,error,Error launching source instance: UnauthorizedOperation: no\\n\tstatus code: 403",
    ).cause()
    assert cause == (
        "Packer failed while launching a source AWS instance: "
        "Error launching source instance: UnauthorizedOperation: no status code: 403"
    )


def test_a_script_that_was_cut_off() -> None:
    """A script that ends without an exit status is told with Packer's words."""
    cause = diagnose(FAILED[0], "1,x,error,Script disconnected unexpectedly").cause()
    assert cause == "the script scripts/patch-apt.sh failed (Script disconnected unexpectedly)"


def test_nothing_said() -> None:
    """Even silence has a sentence."""
    assert diagnose("", "1,,error,").cause() == "Packer failed: Packer ended without a word"


def test_a_crash_shows_no_stack() -> None:
    """Go's stack trace stays in the log, and no sentence is endless."""
    cause = diagnose(FAILED[0], "panic: nil map", "goroutine 1 [running]:", "1,x,error," + "x" * 2000).cause()
    assert "goroutine" not in cause
    assert "panic: nil map" in diagnose(FAILED[0], "panic: nil map", "goroutine 1 [running]:").cause()
    assert len(cause) <= 600


def test_whereabouts() -> None:
    """What a build was at is a clause of its own; inline scripts have no name worth telling."""
    assert diagnose().whereabouts() == ""
    at = diagnose("1,,ui,say,==> null.a: Running local shell script: /tmp/packer-shell123").whereabouts()
    assert at == " while running an inline script"


# --- artifacts ------------------------------------------------------------------------------------------------------


def artifact(*ids: str) -> list[PackerEvent]:
    """Answer artifact lines as Packer writes them: the manifest post-processor makes it say everything twice."""
    return [parse(f"1,amazon-ebs.image,artifact,{number},id,{text}") for number, text in enumerate(ids * 2)]


def test_the_image_of_the_region(tmp_path: Path) -> None:
    """Copies in other regions are not mistaken for the image."""
    events = [*artifact("eu-west-1:ami-1a%!(PACKER_COMMA)us-east-1:ami-2b"), parse("1,x,artifact,0,end")]
    assert built_image(events, manifest=tmp_path / "none", region="eu-west-1") == "ami-1a"


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        ((), "no image"),
        (("Null",), "no image"),
        (("us-east-1:ami-2b",), "ami-2b in us-east-1"),
        (("eu-west-1:ami-1a", "eu-west-1:ami-2b"), "ami-1a in eu-west-1, ami-2b in eu-west-1"),
    ],
)
def test_no_image_or_too_many(tmp_path: Path, ids: tuple[str, ...], told: str) -> None:
    """An exit status of 0 proves nothing: exactly one image must have been named."""
    with pytest.raises(StepFailed, match=told):
        built_image(artifact(*ids), manifest=tmp_path / "none", region="eu-west-1")


def test_the_manifest_must_agree(tmp_path: Path) -> None:
    """Where the template writes a manifest, it is a second witness."""
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"builds": [{"artifact_id": "eu-west-1:ami-1a"}]}))
    assert built_image(artifact("eu-west-1:ami-1a"), manifest=manifest, region="eu-west-1") == "ami-1a"
    with pytest.raises(StepFailed, match="manifest names ami-1a in eu-west-1, its artifact lines ami-2b"):
        built_image(artifact("eu-west-1:ami-2b"), manifest=manifest, region="eu-west-1")


def test_package_lists(tmp_path: Path) -> None:
    """Lists come sorted, with the system and what changes mend; what is not a row is left out; no list means none."""
    before, after = tmp_path / "packages-before", tmp_path / "packages-after"
    before.write_text("#system\tdebian\t12\nxz\t5.4\n\nbroken\nbash\t(none):5.2-1\n")
    fixes = "#fixes\txz\tDSA-1\tCVE-2 CVE-1\n#fixes\txz\t\tCVE-2\n#fixes\tbroken\n"
    after.write_text(f"#system\tdebian\t12\nxz\t5.6\n{fixes}")
    assert package_lists(before, after) == PackageLists(
        before=(Package(name="bash", version="5.2-1"), Package(name="xz", version="5.4")),
        after=(Package(name="xz", version="5.6"),),
        fixes=(Fix(package="xz", advisories=("DSA-1",), cves=("CVE-1", "CVE-2")),),
        system="debian-12",
    )
    assert package_lists(tmp_path / "none", tmp_path / "none") == PackageLists()


# --- archives -------------------------------------------------------------------------------------------------------


def members(packed: bytes) -> dict[str, tuple[int, str]]:
    """List an archive: name to mode and link target."""
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        return {entry.name: (entry.mode, entry.linkname) for entry in archive}


def test_pack_a_folder(tmp_path: Path) -> None:
    """A folder's content goes under the destination: two modes, links kept, caches and hidden folders left out."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "run").touch(mode=0o777)
    (tmp_path / "conf").touch(mode=0o600)
    (tmp_path / "link").symlink_to("conf")
    for hidden in (".git", "__pycache__"):
        (tmp_path / hidden).mkdir()
        (tmp_path / hidden / "x").touch()
    (tmp_path / ".env").touch()
    assert members(pack(tmp_path, "/opt/app")) == {
        "opt/app/.env": (0o644, ""),
        "opt/app/bin/run": (0o755, ""),
        "opt/app/conf": (0o644, ""),
        "opt/app/link": (0o644, "conf"),
    }


@pytest.mark.parametrize(
    ("destination", "name"),
    [("/opt/x", "opt/x"), ("/opt/", "opt/app.conf"), ("C:\\app\\", "app/app.conf"), ("c:/app/x", "app/x")],
)
def test_pack_a_file(tmp_path: Path, destination: str, name: str) -> None:
    """A file goes to exactly its destination, or into it when that ends with a slash; drives are C:."""
    (tmp_path / "app.conf").touch()
    assert list(members(pack(tmp_path / "app.conf", destination))) == [name]


# --- workspaces -----------------------------------------------------------------------------------------------------

OLD, NEW = (1, 6, 6), (1, 16, 0)
TEMPLATE = b"""packer {
  required_plugins {
    amazon = {
      source = "github.com/hashicorp/amazon"
    }
  }
}
variable "rebake_run" {}
variable "ports" {
  type = list(number)
}
source "amazon-ebs" "x" {
  #@1.7 metadata_options {
  #@1.7 }
}
build {
  provisioner "ansible" {
  }
}
"""


def test_fitted_to_an_old_packer() -> None:
    """Before 1.7 required_plugins is cut out and newer lines stay comments."""
    text = fitted({PurePath("t.pkr.hcl"): TEMPLATE}, OLD)[PurePath("t.pkr.hcl")].decode()
    assert "required_plugins" not in text
    assert "  #@1.7 metadata_options {" in text


def test_fitted_to_a_new_packer() -> None:
    """From 1.7 on newer lines count, and only plugins that are used and not required yet are added."""
    files = fitted({PurePath("t.pkr.hcl"): TEMPLATE, PurePath("sub/t.pkr.hcl"): b"source {"}, NEW)
    assert "\n  metadata_options {" in files[PurePath("t.pkr.hcl")].decode()
    added = files[PurePath("zz-plugins.pkr.hcl")].decode()
    assert "hashicorp/ansible" in added
    assert "hashicorp/amazon" not in added
    assert PurePath("zz-plugins.pkr.hcl") not in fitted({PurePath("n.pkr.hcl"): b'source "null" "x" {}'}, NEW)


def test_workspace_is_private_and_passes() -> None:
    """Only declared variables are passed, typed; only we can read them; nothing stays."""
    files = {PurePath("t.pkr.hcl"): TEMPLATE, PurePath("s/x.sh"): b"#!/bin/sh\n"}
    values = {"rebake_run": "r-1", "ports": "[80, 443]", "other": "x"}
    with workspace(files, values, version=OLD) as place:
        assert place.variables.read_text() == 'rebake_run = "r-1"\nports = [80, 443]\n'
        modes = {path: path.stat().st_mode & 0o777 for path in (place.folder, place.variables, place.folder / "s/x.sh")}
        assert list(modes.values()) == [0o700, 0o600, 0o700]
        folder = place.folder
    assert not folder.exists()


def test_a_collection_must_be_json() -> None:
    """Text for a list variable is told as what it is, not as Packer's type error."""
    with (
        pytest.raises(ConfigError, match=r"ports as list\(number\), and its value is not JSON"),
        workspace({PurePath("t.pkr.hcl"): TEMPLATE}, {"ports": "80,443"}, version=OLD),
    ):
        pass
