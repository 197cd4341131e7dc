import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import NotPossible, StepFailed
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.outcomes import SmokeReport
from pipeline.model.packages import OperatingSystem, Package, Patch, Survey
from pipeline.ports.progress import Evidence
from pipeline.records import FileEvidence, state_dir

IMAGE = ImageId("ami-0123456789abcdef0")
BEFORE = (Package(name="openssl", version="3.0.20-1~deb12u2"),)
AFTER = (Package(name="nginx", version="1.22"), Package(name="openssl", version="3.0.22-1~deb12u2"))
REPORT = SmokeReport(
    image=IMAGE, instance=InstanceId("i-1"), instance_type="t3.small", tests=(), junit="<testsuites>é</testsuites>"
)


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let the kernel refuse to write files beyond a size, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_package_lists_come_back_as_kept(tmp_path: Path) -> None:
    """Lists are read as they were written, by another instance of the class too."""
    evidence: Evidence = FileEvidence(tmp_path / "records")
    assert evidence.packages(IMAGE) is None
    evidence.keep_packages(IMAGE, before=BEFORE, after=AFTER)
    assert FileEvidence(tmp_path / "records").packages(IMAGE) == (BEFORE, AFTER)


def test_junit_is_kept_where_the_answer_says(tmp_path: Path) -> None:
    """The answer is the path of the JUnit file, one for each instance."""
    kept = Path(FileEvidence(tmp_path / "records").keep_smoke(REPORT))
    assert kept == tmp_path / "records" / IMAGE / "smoke-i-1.xml"
    assert kept.read_text(encoding="utf-8") == REPORT.junit


def test_records_are_for_the_owner_only(tmp_path: Path) -> None:
    """Package lists tell an attacker what to attack: nobody else may read them."""
    kept = Path(FileEvidence(tmp_path / "records").keep_smoke(REPORT))
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_a_full_disk_leaves_what_stood_before(tmp_path: Path) -> None:
    """When the disk is full, the old file stands, nothing half-written remains, and the hint says what to do."""
    evidence = FileEvidence(tmp_path)
    evidence.keep_packages(IMAGE, before=BEFORE, after=AFTER)
    many = tuple(Package(name=f"package-{number}", version="1") for number in range(1000))
    with files_no_larger_than(1024), pytest.raises(StepFailed, match="could not be written") as caught:
        evidence.keep_packages(IMAGE, before=many, after=many)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.EFBIG
    assert "free some space" in caught.value.hint
    assert evidence.packages(IMAGE) == (BEFORE, AFTER)
    assert [path.name for path in (tmp_path / IMAGE).iterdir()] == ["packages.json"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A file in the folder's place is an error with a hint."""
    (tmp_path / "records").touch()
    with pytest.raises(StepFailed, match="could not be written") as caught:
        FileEvidence(tmp_path / "records").keep_smoke(REPORT)
    assert "XDG_STATE_HOME" in caught.value.hint


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"before": [["a"]], "after": []}', '{"before": 1, "after": []}'])
def test_a_foreign_file_is_told(tmp_path: Path, text: str) -> None:
    """A file that this project did not write is named, not misread."""
    (tmp_path / IMAGE).mkdir()
    (tmp_path / IMAGE / "packages.json").write_text(text, encoding="utf-8")
    with pytest.raises(NotPossible, match=r"packages\.json"):
        FileEvidence(tmp_path).packages(IMAGE)


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


AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
OPENSSL = Patch(
    name="openssl",
    version="3.0.22",
    installed="3.0.20",
    security=True,
    released=AT,
    cves=("CVE-2026-1",),
    needs=(Package(name="libssl3", version="3.0.22"),),
)
SURVEY = Survey(
    image=IMAGE, at=AT, system=OperatingSystem.DEBIAN, patches=(OPENSSL, Patch(name="tzdata", version="2026f"))
)


def test_a_survey_comes_back_as_kept(tmp_path: Path) -> None:
    """The newest one of an image is kept, whole; of an image that was never surveyed there is none."""
    evidence: Evidence = FileEvidence(tmp_path)
    assert evidence.survey(IMAGE) is None
    evidence.keep_survey(Survey(image=IMAGE, at=AT, system=OperatingSystem.UBUNTU))
    evidence.keep_survey(SURVEY)
    assert FileEvidence(tmp_path).survey(IMAGE) == SURVEY


@pytest.mark.parametrize("text", ["", "{}", '{"format": 0}', '{"format": 1, "image": "ami-1", "at": "soon"}'])
def test_a_survey_that_cannot_be_read_is_taken_anew(text: str, tmp_path: Path) -> None:
    """It can be had again at any time, so that a damaged one is no reason to stop."""
    evidence = FileEvidence(tmp_path)
    evidence.keep_survey(SURVEY)
    (tmp_path / IMAGE / "survey.json").write_text(text)
    assert evidence.survey(IMAGE) is None
