"""Whose group it is: what infrastructure as code would do to a change of ours."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.model.steps import Note
from pipeline.model.strategies import ChannelOnly, StackUpdate
from pipeline.model.views import FleetView

_STACK = "aws:cloudformation:stack-name"
_TERRAFORM = "Terraform"


def owning_stack(tags: Mapping[str, str]) -> str | None:
    """Name the CloudFormation stack that made a group; None: none did."""
    return tags.get(_STACK)


def owner(tags: Mapping[str, str]) -> str | None:
    """Name who owns a group by its tags; None: nobody says so.

    Terraform leaves no tag by itself; a key or value that names it is what teams write.
    """
    if (stack := owning_stack(tags)) is not None:
        return f"CloudFormation stack {stack}"
    said = any(_TERRAFORM.lower() in f"{key}={value}".lower() for key, value in tags.items())
    return _TERRAFORM if said else None


def owner_notes(view: FleetView) -> tuple[Note, ...]:
    """Warn of drift where a group would be changed beside the code that owns it, with the strategy that avoids it."""
    whose = owner(view.group.tags)
    if whose is None or isinstance(view.settings.strategy, StackUpdate | ChannelOnly):
        return ()
    way = "stack: {parameter: …}} changes it through the stack"
    if whose == _TERRAFORM:
        way = "channel_only: true} moves only the channel, which Terraform can read as an aws_ssm_parameter"
    text = f"the group belongs to {whose}, which will show drift; strategy: {{{way}"
    return (Note(target=view.name, text=text),)
