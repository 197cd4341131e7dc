from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import NotPossible, StepFailed
from pipeline.model.ids import ImageId
from pipeline.model.packages import OperatingSystem, Package, Patch, Survey
from pipeline.packer.surveys import read_survey

IMAGE = ImageId("ami-1")
AT = datetime(2026, 11, 24, tzinfo=UTC)
APT = """#system\tdebian\t12
name\tversion\tinstalled\tarchitecture\tsecurity\trepository\tsection\tpriority\treleased\tcves\tneeds
openssl\t3.0.22-1\t3.0.20-1\tamd64\tyes\tbookworm-security/main\tutils\toptional\t2026-10-21T09:54:24Z\tCVE-2026-1 \
CVE-2026-2\tlibssl3=3.0.22-1
tzdata\t2026f\t2026b\tamd64\tno\tbookworm/main\tlocalization\trequired\t\t\t
"""
DNF = """#system\tamzn\t2023
name\tversion\tinstalled\tarchitecture\tsecurity\trepository\tseverity\tclassification\treleased\tadvisories\tcves\tneeds
app\t1:2-1\t1:1-1\tx86_64\tyes\tamazonlinux\tImportant\tSecurity\t2026-10-02T03:04:05Z\tALAS2023-2026-1\tCVE-2026-1\t
"""
WINDOWS = """\ufeff#system\twindows\t2022
name\tversion\tinstalled\tarchitecture\tsecurity\tseverity\tclassification\treleased\tadvisories\tcves\tneeds
KB5031364\t\t\t\tyes\tCritical\tSecurityUpdates\t2026-10-13T17:00:00Z\t\tCVE-2026-1\t
"""


def read(text: str, folder: Path) -> Survey:
    """Read a survey that a script wrote."""
    (folder / "survey").write_text(text, encoding="utf-8")
    return read_survey(folder / "survey", image=IMAGE, at=AT)


def test_what_apt_offers(tmp_path: Path) -> None:
    """Section, priority and suite as apt has them, the date of the changelog; no date is no date."""
    survey = read(APT, tmp_path)
    assert (survey.system, survey.at, survey.image) == (OperatingSystem.DEBIAN, AT, IMAGE)
    first, second = survey.patches
    assert first == Patch(
        name="openssl",
        version="3.0.22-1",
        installed="3.0.20-1",
        architecture="amd64",
        security=True,
        repository="bookworm-security/main",
        section="utils",
        priority="optional",
        product="Debian12",
        released=datetime(2026, 10, 21, 9, 54, 24, tzinfo=UTC),
        cves=("CVE-2026-1", "CVE-2026-2"),
        needs=(Package(name="libssl3", version="3.0.22-1"),),
    )
    assert (second.security, second.released, second.needs) == (False, None, ())


def test_what_dnf_and_windows_offer(tmp_path: Path) -> None:
    """Advisories tell class and severity; products are named in Patch Manager's words; a byte order mark is no word."""
    (app,) = read(DNF, tmp_path).patches
    assert (app.product, app.severity, app.classification) == ("AmazonLinux2023", "Important", "Security")
    assert (app.version, app.advisories) == ("1:2-1", ("ALAS2023-2026-1",))
    (update,) = read(WINDOWS, tmp_path).patches
    assert (update.name, update.version, update.product) == ("KB5031364", "", "WindowsServer2022")


def test_a_system_that_cannot_be_judged_is_named(tmp_path: Path) -> None:
    """Its patches would all be held back without a word of why."""
    with pytest.raises(NotPossible, match="ami-1 runs fedora"):
        read(APT.replace("debian", "fedora"), tmp_path)


@pytest.mark.parametrize(
    "text", ["", "name\n", APT.replace("released", "when"), APT.replace("2026-10-21T", "soon"), APT + "half\ta row\n"]
)
def test_a_damaged_survey_is_not_taken_for_an_empty_one(text: str, tmp_path: Path) -> None:
    """Nothing on offer and nothing readable are different things."""
    with pytest.raises(StepFailed, match="cannot be read"):
        read(text, tmp_path)


def test_no_survey_at_all(tmp_path: Path) -> None:
    """A template that left none has failed."""
    with pytest.raises(StepFailed, match="cannot be read"):
        read_survey(tmp_path / "none", image=IMAGE, at=AT)
