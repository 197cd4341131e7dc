import base64
import gzip
import os
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import StepFailed, TimedOut
from pipeline.model.ids import InstanceId
from pipeline.ports.instances import CommandResult, RunCommand
from pipeline.probing.remote import PIECE, RemoteShell

INSTANCE = InstanceId("i-1")


class Commands(RunCommand, Protocol):
    """Run Command that can be told what to answer."""

    answer: CommandResult | None
    scripts: list[str]


@pytest.fixture
def shell(commands: Commands) -> RemoteShell:
    """A shell with a minute left."""
    return RemoteShell(commands, INSTANCE, lambda: timedelta(minutes=1))


def test_output_that_does_not_compress_comes_in_pieces(commands: Commands, shell: RemoteShell, tmp_path: Path) -> None:
    """Output beyond what one answer carries is fetched piece by piece, byte for byte, and removed from the instance."""
    path = tmp_path / "noise"
    noise = os.urandom(PIECE * 2)
    path.write_bytes(noise)
    output = shell.run(f"cat {path}; echo done >&2; exit 7")
    assert (output.status, output.stdout, output.stderr) == (7, noise, b"done\n")
    assert len(commands.scripts) == 3
    assert not Path(commands.scripts[-1].split("rm -rf ")[1]).exists()


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_survives_quoting(shell: RemoteShell, text: str) -> None:
    """Whatever stands in a command arrives as it was written."""
    quoted = "'" + text.replace("'", "'\\''") + "'"
    assert shell.run(f"printf %s {quoted}").stdout == text.encode()


def test_output_without_end_is_refused(shell: RemoteShell) -> None:
    """A test that reads too much is told to select on the instance."""
    with pytest.raises(StepFailed, match="output is too long") as caught:
        shell.run(f"head -c {PIECE * 66} /dev/urandom")
    assert "grep or head" in caught.value.hint


def test_a_spent_budget_asks_nothing_more(commands: Commands) -> None:
    """Once the time is up no command is sent."""
    with pytest.raises(TimedOut, match="time budget"):
        RemoteShell(commands, INSTANCE, timedelta).run("true")
    assert commands.scripts == []


PACKED = base64.b64encode(gzip.compress(b"x", mtime=0)).decode()


@pytest.mark.parametrize(
    ("status", "stdout", "said"),
    [
        ("TimedOut", "", "Run Command ended as TimedOut on i-1: no space left"),
        ("Success", "mktemp: failed", "answered without the command's result"),
        ("Success", "rebake 0 1 20 /tmp/x\n!!!!", "damaged output"),
        ("Success", f"rebake 0 1 20 /tmp/x\n{PACKED[:-8]}AAAAAAA=", "damaged output"),
    ],
)
def test_answers_that_cannot_be_trusted_are_errors(
    commands: Commands, shell: RemoteShell, status: str, stdout: str, said: str
) -> None:
    """An answer that is not the command's result is never taken for one."""
    commands.answer = CommandResult(status=status, exit_status=1, stdout=stdout, stderr="no space left")
    with pytest.raises(StepFailed, match=said):
        shell.run("true")
