from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sandbox_real.living import descendants, until

from pipeline.errors import Unavailable
from pipeline.sandbox.machines import Tier
from pipeline.sandbox.real import probe
from pipeline.sandbox.real.children import end
from pipeline.sandbox.real.userland.apt import apt, fetch_package, find_archive
from pipeline.sandbox.real.userland.probe import userland_fault
from pipeline.sandbox.real.userland.rootfs import cache_folder, obtain

FAULT = userland_fault()
debian = pytest.mark.skipif(FAULT is not None, reason=f"no tier C on this machine: {FAULT}")


class Stopped(BaseException):
    """What Ctrl-C raises, by another name."""


@debian
@pytest.mark.userland
@pytest.mark.mirror
def test_a_build_that_is_interrupted_leaves_nothing(tmp_path: Path) -> None:
    """No process, no mount, no half image; the next build starts afresh."""
    before = descendants(os.getpid())
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        if "extracting" in line:
            raise Stopped

    with pytest.raises(Stopped):
        obtain(tmp_path, hear)
    until(lambda: descendants(os.getpid()) <= before)
    assert not list(tmp_path.glob("*.tar*"))
    trees = [Path(line.split("using ")[1].split(" as ")[0]) for line in lines if "as tempdir" in line]
    assert len(trees) == 1
    assert not trees[0].exists()
    assert str(trees[0]) not in Path("/proc/mounts").read_text()


@debian
@pytest.mark.mirror
def test_package_lists_are_fetched_where_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh machine, or an ordinary user on one: nothing of the system's is written."""
    empty = tmp_path / "empty"
    (empty / "partial").mkdir(parents=True)
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::State::Lists "{empty}";\n')
    monkeypatch.setenv("APT_CONFIG", str(config))
    archive = find_archive(tmp_path / "scratch")
    assert archive.sources.count("deb ") == 2
    assert archive.options
    assert not list(empty.glob("*Packages*"))
    tree = fetch_package("mmdebstrap", archive, tmp_path / "tools")
    assert (tree / "usr" / "bin" / "mmdebstrap").exists()
    assert fetch_package("mmdebstrap", archive, tmp_path / "tools") == tree


@debian
def test_a_machine_without_debians_archive_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to add."""
    config = tmp_path / "apt.conf"
    config.write_text(
        'Dir::Etc::SourceList "/dev/null";\nDir::Etc::SourceParts "/dev/null";\n#clear APT::Update::Post-Invoke;\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    with pytest.raises(Unavailable, match="no Debian archive") as caught:
        find_archive(tmp_path)
    assert "tier B" in caught.value.hint


@debian
def test_what_apt_says_is_in_the_error() -> None:
    """Its last line is the cause."""
    with pytest.raises(Unavailable, match="Invalid operation"):
        apt(["no-such-verb"])


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And falls back to the home folder's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "rebake"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "rebake"


def test_where_no_folder_can_be_made_tier_b_is_left(tmp_path: Path) -> None:
    """The probe says why it is not more."""
    found = probe(tmp_path / "absent")
    assert found.tier is Tier.PROCESS
    assert found.reason.startswith("no Debian userlands: ")


def test_a_child_that_ignores_the_end_of_its_input_is_killed() -> None:
    """After a grace period, with its whole group."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], stdin=subprocess.PIPE, start_new_session=True
    )
    end(process, grace=0.1)
    assert process.returncode == -9
