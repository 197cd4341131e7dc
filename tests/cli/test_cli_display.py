"""What a reader at a terminal sees: progress, the question, and the room of the sandbox."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import timedelta

import nouns
import pytest
from commands import Command, Project
from rich.console import Console
from world import World

from pipeline.cli.live import LineProgress, TerminalProgress
from pipeline.ports.progress import Event, EventKind
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud


class Terminal(io.StringIO):
    """A person at a keyboard."""

    def isatty(self) -> bool:
        """Say that somebody is there."""
        return True


def event(kind: EventKind, text: str, *, second: int = 0) -> Event:
    """Make an event of the family web."""
    return Event(at=nouns.NOW + timedelta(seconds=second), kind=kind, target="web", text=text)


@pytest.mark.parametrize("verbose", [False, True])
def test_a_terminal_shows_lines_and_a_spinner(verbose: bool) -> None:
    """Lines carry the seconds since the start; what Packer prints becomes a line only when asked for."""
    shown = io.StringIO()
    display = TerminalProgress(Console(file=shown, force_terminal=True, width=100, color_system=None), verbose=verbose)
    display.emit(event(EventKind.LINE, "early [bold]words[/]"))
    display.emit(event(EventKind.STARTED, "BuildImage"))
    display.emit(event(EventKind.LINE, "apt-get upgrade", second=5))
    display.emit(event(EventKind.PROGRESS, "half", second=9))
    display.emit(event(EventKind.FINISHED, "done", second=12))
    display.close()
    text = shown.getvalue()
    assert "  12.0 s  web  done" in text
    assert ("   5.0 s  web  apt-get upgrade" in text) == verbose
    assert "[bold]words[/]" in text


def test_a_log_gets_a_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    """Where stderr is no terminal each event is a line with the time of day."""
    for verbose in (False, True):
        display = LineProgress(verbose=verbose)
        display.emit(event(EventKind.LINE, "quiet"))
        display.emit(event(EventKind.WARNING, "sick"))
        display.close()
    assert capsys.readouterr().err.splitlines() == [
        "02:00:00Z warning  web: sick",
        "02:00:00Z line     web: quiet",
        "02:00:00Z warning  web: sick",
    ]


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file."""
    cloud = Cloud(clock=ManualClock())
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


def asked(rebake: Command, account: tuple[World, str], monkeypatch: pytest.MonkeyPatch, answer: str) -> tuple[int, str]:
    """Promote the only tested image, answering the question."""
    world, endpoint = account
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    world.cloud.calls.clear()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    done = rebake("promote", "web", "--report", "/dev/full")
    return done.code, done.err


def test_the_question_is_asked_and_the_answer_obeyed(
    rebake: Command, project: Project, account: tuple[World, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No and the end of input change nothing; yes goes on. A report that finds no room is told, and the code stands."""
    project()
    account[0].image("tested", tags={"rebake:family": "web", "rebake:stage": "tested"})
    for answer in ("n\n", ""):
        code, err = asked(rebake, account, monkeypatch, answer)
        assert code == 130
        assert "Carry this plan out? [y/N]" in err
        assert "rebake: Stopped before anything was changed." in err
        assert account[0].changed == ()
    code, err = asked(rebake, account, monkeypatch, "y\n")
    assert code == 0
    assert err.splitlines()[-2:] == [
        "rebake: The report /dev/full cannot be written: No space left on device.",
        "  -> the run itself is finished",
    ]
    assert [call.action for call in account[0].changed] == ["ssm:PutParameter"]


def test_the_sandbox_has_a_room_of_its_own(rebake: Command) -> None:
    """Up, status, logs and down; without one up, status ends with 1, as text and as JSON."""
    assert rebake("sandbox", "up", "--tier", "Z").code == 64
    assert rebake("sandbox", "status").code == 1
    assert json.loads(rebake("sandbox", "status", "--json").out) == {"up": False}
    try:
        up = rebake("sandbox", "up", "--tier", "A", "--json")
        assert (up.code, json.loads(up.out)["tier"]) == (0, "A")
        exported = rebake("sandbox", "status")
        assert exported.out.startswith("# tier A, 20 times as fast")
        assert f"export AWS_ENDPOINT_URL={json.loads(up.out)['endpoint']}" in exported.out
        assert "tier A" in rebake("sandbox", "logs").out
        refused = rebake("sandbox", "cve", "CVE-2026-1", "--image", "ami-00000000000000000")
        assert (refused.code, "does not exist" in refused.err) == (64, True)
        assert rebake("sandbox", "node", "ami-00000000000000000").code == 64
        told = rebake("sandbox", "node", "i-00000000000000000", "--missing", "1", "--agent", "absent")
        assert "missing=1 failed=0 hours=0, its agent is absent" in told.out
    finally:
        assert rebake("sandbox", "down").out == "The sandbox is down.\n"
    assert rebake("sandbox", "down").out == "No sandbox was up.\n"
    assert rebake("sandbox", "cve", "CVE-2026-1", "--image", "ami-1").code == 1
