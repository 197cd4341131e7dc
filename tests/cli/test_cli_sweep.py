"""`rebake sweep` from the outside, on an account whose time stands still in the past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from commands import Command, Project
from world import World

from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

KEY = "rebake-20200101T000000-kqzt-web"
OTHER = "rebake-web"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, project: Project) -> Iterator[World]:
    """Make a project, and an account in which a bake's key pair is left beside somebody else's."""
    project()
    cloud = Cloud(clock=ManualClock(datetime(2020, 1, 1, tzinfo=UTC)))
    with cloud.serve() as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        world = World(cloud, endpoint=endpoint)
        for name in (KEY, OTHER):
            world.ec2.create_key_pair(KeyName=name)
        yield world


def keys(world: World) -> set[str]:
    """Name the key pairs that stand."""
    return {one["KeyName"] for one in world.ec2.describe_key_pairs()["KeyPairs"]}


def document(text: str) -> Any:
    """Read the one document on stdout."""
    return json.loads(text)


@pytest.mark.parametrize("words", [(), ("--dry-run",), ("--yes", "--dry-run"), ("--json",)])
def test_nothing_goes_that_was_not_asked_for(rebake: Command, world: World, words: tuple[str, ...]) -> None:
    """Only shown, with the reason, unless --yes is given without --dry-run; 0 as for every dry run."""
    answer = rebake("sweep", *words)
    assert answer.code == 0, answer.err
    assert KEY in answer.out
    assert "key pair, build of web in run 20200101T000000-kqzt" in answer.out
    assert OTHER not in answer.out
    assert ("nothing is removed" in answer.err) is ("--yes" not in words)
    assert keys(world) == {KEY, OTHER}


def test_what_is_left_goes_once(rebake: Command, world: World) -> None:
    """One document with the plan and how each removal ended; a second sweep has nothing to do."""
    answer = rebake("sweep", "--yes", "--json")
    assert answer.code == 0, answer.err
    (result,) = document(answer.out)["results"]
    assert result["planned"]["step"] == {
        "kind": "Remove",
        "what": "key pair",
        "id": KEY,
        "after": [],
        "tags": {},
    }
    assert result["outcome"]["kind"] == "Done"
    assert keys(world) == {OTHER}
    again = rebake("sweep", "--yes")
    assert (again.code, "Plan: nothing to do." in again.out) == (0, True)


def test_what_cannot_be_removed_is_told(rebake: Command, world: World) -> None:
    """Failed (1), with the cause and the action that is not allowed."""
    world.cloud.deny("ec2:DeleteKeyPair")
    answer = rebake("sweep", "--yes")
    assert answer.code == 1
    assert "ec2:DeleteKeyPair" in answer.out
    assert keys(world) == {KEY, OTHER}


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--older-than", "2h"), "--older-than 3h"),
        (("--older-than", "soon"), "--older-than 2h"),
        (("--at-most", "0"), "rebake sweep --help"),
    ],
)
def test_a_sweep_that_could_hurt_is_refused(rebake: Command, words: tuple[str, ...], hint: str) -> None:
    """A build with the wait for its image may take 2 h 45 min: what is younger may be of a running one."""
    answer = rebake("sweep", *words)
    assert answer.code == 64
    assert hint in answer.complaint()[1]
