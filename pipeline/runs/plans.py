"""A plan for each verb: observe what it needs, ask the planner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from graphlib import TopologicalSorter

from pipeline.errors import NotFound, NotPossible, RefusedError, UsageError
from pipeline.execute.waiting import describe
from pipeline.model.ids import ImageId
from pipeline.model.rollouts import CreateGreen
from pipeline.model.settings import Settings
from pipeline.model.sources import SourceChannel
from pipeline.model.steps import Plan
from pipeline.model.views import FleetView
from pipeline.model.windows import Standing, WindowRule
from pipeline.observe.leftovers import LeftoverObserver
from pipeline.planning.bake import newest_proven, plan_bake, plan_promote, plan_smoke, require_proven
from pipeline.planning.recovery import plan_repair
from pipeline.planning.release import Released, blocked, merge, plan_release
from pipeline.planning.roll import plan_roll
from pipeline.planning.rollback import plan_rollback
from pipeline.planning.sweep import least_age, plan_sweep
from pipeline.planning.waves import FleetPlan, alone, radius_of, side_by_side, within
from pipeline.runs.room import Room

_OWN = (NotPossible, RefusedError, UsageError)
"""Errors of one family or fleet; all others (credentials, an outage) concern every one of them."""


def for_bake(room: Room, family: str, *, force: bool = False, survey_within: timedelta | None = None) -> Plan:
    """Plan a bake; ``survey_within`` as for `Room.family`."""
    return plan_bake(room.family(family, survey_within=survey_within), force=force)


def for_smoke(room: Room, family: str, *, image: ImageId | None = None) -> Plan:
    """Plan a smoke test of an image; without one, of the newest candidate."""
    fleets = room.fleets_of(family)
    return plan_smoke(room.images_of(family), image=image, like=room.fleet(fleets[0]) if fleets else None)


def for_promote(room: Room, family: str, *, image: ImageId | None = None) -> Plan:
    """Plan to move the family's channel to an image; without one, to the newest that is tested."""
    view = room.images_of(family)
    return plan_promote(view, image or newest_proven(view).id)


def for_roll(
    room: Room, fleet: str, *, image: ImageId | None = None, supersede: bool = False, override: str = ""
) -> Plan:
    """Plan to roll a fleet to an image; without one, to what its family's channel points to.

    ``override`` is the reason why its window is not waited for; empty: it is.

    Raises:
        NotFound: the channel does not exist, or the image does not.
    """
    view = room.fleet(fleet)
    family = view.settings.family
    target = image or _promoted(room, family)
    found = room.tools.images.get([target]).get(target)
    if found is None:
        raise NotFound(
            f"{target} does not exist, or this account may not see it.", hint=f"see: rebake history {family}"
        )
    require_proven(found, family=family)
    plan = plan_roll(view, target, supersede=supersede)
    rule = WindowRule(override=override)
    member = FleetPlan(fleet=fleet, plan=plan, towards=target)
    return _bounded(room, alone(member, rule=rule, standing=_standing(room, fleet, rule)))


def for_rollback(room: Room, fleet: str, *, to: int | None = None, reject: bool = False) -> Plan:
    """Plan the way back for a fleet.

    Weights go back within seconds: only a way back that takes a new group is worth asking whether there can be one.
    """
    plan = plan_rollback(room.fleet(fleet, copyable=False), to=to, reject=reject)
    if any(isinstance(planned.step, CreateGreen) for planned in plan.steps):
        plan = plan_rollback(room.fleet(fleet), to=to, reject=reject)
    return alone(FleetPlan(fleet=fleet, plan=plan, urgent=True))


def for_repair(room: Room, fleet: str | None = None) -> Plan:
    """Plan what killed runs have left to put back on a fleet, or on all of them; of several, none stops another."""
    names = sorted(room.settings.fleets) if fleet is None else [fleet]
    return side_by_side("repair", [_repaired(room, name, lenient=fleet is None) for name in names])


def for_release(
    room: Room,
    families: tuple[str, ...] = (),
    *,
    force: bool = False,
    supersede: bool = False,
    wait: bool = True,
    survey_within: timedelta | None = None,
    override: str = "",
    because: Mapping[str, str] | None = None,
) -> Plan:
    """Plan everything between the recipes as they are and every fleet running their images; no names: all families.

    ``survey_within`` as for `Room.family`; ``because``: families to bake in any case, and why.
    Images come first, families after those they are baked from; then the fleets of all families, wave after wave. Of
    several families, one that cannot be planned is noted and stops no other; one alone raises what is wrong with it.
    """
    chosen = [name for name in _in_order(room.settings) if not families or name in families]
    for unknown in set(families) - set(chosen):
        room.images_of(unknown)  # raises with the nearest name
    rule = WindowRule(wait=wait, override=override)
    released: list[Released] = []
    standings: dict[str, Standing] = {}
    absent: list[Plan] = []
    for family in chosen:
        try:
            found = _released(room, family, rule, standings, survey_within)
            released.append(replace(found, because=(because or {}).get(family, "")))
        except _OWN as error:
            if len(families) == 1:
                raise
            absent.append(blocked(family, error))
    now = room.tools.clock.now()
    plan = plan_release(room.settings, released, now, force=force, supersede=supersede, rule=rule, standings=standings)
    return _bounded(room, merge((plan, *absent)))


def for_sweep(room: Room, *, older_than: timedelta, at_most: int) -> Plan:
    """Plan to remove what killed bakes, tests and rollouts have left.

    Raises:
        UsageError: a run may take longer than that, and would be taken for a killed one.
    """
    least = least_age(room.settings)
    if older_than < least:
        raise UsageError(
            f"A run may take {describe(least)}, and what is {describe(older_than)} old may be of one that goes on.",
            hint=f"leave it longer: --older-than {-(-least // timedelta(hours=1))}h",
        )
    tools, settings = room.tools, room.settings
    observer = LeftoverObserver(
        settings=settings, leftovers=tools.leftovers, signals=tools.signals, traffic=tools.traffic
    )
    found = observer.observe()
    return plan_sweep(found, settings.families, tools.clock.now(), older_than=older_than, at_most=at_most)


def _released(
    room: Room, family: str, rule: WindowRule, standings: dict[str, Standing], survey_within: timedelta | None
) -> Released:
    """Observe a family and its fleets, and put down how the windows of these stand."""
    view = room.family(family, survey_within=survey_within)
    fleets: list[FleetView] = []
    absent: list[FleetPlan] = []
    for name in room.fleets_of(family):
        try:
            standings[name] = _standing(room, name, rule)
            fleets.append(room.fleet(name))
        except _OWN as error:
            absent.append(FleetPlan(fleet=name, plan=blocked(name, error)))
    return Released(family=view, fleets=tuple(fleets), absent=tuple(absent))


def _standing(room: Room, fleet: str, rule: WindowRule) -> Standing:
    """Read how a fleet's window stands; who overrides it is not kept by one that cannot be read."""
    try:
        return room.standing(fleet)
    except NotPossible as error:
        if not rule.override:
            raise
        return Standing(open=False, begin=False, why=error.message)


def _bounded(room: Room, plan: Plan) -> Plan:
    """Keep the plan within the run's limits; nothing is counted where there are none."""
    limits = room.settings.limits
    if not plan.waves or all(share.percent and share.value == 100 for share in (limits.fleets, limits.instances)):  # noqa: PLR2004 - per cent
        return plan
    sizes = room.sizes()
    return within(plan, radius_of(room.settings, sizes), sizes)


def _repaired(room: Room, fleet: str, *, lenient: bool) -> FleetPlan:
    try:
        plan = plan_repair(room.fleet(fleet, copyable=False))
    except _OWN as error:
        if not lenient:
            raise
        plan = blocked(fleet, error)
    return FleetPlan(fleet=fleet, plan=plan)


def _in_order(settings: Settings) -> tuple[str, ...]:
    graph = {
        name: [family.source.family] if isinstance(family.source, SourceChannel) else []
        for name, family in sorted(settings.families.items())
    }
    return tuple(TopologicalSorter(graph).static_order())


def _promoted(room: Room, family: str) -> ImageId:
    view = room.images_of(family)
    if view.channel is None:
        raise NotFound(
            f"Channel {view.parameter} does not exist: nothing was promoted yet.",
            hint=f"promote an image with: rebake promote {family}",
        )
    return view.channel
