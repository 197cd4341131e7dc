"""How a fleet comes to an image by instance refresh."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.errors import HeldError, NotPossible
from pipeline.model.fleets import Group, Refresh, TemplateRef, TemplateVersion
from pipeline.model.gates import ApprovalGate, Gate
from pipeline.model.ids import ImageId
from pipeline.model.refs import Created, ImageRef, VersionRef
from pipeline.model.rollouts import AwaitRefresh, CancelRefresh, CheckGate, HoldZones, PutBack, StartRefresh
from pipeline.model.settings import FleetSettings
from pipeline.model.steps import Note, Plan, PlannedStep, Step
from pipeline.model.strategies import RefreshStrategy
from pipeline.model.undo import UNDO_TAGS
from pipeline.model.views import FleetView
from pipeline.planning import gates
from pipeline.planning.fleets import (
    describe_members,
    planned,
    require_rollable,
    size_notes,
    stale_members,
    template_step,
)

_LAST_CHECK = timedelta(minutes=15)
"""How long a gate may stay unknown once all instances are replaced."""


def plan_refresh(view: FleetView, image: ImageRef, strategy: RefreshStrategy, *, supersede: bool = False) -> Plan:
    """Plan to bring the fleet to the image: a new launch template version if needed, then a refresh.

    A refresh that already goes there is adopted; with ``supersede`` one that goes elsewhere is cancelled first. A fleet
    that is there needs nothing.

    Raises:
        NotPossible: the group cannot be refreshed safely; the message says why.
        HeldError: another refresh is under way.
    """
    version = require_rollable(view)
    if strategy.root_volume:
        _require_root_volumes(view.group)
    if strategy.zone_by_zone:
        _require_no_protection(view.group)
    first: tuple[PlannedStep, ...] = ()
    if (active := view.active) is not None:
        if _goes_to(view, active, image):
            return Plan(steps=_adopted(view, version, active, image, strategy))
        first = _superseded(view, active, image, supersede=supersede)
    on_image = version.image == image
    stale = stale_members(view, version.image)
    if on_image and not stale and not first:
        left = _put_back(view) if UNDO_TAGS[0] in view.group.tags else ()
        return Plan(
            steps=left, notes=(Note(target=view.name, text=f"all {len(view.group.standing)} instances are on {image}"),)
        )
    if on_image:
        why = f"{len(stale)} of {len(view.group.standing)} instances are not on {image} yet"
        return Plan(steps=(*first, *_rolled(view, version, version.number, image, strategy, why=why)))
    rolled = _rolled(view, version, Created(fleet=view.name), image, strategy, why=describe_members(view))
    return Plan(steps=(*first, template_step(view, version, image), *rolled), notes=size_notes(view))


def refresh_back(
    view: FleetView, saved: TemplateVersion, target: TemplateVersion, strategy: RefreshStrategy, *, why: str
) -> tuple[PlannedStep, ...]:
    """Plan a refresh that is a way back: neither AWS nor an interruption may undo it, that would lead to what is left.

    It goes without pauses, and without alarms: AWS refuses to begin while one is ringing, which may be why we go back.
    """
    quick = replace(strategy, checkpoints=(), soak=timedelta(), alarms=(), zone_by_zone=False, auto_rollback=False)
    start = _start(view, saved, saved.number, target.number, quick, image=ImageId(target.image))
    wait = AwaitRefresh(fleet=view.name, group=view.group.name, strategy=quick, undo=False)
    return planned(view, (replace(start, undo=False), f"{why} -> {pace(quick)}"), (wait, _until(view)))


def pace(strategy: RefreshStrategy) -> str:
    """Say how a refresh goes, for the plan's reader."""
    what = "root volumes replaced in place" if strategy.root_volume else "instance refresh"
    zones = ", zone by zone" if strategy.zone_by_zone else ""
    return f"{what}, {strategy.min_healthy}..{strategy.max_healthy} % healthy{zones}"


def gate_step(settings: FleetSettings, chosen: tuple[Gate, ...], patience: timedelta) -> tuple[PlannedStep, ...]:
    """Plan to ask gates; no step where there are none. People come first: hours may pass until they answer."""
    people = tuple(gate for gate in chosen if isinstance(gate, ApprovalGate))
    others = tuple(gate for gate in chosen if gate not in people)
    return tuple(
        PlannedStep(
            target=settings.name,
            step=CheckGate(fleet=settings.name, gates=asked, patience=patience),
            why="; ".join(map(str, asked)),
        )
        for asked in (people, others)
        if asked
    )


def _rolled(
    view: FleetView,
    saved: TemplateVersion,
    version: VersionRef,
    image: ImageRef,
    strategy: RefreshStrategy,
    *,
    why: str,
) -> tuple[PlannedStep, ...]:
    zones = _zones(view, saved, version) if strategy.zone_by_zone else [""]
    steps = _through_zones(view, saved, saved.number, version, image, strategy, zones, why=why)
    before = gate_step(view.settings, gates.before(view.settings.gates), _LAST_CHECK)
    return (*before, *steps, *_afterwards(view, strategy))


def _through_zones(
    view: FleetView,
    saved: TemplateVersion,
    stands: VersionRef,
    version: VersionRef,
    image: ImageRef,
    strategy: RefreshStrategy,
    zones: list[str],
    *,
    why: str,
) -> tuple[PlannedStep, ...]:
    """Plan a refresh for each zone, or one for all; ``stands`` is the version saved on the group before the first."""
    name, group = view.name, view.group.name
    wait = AwaitRefresh(fleet=name, group=group, strategy=strategy, gates=gates.during(view.settings.gates))
    steps: list[tuple[Step, str]] = []
    for zone in zones:
        if zone:
            hold = HoldZones(fleet=name, group=group, zone=zone, version=saved.number)
            steps.append((hold, f"only instances in {zone} are replaced next"))
        start = _start(view, saved, stands, version, strategy, image=image)
        # Once a zone is through, the group is saved on the new version: AWS could only roll back to that.
        auto = start.auto_rollback and stands != version
        steps.append((replace(start, auto_rollback=auto), f"{why} -> {pace(strategy)}"))
        steps.append((wait, _until(view)))
        stands = version
    return planned(view, *steps)


def _afterwards(view: FleetView, strategy: RefreshStrategy) -> tuple[PlannedStep, ...]:
    after = gate_step(view.settings, gates.during(view.settings.gates), _LAST_CHECK)
    return (*after, *(_put_back(view) if strategy.zone_by_zone else ()))


def _zones(view: FleetView, saved: TemplateVersion, version: VersionRef) -> list[str]:
    """List the zones in which somebody is to be replaced."""
    replaced = stale_members(view, saved.image) if version == saved.number else view.group.standing
    return sorted({member.zone for member in replaced}) or [""]


def _start(
    view: FleetView,
    saved: TemplateVersion,
    stands: VersionRef,
    version: VersionRef,
    strategy: RefreshStrategy,
    *,
    image: ImageRef,
) -> StartRefresh:
    return StartRefresh(
        fleet=view.name,
        group=view.group.name,
        template=saved.id,
        saved=stands,
        version=version,
        strategy=strategy,
        auto_rollback=strategy.auto_rollback,
        image=image if any(view.group.override_images) or strategy.root_volume else None,
    )


def _put_back(view: FleetView) -> tuple[PlannedStep, ...]:
    step = PutBack(fleet=view.name, group=view.group.name)
    return planned(view, (step, "what was protected or suspended on the way"))


def _until(view: FleetView) -> str:
    return f"until {view.group.desired} instances are replaced and warm"


def _require_root_volumes(group: Group) -> None:
    """Let only groups pass whose root volumes AWS can replace in place.

    Raises:
        NotPossible: it has a load balancer, no mixed-instances policy, or an override that names no image.
    """
    if group.target_groups:
        fault = "it stands behind a load balancer, which root volume replacement does not support"
    elif not group.mixed:
        fault = "it has no mixed-instances policy"
    elif not group.override_images or None in group.override_images:
        fault = "an override of its mixed-instances policy names no image"
    else:
        return
    raise NotPossible(
        f"The root volumes of group {group.name} cannot be replaced in place: {fault}.",
        hint="remove replace_root_volume from the fleet's strategy: its instances are then replaced",
    )


def _require_no_protection(group: Group) -> None:
    """Let only groups pass in which nobody but us protects instances: they are told apart by nothing.

    Raises:
        NotPossible: the group protects what it launches, or some members are protected.
    """
    protected = sum(member.protected for member in group.standing)
    if not group.protects_new and (not protected or UNDO_TAGS[0] in group.tags):
        return
    fault = "protects what it launches from scale-in" if group.protects_new else f"has {protected} protected instances"
    raise NotPossible(
        f"Group {group.name} {fault}, and zones are held back by protection.",
        hint="remove zone_by_zone from the fleet's strategy, or end the protection first",
    )


def _goes_to(view: FleetView, refresh: Refresh, image: ImageRef) -> bool:
    target = view.goal(refresh)
    return refresh.status.forward and target is not None and target == image


def _adopted(
    view: FleetView, saved: TemplateVersion, refresh: Refresh, image: ImageRef, strategy: RefreshStrategy
) -> tuple[PlannedStep, ...]:
    """Plan to go on with a refresh that somebody has started, and with the zones that it leaves out."""
    asked = gates.during(view.settings.gates)
    step = AwaitRefresh(fleet=view.name, group=view.group.name, strategy=strategy, refresh=refresh.id, gates=asked)
    steps = planned(view, (step, f"refresh {refresh.id} already goes to {image} ({refresh.percentage} %)"))
    number = refresh.desired.number if refresh.desired is not None else None
    if strategy.zone_by_zone and number is not None:
        held = {one.zone for one in view.group.standing if one.protected and one.image != image}
        why = f"zones that refresh {refresh.id} leaves out"
        steps += _through_zones(view, saved, number, number, image, strategy, sorted(held), why=why)
    return (*steps, *_afterwards(view, strategy))


def _superseded(view: FleetView, refresh: Refresh, image: ImageRef, *, supersede: bool) -> tuple[PlannedStep, ...]:
    where = _where(refresh.desired, view.goal(refresh))
    if not supersede:
        raise HeldError(
            f"Refresh {refresh.id} of group {view.group.name} is {refresh.status} and goes to {where}, not to {image}.",
            hint=f"wait for it, undo it with: rebake rollback {view.name}, or replace it with --supersede",
        )
    step = CancelRefresh(fleet=view.name, group=view.group.name, refresh=refresh.id)
    return planned(view, (step, f"refresh {refresh.id} is {refresh.status} and goes to {where}"))


def _where(desired: TemplateRef | None, image: ImageId | None) -> str:
    if desired is None:
        return "no stated version"
    return f"{desired.id} version {desired.version}" + (f" ({image})" if image else "")
