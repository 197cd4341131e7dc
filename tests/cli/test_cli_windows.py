"""The verb that shows windows, and the way around one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from commands import Command, Project
from world import World

from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud

SPEED = 200
OURS = {TAG_FAMILY: "web", TAG_STAGE: "tested"}
NIGHT = "window: {schedule: 'cron(0 2 ? * TUE#2 2098)', timezone: Europe/London, duration: 4h, cutoff: 1h}"
GROUPS = f"""
patch_groups:
  dev: {{wave: 1}}
  prod: {{wave: 2, {NIGHT}, freezes: [year-end], on_overrun: pause}}
  ssm: {{wave: 3, window: 'ssm:mw-0123456789abcdef0'}}
freezes: {{year-end: {{from: 2098-01-14, to: 2098-01-20, reason: no changes}}}}
"""


@pytest.fixture(scope="module")
def account() -> Iterator[tuple[World, str]]:
    """Serve one account to the whole file."""
    cloud = Cloud(clock=WallClock(SPEED))
    with cloud.serve() as endpoint:
        yield World(cloud, endpoint=endpoint), endpoint


@pytest.fixture
def world(
    account: tuple[World, str], project: Project, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> World:
    """Point the command at the account, with the project's fleet in the patch group prod."""
    world, endpoint = account
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("REBAKE_TIME_SCALE", str(SPEED))
    group = request.node.name.replace("_", "-")[:40]
    path = project(group=group) / "rebake.yaml"
    _add(path, "    patch_group: prod\n" + GROUPS)
    world.fleet(group, world.base(), size=1)
    world.cloud.calls.clear()
    return world


def _add(path: Path, more: str) -> None:
    path.write_text(path.read_text() + more)


def shown(rebake: Command, *words: str) -> list[dict[str, Any]]:
    """Read the groups that are shown."""
    groups: list[dict[str, Any]] = json.loads(rebake("windows", *words, "--json").out)["groups"]
    return groups


def test_the_next_openings_are_shown(rebake: Command, world: World) -> None:
    """Group by group, by the clock there and in UTC; a group without a window is open, one that is unknown says why."""
    answer = rebake("windows", "--count", "2")
    assert answer.code == 1
    lines = answer.out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["dev", "prod", "ssm"]
    assert "open (no window, UTC)" in lines[0]
    assert "window closed; waits until Tue 2098-02-11 02:00 GMT" in lines[1]
    assert "(cron(0 2 ? * TUE#2 2098), Europe/London)" in lines[1]
    assert lines[1].endswith("web-prod")
    assert "Tue 2098-01-14 02:00 GMT" in lines[2]
    assert "nothing begins from Tue 2098-01-14 05:00 GMT on; HELD: frozen (year-end) until" in lines[2]
    assert "UNKNOWN: There is no maintenance window mw-0123456789abcdef0 here." in lines[-1]
    assert not world.cloud.calls.mutating


def test_one_group_or_fleet_is_shown_as_a_document(rebake: Command, world: World) -> None:
    """In UTC, and with the offset of the zone."""
    (by_fleet,), (by_group,) = shown(rebake, "web-prod", "--count", "7"), shown(rebake, "prod", "--count", "7")
    assert by_fleet["fleets"] == by_group["fleets"] == ["web-prod"]
    assert (by_group["window"], by_group["timezone"], by_group["on_overrun"]) == ("", "Europe/London", "pause")
    assert by_group["standing"]["begin"] is False
    summer = by_group["openings"][5]
    assert datetime.fromisoformat(summer["opening"]["opens"]) == datetime.fromisoformat(summer["opens"])
    assert (summer["opening"]["opens"][-14:], summer["opens"][-14:]) == ("01:00:00+00:00", "02:00:00+01:00")
    assert not world.cloud.calls.mutating


def test_unknown_names_are_refused(rebake: Command, world: World) -> None:
    """With the nearest one."""
    answer = rebake("windows", "prd")
    assert answer.code == 64
    sentence, hint = answer.complaint()
    assert "no patch group or fleet named prd" in sentence
    assert "prod" in hint
    assert not world.cloud.calls.mutating


def test_now_rolls_outside_of_the_window_and_leaves_its_reason(rebake: Command, world: World) -> None:
    """In the plan's text and in the document; without a reason it is refused."""
    image = world.image("new", tags=OURS)
    dry = rebake("roll", "web-prod", "--image", image, "--dry-run")
    assert "window closed; waits until" in dry.out
    refused = rebake("roll", "web-prod", "--image", image, "--now", " ", "--yes")
    assert (refused.code, refused.complaint()[0]) == (64, "--now needs a reason.")
    answer = rebake("roll", "web-prod", "--image", image, "--now", "CVE-2026-1234 in use", "--yes", "--json")
    assert answer.code == 0
    plan = json.loads(answer.out)["plan"]
    assert plan["windows"] == {"wait": True, "override": "CVE-2026-1234 in use"}
    assert [note["text"] for note in plan["notes"]] == ["window closed; that is overridden: CVE-2026-1234 in use"]
