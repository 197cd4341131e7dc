"""Guards: asked right before a step that takes capacity or traffic away, whatever the plan says."""

from __future__ import annotations

from pipeline.execute.tools import Workbench
from pipeline.model.fleets import Group
from pipeline.model.outcomes import Refused
from pipeline.model.rollouts import CreateGreen, RetireGroup, ShiftTraffic, StartRefresh, UpdateStack
from pipeline.model.steps import Step
from pipeline.model.traffic import Pair
from pipeline.planning import guards
from pipeline.planning.guards import Strength
from pipeline.ports.progress import EventKind


def guard(bench: Workbench, step: Step) -> Refused | None:
    """Say why a step may not be taken now; None: it may."""
    match step:
        case StartRefresh(undo=False):
            return None  # a way back is never barred: what it leaves is worse
        case StartRefresh() | CreateGreen() | UpdateStack():
            fault = _beginning(bench, step)
        case ShiftTraffic():
            fault = _shifting(bench, step)
        case _:
            return None
    return None if fault is None else _refused(step.fleet, fault)


def guard_removal(bench: Workbench, step: RetireGroup, pair: Pair) -> Refused | None:
    """Say why the pair's blue group may not be removed now; None: green is strong enough alone.

    Asked by the step itself: it waits first, for hours perhaps.
    """
    (green,) = bench.tools.fleets.named(pair.green)
    left = _strength(bench, green, used=True)
    fault = guards.refuse_removal(left, bench.settings.fleets[step.fleet].floor)
    return None if fault is None else _refused(step.fleet, fault)


def _refused(fleet: str, fault: str) -> Refused:
    return Refused(
        reason=f"{fleet}: {fault}", hint="nothing was changed by this step; run it again when that is mended"
    )


def _beginning(bench: Workbench, step: StartRefresh | CreateGreen | UpdateStack) -> str | None:
    """Check blast radius, headroom and strength before a fleet's first change."""
    settings = bench.settings.fleets[step.fleet]
    group = _group(bench, step)
    if bench.radius is not None and (fault := bench.radius.refuse(bench.made.touched, step.fleet, group.desired)):
        return fault
    if not isinstance(step, UpdateStack) and (fault := guards.refuse_suspended(group)):
        return fault
    if isinstance(step, StartRefresh) and (
        fault := guards.refuse_refresh(_strength(bench, group), step.strategy, settings.floor)
    ):
        return fault
    if step.fleet not in bench.made.touched and not isinstance(step, UpdateStack):
        for finding in bench.tools.headroom.surge(settings):
            if finding.ok is False:
                return finding.whole
            if finding.ok is None:
                bench.say(step.fleet, f"unknown: {finding.whole}", kind=EventKind.WARNING)
    bench.made.touched[step.fleet] = group.desired
    return None


def _shifting(bench: Workbench, step: ShiftTraffic) -> str | None:
    pair = bench.made.pair(step.fleet, step.pair)
    fleets = bench.tools.fleets
    blue, green = (_strength(bench, group, used=True) for group in fleets.named(pair.blue, pair.green))
    floor = bench.settings.fleets[step.fleet].floor
    # Whoever is given more must carry it: green on the way out, blue on the way back.
    route = bench.tools.traffic.route(pair.route)
    now = route.percent(pair.green_targets, of=(pair.blue_targets, pair.green_targets))
    if step.percent >= now:
        return guards.refuse_shift(blue, green, step.percent, floor)
    return guards.refuse_shift(green, blue, 100 - step.percent, floor)


def _group(bench: Workbench, step: StartRefresh | CreateGreen | UpdateStack) -> Group:
    match step:
        case StartRefresh(group=name) | CreateGreen(blue=name):
            return bench.tools.fleets.named(name)[0]
        case UpdateStack():
            return bench.tools.fleets.find(bench.settings.fleets[step.fleet].group)


def _strength(bench: Workbench, group: Group, *, used: bool = False) -> Strength:
    return guards.strength(group, [bench.tools.traffic.health(arn) for arn in group.target_groups], used=used)
