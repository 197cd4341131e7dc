"""What every strategy asks of a fleet: can it be rolled, who is to be replaced, whose group is it."""

from __future__ import annotations

from collections import Counter

from pipeline.errors import NotPossible
from pipeline.model.fleets import Group, Member, TemplateVersion
from pipeline.model.refs import ImageRef
from pipeline.model.rollouts import CreateTemplateVersion
from pipeline.model.steps import Note, PlannedStep, Step
from pipeline.model.strategies import OnBusy, RefreshStrategy
from pipeline.model.views import FleetView

_BLOCKING = {"Launch", "Terminate", "InstanceRefresh"}
_BLOCKING_BALANCED = _BLOCKING | {"AddToLoadBalancer"}
"""Suspended, AddToLoadBalancer leaves every new instance out of the target group, for good."""


def require_rollable(view: FleetView) -> TemplateVersion:
    """Let only groups pass that AWS can refresh and roll back; answer the version saved on the group.

    Raises:
        NotPossible: launch configuration, ``$Latest``/``$Default``, an image alias, overrides with templates of
            their own, attribute-based types, or suspended processes.
    """
    group = view.group
    _require_template(group)
    _require_plain_overrides(group)
    blocked = blocking(group)
    if blocked:
        resume = f"aws autoscaling resume-processes --auto-scaling-group-name {group.name}"
        raise NotPossible(
            f"Group {group.name} has suspended {', '.join(blocked)}, so a refresh could leave it empty.",
            hint=f"resume just these: {resume} --scaling-processes {' '.join(blocked)}",
        )
    version = view.version
    if version is None:
        raise NotPossible(
            f"Group {group.name} has no launch template.", hint="give the group a launch template with a number"
        )
    if not version.image.startswith("ami-"):
        raise NotPossible(
            f"Launch template {version.id} version {version.number} names its image as {version.image or 'nothing'}, "
            "and AWS cannot roll such a group back.",
            hint="make a version with the ami id itself and set the group to its number",
        )
    return version


def blocking(group: Group) -> tuple[str, ...]:
    """List the suspended processes of a group without which no instance could be replaced."""
    return tuple(sorted((_BLOCKING_BALANCED if group.target_groups else _BLOCKING) & set(group.suspended)))


def stale_members(view: FleetView, image: str) -> tuple[Member, ...]:
    """List the members that a refresh to the image would replace: not those it is told to leave alone."""
    strategy = view.settings.strategy
    stale = [member for member in (*view.group.standing, *view.group.warm) if member.image != image]
    # Zone by zone members are protected on the way: that is no reason to leave them.
    if not isinstance(strategy, RefreshStrategy) or strategy.zone_by_zone:
        return tuple(stale)
    return tuple(
        member
        for member in stale
        if not (member.protected and strategy.protected is OnBusy.IGNORE)
        and not (member.lifecycle == "Standby" and strategy.standby is OnBusy.IGNORE)
    )


def template_step(view: FleetView, saved: TemplateVersion, image: ImageRef) -> PlannedStep:
    """Plan a launch template version with the image, made from the one that is saved on the group."""
    step = CreateTemplateVersion(
        fleet=view.name, family=view.settings.family, template=saved.id, source_version=saved.number, image=image
    )
    return PlannedStep(target=view.name, step=step, why=f"version {saved.number} boots {saved.image}")


def planned(view: FleetView, *steps: tuple[Step, str]) -> tuple[PlannedStep, ...]:
    """List steps, each with its reason, under the fleet."""
    return tuple(PlannedStep(target=view.name, step=step, why=why) for step, why in steps)


def describe_members(view: FleetView) -> str:
    """Say what the fleet's instances run now, for the plan's reader."""
    counts = Counter(member.image for member in view.group.standing)
    if not counts:
        return "no instances"
    return ", ".join(f"{count} on {image or 'an unknown image'}" for image, count in counts.most_common())


def _require_template(group: Group) -> None:
    if group.launch_configuration:
        raise NotPossible(
            f"Group {group.name} uses launch configuration {group.launch_configuration}, not a launch template.",
            hint="move the group to a launch template; launch configurations have no versions to roll",
        )
    if group.template is not None and group.template.number is None:
        raise NotPossible(
            f"Group {group.name} follows {group.template.version} of {group.template.id}; AWS could not roll it back.",
            hint="set the group to a numbered version of the template (aws autoscaling update-auto-scaling-group)",
        )


def _require_plain_overrides(group: Group) -> None:
    if group.override_templates:
        raise NotPossible(
            f"Group {group.name} has overrides with other launch templates; one image cannot serve them all.",
            hint="split the group by architecture, or remove the templates from its overrides",
        )
    if group.attribute_based:
        raise NotPossible(
            f"Group {group.name} chooses instance types by attributes, and AWS refuses a desired configuration there.",
            hint="list instance types in the group's overrides instead",
        )


def size_notes(view: FleetView) -> tuple[Note, ...]:
    """Note a group at size 0."""
    group, name = view.group, view.name
    if group.desired == 0:
        return (
            Note(target=name, text="the group is at size 0: nothing is replaced, its next launch boots the new image"),
        )
    return ()
