"""The clock of a fix in an account: it runs, it is late, it ends with the fleet's refresh."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import rooms
from rooms import SceneMaker
from runs.test_due import CVE, DAY, infect, newest, release, watched

from pipeline.cli.sla import exit_code, span, text
from pipeline.errors import ExitCode, UsageError
from pipeline.model.findings import SLA, Severity
from pipeline.model.packages import OperatingSystem, Patch, Survey
from pipeline.planning.sla import Since, Stands, Until
from pipeline.runs.sla import sla


def test_from_a_fix_to_every_fleet(make: SceneMaker) -> None:
    """Open and counted, then late, then closed by the refresh; the headline says how long that took."""
    scene = watched(make)
    release(scene)
    assert sla(scene.again()).clocks == ()
    scene.world.cloud.clock.advance(2 * DAY)
    before = newest(scene)
    infect(scene, before)
    (clock,) = sla(scene.again()).clocks
    assert (clock.severity, clock.basis, clock.elapsed) == (Severity.CRITICAL, Since.REPORTED, timedelta())
    scene.world.cloud.clock.advance(8 * DAY)
    report = sla(scene.again())
    assert ([one.cve for one in report.late], exit_code(report)) == ([CVE], ExitCode.CHANGES)
    head, counts, _, title, line = text(report).splitlines()
    assert head == f"From a fix to every fleet: 8d at the longest ({CVE}, and it still runs)."
    assert counts == "1 with a time to keep; 1 open, 1 late; 0 in use without a fix."
    assert (title, "LATE by 1d" in line, line.split()[-1]) == ("Open:", True, "web-prod")
    release(scene)
    report = sla(scene.again(), ["web"])
    (clock,) = report.clocks
    assert [(part.stands, part.until) for part in clock.fleets] == [(Stands.REPLACED, Until.REFRESH)]
    assert clock.elapsed is not None
    assert 8 * DAY < clock.elapsed < 9 * DAY
    assert (clock.late, report.late, exit_code(report)) == (True, (), ExitCode.DONE)
    assert text(report).splitlines()[-1].endswith("8d, LATE")
    infect(scene, newest(scene), "low")
    worse = sla(scene.again())
    assert [(one.severity, one.open, one.due is not None) for one in worse.clocks] == [(Severity.CRITICAL, True, True)]


def test_nobody_has_looked(make: SceneMaker) -> None:
    """Unknown has a code of its own, and is named; so is a fleet that cannot be read."""
    scene = watched(make)
    release(scene)
    scene.world.client("inspector2").disable(resourceTypes=["EC2"])
    settings = scene.room.settings
    more = replace(settings, fleets={**settings.fleets, "web-gone": rooms.fleet("web-gone")})
    report = sla(replace(scene.again(), settings=more))
    assert ([*report.unknown], exit_code(report)) == (["web-gone", newest(scene)], ExitCode.PARTIAL)
    assert text(report).startswith("From a fix to every fleet: nothing with a time to keep is known.")
    with pytest.raises(UsageError):
        sla(scene.again(), ["wob"])


def test_a_survey_tells_when_a_fix_was_published(make: SceneMaker) -> None:
    """The date of the first update that names the vulnerability goes before anything that Inspector says."""
    scene = watched(make)
    release(scene)
    infect(scene, newest(scene), "low")
    room = scene.again()
    source, now = room.source("web").id, room.tools.clock.now()
    patches = tuple(Patch(name="openssl", version=str(days), released=now - days * DAY, cves=(CVE,)) for days in (3, 5))
    room.tools.evidence.keep_survey(Survey(image=source, at=now, system=OperatingSystem.DEBIAN, patches=patches))
    (clock,) = sla(room).clocks
    assert (clock.basis, clock.since, clock.due, clock.late) == (Since.PUBLISHED, now - 5 * DAY, None, False)
    assert "no time to keep" in text(sla(room))
    assert Severity.LOW not in SLA


@pytest.mark.parametrize(
    ("duration", "words"),
    [(timedelta(minutes=59), "59m"), (timedelta(hours=23), "23h"), (7 * DAY, "7d"), (timedelta(hours=25), "1d 1h")],
)
def test_durations_in_words(duration: timedelta, words: str) -> None:
    """Days and hours; nothing smaller matters unless it is all there is."""
    assert span(duration) == words
