"""In which order fleets are rolled: patch group after patch group, each as one wave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.errors import ExitCode
from pipeline.model.fleets import RefreshStatus
from pipeline.model.ids import ImageId
from pipeline.model.names import TAG_SINCE
from pipeline.model.refs import ImageRef
from pipeline.model.settings import PatchGroup, Settings
from pipeline.model.shares import Radius, Share
from pipeline.model.steps import Lane, Note, Plan, Wave
from pipeline.model.views import FleetView
from pipeline.model.windows import Standing, WindowRule
from pipeline.planning.fleets import stale_members
from pipeline.planning.timing import waiting_text

_LAST = PatchGroup(name="fleets", wave=1_000_000, concurrency=Share(value=1))
"""Fleets without a patch group: after all others, one at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """What is to happen to one fleet. ``image`` is what it is to run, baked at ``baked``; None: not known or not yet.

    ``view`` None: the fleet could not be observed. ``towards``, ``channel`` and ``urgent`` are its lane's.
    """

    fleet: str
    plan: Plan
    view: FleetView | None = None
    image: ImageId | None = None
    baked: datetime | None = None
    towards: ImageRef | None = None
    channel: str = ""
    urgent: bool = False

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Its lane, where something is to be done."""
        steps = self.plan.steps
        lane = Lane(fleet=self.fleet, steps=steps, image=self.towards, channel=self.channel, urgent=self.urgent)
        return (lane,) if steps else ()


def in_waves(
    settings: Settings,
    fleets: Sequence[FleetPlan],
    now: datetime,
    *,
    rule: WindowRule | None = None,
    standings: Mapping[str, Standing] | None = None,
) -> Plan:
    """Order fleets into waves.

    A patch group waits until its image is old enough, the group before has been on its images for long enough, and its
    window is open; ``standings`` says how that stands, by fleet. Where ``rule`` says not to wait such a group, and all
    after it, is left to a later run. So it is when more fleets than allowed of the group before cannot be rolled, or
    are not there yet without our doing.
    """
    rule = rule or WindowRule()
    waves: list[Wave] = []
    notes: list[Note] = []
    held, before = "", list[FleetPlan]()
    for group, members in _by_group(settings, fleets):
        notes += [note for member in members for note in member.plan.notes]
        lanes = [lane for member in members for lane in member.lanes]
        due = _due(group, members, before, now, following=bool(waves))
        closed = dict.fromkeys(filter(None, (_closed(lane.fleet, standings or {}, rule) for lane in lanes)))
        if not rule.wait and lanes:
            why = _later(group, due, now, following=bool(waves)) or next(iter(closed), "")
            held = held or ("" if rule.override and why in closed else why)
        if lanes and held:
            notes += [Note(target=lane.fleet, text=f"{held}; run again then") for lane in lanes]
        elif lanes:
            notes += [Note(target=group.name, text=text) for text in closed]
            first = Wave(name=group.name, lanes=(), image_age=_age(group, members), not_before=due)
            waves += _waves_of(group, lanes, replace(first, soak_before=group.soak_before if waves else timedelta()))
        stuck = [member.fleet for member in members if member.plan.blocked or _elsewhere(member)]
        if len(stuck) > group.max_errors.most(len(members)):
            held = held or f"waits for {', '.join(stuck)} of {group.name}"
        before = members
    begun = {lane.fleet for wave in waves for lane in wave.lanes}
    last = [wave for one in fleets if one.fleet in begun or not one.plan.steps for wave in one.plan.waves]
    return Plan(waves=(*waves, *_together(last)), notes=tuple(notes), windows=rule)


def alone(member: FleetPlan, *, rule: WindowRule | None = None, standing: Standing | None = None) -> Plan:
    """Roll one fleet because somebody says so: no other fleet and no image's age is waited for, but its window is."""
    rule = rule or WindowRule()
    waves = (Wave(name=member.fleet, lanes=member.lanes), *member.plan.waves) if member.lanes else member.plan.waves
    closed = _closed(member.fleet, {member.fleet: standing} if standing and member.lanes else {}, rule)
    notes = (Note(target=member.fleet, text=closed),) if closed else ()
    return Plan(waves=waves, notes=(*member.plan.notes, *notes), windows=rule)


def side_by_side(name: str, members: Sequence[FleetPlan]) -> Plan:
    """Let all fleets go at once, and none stop another; what they do at the very end comes after all of them."""
    first = Wave(name=name, lanes=tuple(lane for member in members for lane in member.lanes))
    waves = (first, *(wave for member in members for wave in member.plan.waves))
    together = [wave for wave in (_together([first]), _together(waves[1:])) if wave]
    return Plan(
        waves=tuple(wave for waves in together for wave in waves),
        notes=tuple(note for member in members for note in member.plan.notes),
    )


def within(plan: Plan, radius: Radius, sizes: Mapping[str, int]) -> Plan:
    """Leave out the lanes beyond the blast radius, in the order of the waves, and say so.

    Nobody overtakes: once a fleet is left out, so is every later wave. Where not even one fits, that is refused.
    """
    touched: dict[str, int] = {}
    waves: list[Wave] = []
    notes: list[Note] = []
    for wave in plan.waves:
        kept, before = [], ", ".join(note.target for note in notes)
        for lane in wave.lanes:
            size = sizes.get(lane.fleet, 0)
            fault = radius.refuse(touched, lane.fleet, size)
            if before and lane.fleet not in touched:
                fault = f"it comes after {before}"
            if fault is None:
                touched[lane.fleet] = size
                kept.append(lane)
            elif lane.fleet not in {note.target for note in notes}:
                blocked = None if touched else ExitCode.REFUSED
                text = f"{fault}; {'run again for it' if touched else 'see limits in rebake.yaml'}"
                notes.append(Note(target=lane.fleet, text=text, blocked=blocked))
        if kept:
            waves.append(replace(wave, lanes=tuple(kept)))
    return replace(plan, waves=tuple(waves), notes=(*plan.notes, *notes), radius=radius)


def radius_of(settings: Settings, sizes: Mapping[str, int]) -> Radius:
    """Count out the limits of one run; ``sizes`` are the desired capacities of all configured fleets."""
    return Radius(
        fleets=max(1, settings.limits.fleets.most(len(settings.fleets))),
        instances=settings.limits.instances.most(sum(sizes.values())),
    )


def arrived(view: FleetView, image: ImageId) -> datetime | None:
    """Tell since when a fleet is on an image, as far as AWS tells; None: not known.

    Where somebody else replaced its instances, the oldest of them on the image tells since when it is tried there.
    """
    if since := view.group.moment(TAG_SINCE):
        return since
    for refresh in view.refreshes:
        if refresh.status is RefreshStatus.SUCCESSFUL and view.goal(refresh) == image:
            return refresh.ended
    return min((one.launched for one in view.group.standing if one.image == image and one.launched), default=None)


def _by_group(settings: Settings, fleets: Iterable[FleetPlan]) -> list[tuple[PatchGroup, list[FleetPlan]]]:
    found: dict[str, tuple[PatchGroup, list[FleetPlan]]] = {}
    for member in sorted(fleets, key=lambda one: one.fleet):
        name = settings.fleets[member.fleet].patch_group or ""
        group = settings.patch_groups.get(name, _LAST)
        found.setdefault(group.name, (group, []))[1].append(member)
    return sorted(found.values(), key=lambda entry: entry[0].wave)


def _due(
    group: PatchGroup, members: Sequence[FleetPlan], before: Sequence[FleetPlan], now: datetime, *, following: bool
) -> datetime | None:
    """Tell the moment before which the group may not begin; None: there is none.

    ``following``: the group before is rolled in this very plan, so that its soak is counted when that has ended.
    """
    moments = []
    if group.min_image_age:
        moments += [(member.baked or now) + group.min_image_age for member in members if member.plan.steps]
    if group.soak_before and not following:
        there = [arrived(one.view, one.image) or now for one in before if one.view and one.image]
        moments += [at + group.soak_before for at in there]
    return max(moments, default=None)


def _later(group: PatchGroup, due: datetime | None, now: datetime, *, following: bool) -> str:
    """Say until when a group is left alone; empty: it may go now."""
    if due is not None and due > now:
        return f"waits until {due:%Y-%m-%d %H:%M} UTC"
    return f"waits {group.soak_before} after the group before" if following and group.soak_before else ""


def _closed(fleet: str, standings: Mapping[str, Standing], rule: WindowRule) -> str:
    """Say what a fleet's window has against rolling it now; empty: nothing."""
    standing = standings.get(fleet)
    if standing is None or standing.begin:
        return ""
    return f"{standing.why}; that is overridden: {rule.override}" if rule.override else waiting_text(standing)


def _elsewhere(member: FleetPlan) -> bool:
    """Tell whether a fleet is not on its image and nothing is planned for it: its owner has not followed yet."""
    if member.plan.steps or member.view is None:
        return False
    # Nobody is on an image that is yet to be baked.
    return bool(stale_members(member.view, member.image) if member.image else member.view.group.standing)


def _age(group: PatchGroup, members: Sequence[FleetPlan]) -> timedelta:
    """Tell what age is to be waited for once the images stand; nothing where they do already."""
    baking = any(member.plan.steps and member.image is None for member in members)
    return group.min_image_age if baking else timedelta()


def _waves_of(group: PatchGroup, lanes: list[Lane], first: Wave) -> list[Wave]:
    """Make the group's waves; ``first`` says what the first of them waits for."""
    canary = tuple(lane for lane in lanes if lane.fleet == group.canary)
    others = tuple(lane for lane in lanes if lane.fleet != group.canary)
    waves = []
    if canary:
        waves.append(replace(first, name=f"{group.name} canary", lanes=canary))
    if others:
        wave = replace(
            first,
            lanes=others,
            concurrency=max(1, group.concurrency.most(len(lanes))),
            max_errors=group.max_errors.most(len(lanes)),
            soak_before=timedelta() if canary else first.soak_before,
        )
        waves.append(wave)
    return waves


def _together(waves: Sequence[Wave]) -> tuple[Wave, ...]:
    """Put what fleets do at the very end into one wave, all at once: each waits for its own time."""
    lanes = tuple(lane for wave in waves for lane in wave.lanes)
    if not lanes:
        return ()
    return (Wave(name=waves[0].name, lanes=lanes, concurrency=len(lanes), max_errors=len(lanes)),)
