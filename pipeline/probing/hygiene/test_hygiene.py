"""What must hold for every image. Each test is one shell script, and so one Run Command call.

A script in ``checks/`` prints what is wrong and exits with 1; with 77 it does not apply, with 75 it cannot be known.
A suite of yours says that something cannot be known by skipping with a reason that begins with "unknown: ".
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest
from testinfra.host import Host

from pipeline.probing.junit import UNKNOWN

_CHECKS = Path(__file__).parent / "checks"
_DOES_NOT_APPLY = 77
_CANNOT_BE_KNOWN = 75  # EX_TEMPFAIL of sysexits.h


def _check(host: Host, *scripts: str, words: Sequence[str] = ()) -> None:
    """Run scripts as one, with words as its arguments, and fail in their own words."""
    text = "".join((_CHECKS / f"{name}.sh").read_text(encoding="utf-8") for name in scripts)
    done = host.run(f"set -- {shlex.join(words)}\n{text}")
    said = "\n".join(part for part in (done.stdout.strip(), done.stderr.strip()) if part)
    if done.rc == _DOES_NOT_APPLY:
        pytest.skip(said)
    if done.rc == _CANNOT_BE_KNOWN:
        pytest.skip(f"{UNKNOWN}{said}")
    if done.rc:
        pytest.fail(said or f"the check ended with status {done.rc}", pytrace=False)


def test_agent_answers(host: Host) -> None:
    """The SSM agent is online: without it nothing on an instance can be seen or run."""
    _check(host, "agent")


def test_no_ssh_host_keys_are_baked_in(host: Host) -> None:
    """Every instance has host keys of its own; keys older than its boot are the same on all of them."""
    _check(host, "boot", "host-keys")


def test_no_machine_id_is_baked_in(host: Host) -> None:
    """Every instance has a machine id of its own: DHCP, journals and agents take it for an identity."""
    _check(host, "boot", "machine-id")


def test_no_authorized_keys_are_baked_in(host: Host) -> None:
    """Nobody can log in but those whom the launch itself lets in."""
    _check(host, "boot", "authorized-keys")


def test_no_security_updates_are_pending(host: Host) -> None:
    """The image is patched to what is published now or, by a baseline of rules, to what that approved of it."""
    _check(host, "security-updates")


def test_disk_has_room(host: Host) -> None:
    """The root file system has space and inodes left to run on."""
    _check(host, "disk")


def test_required_services_run(host: Host, required_services: Sequence[str]) -> None:
    """Every service that the configuration requires is up within a minute."""
    if not required_services:
        pytest.skip("no services are required")
    _check(host, "services", words=required_services)
