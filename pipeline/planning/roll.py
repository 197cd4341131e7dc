"""How a fleet comes to an image by instance refresh."""

from __future__ import annotations

from collections import Counter

from pipeline.errors import HeldError, NotPossible
from pipeline.model.fleets import Group, Member, TemplateRef, TemplateVersion
from pipeline.model.ids import ImageId
from pipeline.model.refs import Created, ImageRef, VersionRef
from pipeline.model.rollouts import AwaitRefresh, CreateTemplateVersion, StartRefresh
from pipeline.model.steps import Note, Plan, PlannedStep
from pipeline.model.strategies import OnBusy
from pipeline.model.views import FleetView

_BLOCKING = {"Launch", "Terminate", "InstanceRefresh"}
_BLOCKING_BALANCED = _BLOCKING | {"AddToLoadBalancer"}
"""Suspended, AddToLoadBalancer leaves every new instance out of the target group, for good."""


def plan_roll(view: FleetView, image: ImageRef) -> Plan:
    """Plan to bring the fleet to the image: a new launch template version if needed, then a refresh.

    A refresh that already goes there is adopted. A fleet that is there needs nothing.

    Raises:
        NotPossible: the group cannot be refreshed safely; the message says why.
        HeldError: another refresh is under way.
    """
    version = require_rollable(view)
    name = view.settings.name
    if (adopted := _adopt(view, image)) is not None:
        return adopted
    on_image = version.image == image
    stale = stale_members(view, version.image)
    if on_image and not stale:
        return Plan(notes=(Note(target=name, text=f"all {len(view.group.standing)} instances are on {image}"),))
    if on_image:
        why = f"{len(stale)} of {len(view.group.standing)} instances are not on {image} yet"
        return Plan(steps=refresh_steps(view, version, version.number, why=why))
    create = CreateTemplateVersion(
        fleet=name, family=view.settings.family, template=version.id, source_version=version.number, image=image
    )
    steps = (
        PlannedStep(target=name, step=create, why=f"version {version.number} boots {version.image}"),
        *refresh_steps(view, version, Created(fleet=name), why=describe_members(view)),
    )
    return Plan(steps=steps, notes=_size_notes(view.group, name))


def require_rollable(view: FleetView) -> TemplateVersion:
    """Let only groups pass that AWS can refresh and roll back; answer the version saved on the group.

    Raises:
        NotPossible: launch configuration, ``$Latest``/``$Default``, an image alias, overrides with templates of
            their own, attribute-based types, or suspended processes.
    """
    group = view.group
    _require_template(group)
    _require_plain_overrides(group)
    blocked = sorted((_BLOCKING_BALANCED if group.target_groups else _BLOCKING) & set(group.suspended))
    if blocked:
        raise NotPossible(
            f"Group {group.name} has suspended {', '.join(blocked)}, so a refresh could leave it empty.",
            hint=f"Resume it: aws autoscaling resume-processes --auto-scaling-group-name {group.name}",
        )
    version = view.version
    if version is None:
        raise NotPossible(
            f"Group {group.name} has no launch template.", hint="Give the group a launch template with a number."
        )
    if not version.image.startswith("ami-"):
        raise NotPossible(
            f"Launch template {version.id} version {version.number} names its image as {version.image or 'nothing'}, "
            "and AWS cannot roll such a group back.",
            hint="Make a version with the ami id itself and set the group to its number.",
        )
    return version


def stale_members(view: FleetView, image: str) -> tuple[Member, ...]:
    """List the members that a refresh to the image would replace: not those it is told to leave alone."""
    strategy = view.settings.strategy
    return tuple(
        member
        for member in view.group.standing
        if member.image != image
        and not (member.protected and strategy.protected is OnBusy.IGNORE)
        and not (member.lifecycle == "Standby" and strategy.standby is OnBusy.IGNORE)
    )


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
            hint="Move the group to a launch template; launch configurations have no versions to roll.",
        )
    if group.template is not None and group.template.number is None:
        raise NotPossible(
            f"Group {group.name} follows {group.template.version} of {group.template.id}; AWS could not roll it back.",
            hint="Set the group to a numbered version of the template (aws autoscaling update-auto-scaling-group).",
        )


def _require_plain_overrides(group: Group) -> None:
    if group.override_templates:
        raise NotPossible(
            f"Group {group.name} has overrides with launch templates of their own; one image cannot serve them all.",
            hint="Split the group by architecture, or remove the templates from its overrides.",
        )
    if group.attribute_based:
        raise NotPossible(
            f"Group {group.name} chooses instance types by attributes, and AWS refuses a desired configuration there.",
            hint="List instance types in the group's overrides instead.",
        )


def _adopt(view: FleetView, image: ImageRef) -> Plan | None:
    refresh = view.active
    if refresh is None:
        return None
    target = view.goal(refresh)
    if refresh.status.forward and target is not None and target == image:
        name = view.settings.name
        step = AwaitRefresh(fleet=name, group=view.group.name, strategy=view.settings.strategy, refresh=refresh.id)
        why = f"refresh {refresh.id} already goes to {image} ({refresh.percentage} %)"
        return Plan(steps=(PlannedStep(target=name, step=step, why=why),))
    raise HeldError(
        f"Refresh {refresh.id} of group {view.group.name} is {refresh.status} and goes to "
        f"{_where(refresh.desired, target)}, not to {image}.",
        hint=f"Wait for it, or undo it with: rebake rollback {view.settings.name}",
    )


def _where(desired: TemplateRef | None, image: ImageId | None) -> str:
    if desired is None:
        return "no stated version"
    return f"{desired.id} version {desired.version}" + (f" ({image})" if image else "")


def refresh_steps(
    view: FleetView, saved: TemplateVersion, version: VersionRef, *, why: str, back: bool = False
) -> tuple[PlannedStep, ...]:
    """Plan the start of a refresh from the saved version and the wait for its end.

    ``back``: it is a way back, which neither AWS nor an interruption may undo: that would lead to what is left.
    """
    name, strategy = view.settings.name, view.settings.strategy
    start = StartRefresh(
        fleet=name,
        group=view.group.name,
        template=saved.id,
        saved=saved.number,
        version=version,
        strategy=strategy,
        auto_rollback=strategy.auto_rollback and not back,
        undo=not back,
    )
    wait = AwaitRefresh(fleet=name, group=view.group.name, strategy=strategy, undo=not back)
    pace = f"{why} -> instance refresh, {strategy.min_healthy}..{strategy.max_healthy} % healthy"
    return (
        PlannedStep(target=name, step=start, why=pace),
        PlannedStep(target=name, step=wait, why=f"until {view.group.desired} instances are replaced and warm"),
    )


def _size_notes(group: Group, name: str) -> tuple[Note, ...]:
    if group.desired == 0:
        return (
            Note(target=name, text="the group is at size 0: nothing is replaced, its next launch boots the new image"),
        )
    return ()
