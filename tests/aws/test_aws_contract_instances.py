"""Test instances and commands as their callers know them, on the sandbox."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aws.account import NOBODY, Account

from pipeline.errors import NotFound, NotPossible, StepFailed
from pipeline.ports.instances import LaunchRequest


def test_one_token_launches_one_instance(account: Account) -> None:
    """It is found by its tags until it is gone, and terminating it twice is no error."""
    first = account.launch()
    assert account.launch() == first
    assert account.instances.get(first).state == "running"
    assert [found.id for found in account.instances.tagged({"rebake:run": "r1"})] == [first]
    account.instances.terminate((first, NOBODY))
    account.instances.terminate((first,))
    account.cloud.clock.advance(timedelta(minutes=5))
    assert account.instances.tagged({"rebake:run": "r1"}) == ()


def test_an_instance_boots_from_a_template_with_another_image(account: Account) -> None:
    """The image and type asked for win over the template's."""
    template = account.template()
    image = account.bake()
    request = LaunchRequest(
        image=image.id, instance_type="t3.medium", tags={}, token="s", template=template.id, version="1"
    )
    launched = account.instances.launch(request)
    assert (launched.image, launched.instance_type) == (image.id, "t3.medium")


def test_an_instance_that_was_never_launched_is_not_found(account: Account) -> None:
    """Also for the first seconds of one that was: callers wait."""
    with pytest.raises(NotFound):
        account.instances.get(NOBODY)


def test_no_capacity_fails_the_launch(account: Account) -> None:
    """The message says whose limit it is."""
    account.cloud.faults.fail("ec2:RunInstances", "InsufficientInstanceCapacity")
    with pytest.raises(StepFailed, match="no capacity"):
        account.launch()


def test_a_command_runs_on_an_instance_that_is_online(account: Account) -> None:
    """One that is unknown is neither online nor takes commands."""
    host = account.launch()
    assert account.commands.online(host)
    result = account.commands.run(host, "true", timeout=timedelta(minutes=1))
    assert (result.status, result.exit_status) == ("Success", 0)
    assert not account.commands.online(NOBODY)
    with pytest.raises(NotPossible):
        account.commands.run(NOBODY, "true", timeout=timedelta(minutes=1))
