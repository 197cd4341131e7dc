"""Real builds with every Packer found: the null builder needs no AWS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from packers import running

from pipeline.errors import Interrupted, StepFailed, TimedOut
from pipeline.model.settings import Family, Secret
from pipeline.packer.builder import PackerBuilder
from pipeline.packer.child import Child
from pipeline.ports.builder import BuildProduct, BuildRequest

SECRET = "c4nary-s3cret"
Build = Callable[..., BuildProduct]


@pytest.fixture
def build(
    family: Family,
    tmp_path: Path,
    builder_for: Callable[..., PackerBuilder],
    request_for: Callable[..., BuildRequest],
) -> Build:
    """Answer a build of shell-local commands on the null builder."""

    def run(
        packer: Path,
        *commands: str,
        on_line: Callable[[str], None] = lambda _: None,
        seconds: float = 60,
        grace: float = 20,
    ) -> BuildProduct:
        template = tmp_path / "null.pkr.hcl"
        (tmp_path / "step.sh").write_text("#!/bin/sh\n" + "\n".join(commands) + "\n")
        template.write_text(
            textwrap.dedent("""\
            variable "token" {
              type = string
            }
            source "null" "x" {
              communicator = "none"
            }
            build {
              sources = ["source.null.x"]
              provisioner "shell-local" {
                script           = "./step.sh"
                environment_vars = ["TOKEN=${var.token}"]
              }
            }
            """)
        )
        own = replace(
            family,
            template=str(template),
            build=replace(family.build, timeout=timedelta(seconds=seconds)),
            variables={"token": Secret(service="ssm", name="/token")},
        )
        builder = builder_for(packer, grace=timedelta(seconds=grace))
        return builder.build(request_for(own, builder, secrets={"token": SECRET}), on_line)

    return run


def children() -> dict[int, str]:
    """List the processes that this one started, with their command lines."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = (stat.parent / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:  # it ended meanwhile
            continue
        if parent == os.getpid() and command:
            found[int(stat.parent.name)] = command
    return found


def packer_children() -> list[int]:
    """List the Packers that this process started and that still run."""
    return [pid for pid, command in children().items() if " build " in command]


@pytest.mark.packer
def test_a_failed_script(packer: Path, build: Build, tmp_path: Path) -> None:
    """The cause is one sentence, lines come at once, the log is kept; a secret is in none of them, nor in any argv."""
    lines: list[str] = []
    seen: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        seen.extend(children().values())

    with pytest.raises(StepFailed) as told:
        build(packer, "echo it is $TOKEN, really", "sleep 0.3", "exit 3", on_line=on_line)
    assert str(told.value).startswith("the script ./step.sh ended with exit status 3; its last lines: it is ")
    log = tmp_path / "logs" / "20261123T181500-kqzt-web.log"
    assert str(log) in told.value.hint
    assert log.stat().st_mode & 0o777 == 0o600
    assert any("it is" in line and "really" in line for line in lines)
    assert any(" build " in command for command in seen)
    for text in (str(told.value), *lines, log.read_text(), *seen):
        assert SECRET not in text


@pytest.mark.packer
def test_success_without_an_image_is_a_failure(packer: Path, build: Build) -> None:
    """Exit status 0 without an artifact is not believed."""
    with pytest.raises(StepFailed, match="made no image instead of one image in eu-west-1"):
        build(packer, "true")


@pytest.mark.packer
def test_a_timeout(packer: Path, build: Build) -> None:
    """A build that outlives its time is cancelled, and the sentence says what it was at."""
    with pytest.raises(TimedOut, match=r"longer than 1\.5 s and was cancelled while running the script \./step\.sh"):
        build(packer, "sleep 30", seconds=1.5)
    assert not packer_children()


@pytest.mark.packer
def test_ctrl_c(packer: Path, build: Build) -> None:
    """An interrupt of ours lets Packer clean up, and shows it doing so."""
    lines: list[str] = []

    def on_line(line: str) -> None:
        lines.append(line)
        if "started" in line:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="Packer has cleaned up"):
        build(packer, "echo started", "sleep 30", on_line=on_line)
    assert any("Cleanly cancelled builds" in line for line in lines)
    assert not packer_children()


@pytest.mark.packer
def test_packer_is_told_to_end_by_someone_else(packer: Path, build: Build) -> None:
    """A SIGTERM that Packer gets from outside is an interruption, not a failure."""

    def on_line(line: str) -> None:
        if "started" in line:
            for pid in packer_children():
                os.kill(pid, signal.SIGTERM)

    with pytest.raises(Interrupted):
        build(packer, "echo started", "sleep 30", on_line=on_line)


@pytest.mark.packer
def test_a_broken_display(packer: Path, build: Build) -> None:
    """When showing progress fails, the build ends cleanly and the failure comes through."""

    def on_line(line: str) -> None:
        if "started" in line:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        build(packer, "echo started", "sleep 30", on_line=on_line)
    assert not packer_children()


@pytest.mark.packer
def test_a_killed_parent_leaves_no_packer(packer: Path, tmp_path: Path) -> None:
    """When we are killed without a chance to clean up, Packer still gets its SIGTERM, cleans up and ends."""
    mark = f"AWS_TEST_MARK={tmp_path}"
    script = textwrap.dedent("""\
        import os, sys, time
        from pathlib import Path
        from pipeline.packer.client import PackerClient, allowed_environment
        folder = Path(sys.argv[2])
        client = PackerClient(Path(sys.argv[1]), folder=folder, environment=allowed_environment(os.environ))
        child = client.build(folder / "out")
        child.start()
        for line in child.lines(deadline=time.monotonic() + 60):
            print(line, flush=True)
        """)
    (tmp_path / "t.pkr.hcl").write_text(
        'source "null" "x" {\n  communicator = "none"\n}\nbuild {\n  sources = ["source.null.x"]\n'
        '  provisioner "shell-local" {\n    inline = ["echo started", "sleep 4"]\n  }\n}\n'
    )
    environment = {**os.environ, "AWS_TEST_MARK": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", script, packer, tmp_path], env=environment, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout
        assert any("started" in line for line in parent.stdout)
        assert running(packer, mark)
        parent.kill()
    assert wait_until(lambda: not running(packer, mark))
    assert "Cleanly cancelled builds" in (tmp_path / "out").read_text()


def wait_until(true: Callable[[], bool]) -> bool:
    """Wait up to ten seconds for something to become true."""
    deadline = time.monotonic() + 10
    while not true() and time.monotonic() < deadline:
        time.sleep(0.05)
    return true()


def test_a_packer_that_does_not_listen(build: Build, tmp_path: Path) -> None:
    """After the grace period the whole group is killed: a build never outlives the call."""
    deaf = tmp_path / "packer"
    deaf.write_text(
        '#!/bin/sh\ncase $1 in version) echo Packer v1.6.6; exit;; esac\ntrap "" TERM\nprintf "no newline"\nsleep 30'
    )
    deaf.chmod(0o755)
    lines: list[str] = []
    with pytest.raises(TimedOut):
        build(deaf, on_line=lines.append, seconds=0.3, grace=0.2)
    assert lines == ["no newline"]
    assert not packer_children()


def test_a_program_that_cannot_start(tmp_path: Path) -> None:
    """A failing start is an error in the caller's thread; asking what never ran to end does nothing."""
    child = Child(["/none"], folder=tmp_path, environment={}, output=tmp_path / "out")
    with pytest.raises(FileNotFoundError):
        child.start()
    child.ask_to_end()
