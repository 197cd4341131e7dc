"""Test instances and commands as their callers know them, on the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aws.account import NOBODY, World

from pipeline.errors import NotFound, NotPossible, StepFailed
from pipeline.ports.instances import LaunchRequest


def test_one_token_launches_one_instance(world: World) -> None:
    """It is found by its tags until it is gone, and terminating it twice is no error."""
    first = world.launch()
    assert world.launch() == first
    assert world.instances.get(first).state == "running"
    assert [found.id for found in world.instances.tagged({"rebake:run": "r1"})] == [first]
    world.instances.terminate((first, NOBODY))
    world.instances.terminate((first,))
    world.cloud.clock.advance(timedelta(minutes=5))
    assert world.instances.tagged({"rebake:run": "r1"}) == ()


def test_an_instance_boots_from_a_template_with_another_image(world: World) -> None:
    """The image and type asked for win over the template's."""
    template = world.template()
    image = world.bake()
    request = LaunchRequest(
        image=image.id, instance_type="t3.medium", tags={}, token="s", template=template.id, version="1"
    )
    launched = world.instances.launch(request)
    assert (launched.image, launched.instance_type) == (image.id, "t3.medium")


def test_an_instance_that_was_never_launched_is_not_found(world: World) -> None:
    """Also for the first seconds of one that was: callers wait."""
    with pytest.raises(NotFound):
        world.instances.get(NOBODY)


def test_no_capacity_fails_the_launch(world: World) -> None:
    """The message says whose limit it is."""
    world.cloud.faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity")
    with pytest.raises(StepFailed, match="no capacity"):
        world.launch()


def test_a_command_runs_on_an_instance_that_is_online(world: World) -> None:
    """One that is unknown is neither online nor takes commands."""
    host = world.launch()
    assert world.commands.online(host)
    result = world.commands.run(host, "true", timeout=timedelta(minutes=1))
    assert (result.status, result.exit_status) == ("Success", 0)
    assert not world.commands.online(NOBODY)
    with pytest.raises(NotPossible):
        world.commands.run(NOBODY, "true", timeout=timedelta(minutes=1))
