import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.model.ids import ImageId, InstanceId
from pipeline.ports.instances import CommandResult, Instance

LIMIT = 24_000  # characters of output that GetCommandInvocation returns


class LocalCommands:
    """Run Command on this machine: real shells, and output cut off where AWS cuts it off."""

    def __init__(self, shell: tuple[str, ...] = ("sh", "-c")) -> None:
        self.shell = shell
        self.scripts: list[str] = []
        self.fault: Exception | None = None
        self.answer: CommandResult | None = None

    def online(self, instance: InstanceId) -> bool:
        """Answer for every instance."""
        return bool(instance)

    def run(self, instance: InstanceId, script: str, *, timeout: timedelta) -> CommandResult:
        """Run the script with the local shell."""
        assert instance
        self.scripts.append(script)
        if self.fault:
            raise self.fault
        if self.answer:
            return self.answer
        done = subprocess.run(
            [*self.shell, script],
            capture_output=True,
            check=False,
            timeout=timeout.total_seconds(),
            stdin=subprocess.DEVNULL,
        )
        texts = (text.decode("utf-8", "replace")[:LIMIT] for text in (done.stdout, done.stderr))
        stdout, stderr = texts
        return CommandResult(
            status="Failed" if done.returncode else "Success", exit_status=done.returncode, stdout=stdout, stderr=stderr
        )


class RealClock:
    """The machine's clock, except that waiting only moves it on: the probed server is up, or it is not."""

    def __init__(self) -> None:
        self.skipped = timedelta()

    def now(self) -> datetime:
        """Tell the time, moved on by what was waited."""
        return datetime.now(UTC) + self.skipped

    def sleep(self, duration: timedelta) -> None:
        """Move the time on."""
        self.skipped += duration


@pytest.fixture
def commands() -> LocalCommands:
    """Run Command on this machine."""
    return LocalCommands()


@pytest.fixture
def clock() -> RealClock:
    """A clock whose waiting takes no time."""
    return RealClock()


@pytest.fixture
def instance() -> Instance:
    """An instance at this machine's own address."""
    return Instance(
        id=InstanceId("i-0123456789abcdef0"),
        image=ImageId("ami-0123456789abcdef0"),
        state="running",
        instance_type="t3.small",
        address="127.0.0.1",
    )


@pytest.fixture
def suite(tmp_path: Path) -> Callable[[str], Path]:
    """Write a suite file."""

    def suite(text: str) -> Path:
        path = tmp_path / "smoke" / "test_web.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return suite
