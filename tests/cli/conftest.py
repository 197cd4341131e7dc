from __future__ import annotations

from pathlib import Path

import pytest
from commands import Answer, Command, Project

from pipeline.cli.main import run

SOURCE = '{owner: "136693071363", name: "debian-12-amd64-*"}'


@pytest.fixture
def rebake(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process, as `rebake` runs it."""

    def command(*words: str) -> Answer:
        capsys.readouterr()
        code = run(list(words))
        captured = capsys.readouterr()
        return Answer(code=int(code), out=captured.out, err=captured.err)

    return command


@pytest.fixture
def project(home: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Write a project with one family and one fleet into a folder and stand in it; keywords vary what it says."""
    folder = home / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "sandbox"),
        ("AWS_SECRET_ACCESS_KEY", "sandbox"),
        ("AWS_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)

    def write(
        *,
        group: str = "web-prod",
        template: str = "debian-12",
        source: str = SOURCE,
        more: str = "",
        strategy: str = "",
    ) -> Path:
        (folder / "rebake.yaml").write_text(
            f"""version: 1
families:
  web:
    template: {template}
    source: {source}
    build: {{instance_types: [t3.small], connect: private-ip, source_cidr: 127.0.0.0/8}}
{more}
fleets:
  web-prod:
    family: web
    group: {group}
    strategy: {{instance_refresh: {{min_healthy: 50, max_healthy: 150, warmup: 60s{strategy}}}}}
"""
        )
        return folder

    return write
