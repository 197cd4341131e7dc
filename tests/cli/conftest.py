from __future__ import annotations

from pathlib import Path

import pytest
from commands import Answer, Command, Project
from guards import KEY, guard_verb
from world import World

from pipeline.cli.main import run

AT_ONCE = {"test_cli_journal", "test_cli_process", "test_cli_signals"}
SOURCE = '{owner: "136693071363", name: "debian-12-amd64-*"}'


@pytest.fixture
def rebake(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Command:
    """Run a command in this process, as `rebake` runs it, with the rights that `rebake iam` gives to its verb.

    Where several run at once, in processes of their own, rights are not told apart: all of them have one key.
    """
    guarded = "world" in request.fixturenames and request.path.stem not in AT_ONCE
    world: World | None = request.getfixturevalue("world") if guarded else None

    def command(*words: str) -> Answer:
        capsys.readouterr()
        if world and words:
            guard_verb(world.cloud, words[0])
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
        ("AWS_ACCESS_KEY_ID", KEY),
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
