"""What `check --live` says of templates, and what its exit code says of what cannot be known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command, Project
from world import World

from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Serve an account with a fleet in it."""
    cloud = Cloud(clock=ManualClock())
    with cloud.serve() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        made = World(cloud, endpoint=endpoint)
        made.fleet("web-prod", made.image("old"))
        yield made


@pytest.fixture
def packer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a Packer in the way of the command that accepts every template."""
    path = tmp_path / "packer"
    path.write_text("#!/bin/sh\n[ $1 = version ] && echo Packer v1.6.6\nexit 0\n")
    path.chmod(0o755)
    monkeypatch.setenv("REBAKE_PACKER", str(path))
    return path


@pytest.mark.usefixtures("packer")
def test_what_cannot_be_known_does_not_fail_the_check(rebake: Command, project: Project, world: World) -> None:
    """It is shown as unknown, with its next step, and the exit code stays 0: it may never become known."""
    project()
    world.cloud.calls.clear()
    world.cloud.faults.fail("servicequotas:GetServiceQuota", "AccessDeniedException")
    answer = rebake("check", "--live")
    assert answer.code == 0, answer.out
    assert "unknown  vCPU quota" in answer.out
    assert "FAIL" not in answer.out
    assert "Packer accepts the template" in answer.out
    assert world.changed == ()


@pytest.mark.usefixtures("world")
def test_a_template_that_packer_would_refuse_fails_the_check(rebake: Command, project: Project, packer: Path) -> None:
    """Packer's own words are told before anything is built; a family without a source image is told as that."""
    project(more="  lost: {template: debian-12, source: {family: web}, build: {instance_profile: p}}")
    packer.write_text("#!/bin/sh\n[ $1 = version ] && echo Packer v1.6.6 && exit\necho no such block; exit 1\n")
    answer = rebake("check", "--live")
    assert answer.code == 1
    assert "Packer refuses the template: no such block" in answer.out
    assert answer.out.count("Packer refuses") == 1
