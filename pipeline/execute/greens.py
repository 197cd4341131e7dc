"""The steps that make, name and remove groups beside a fleet's own."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import HeldError, NotFound, NotPossible, StepFailed
from pipeline.execute.guarding import guard_removal
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting, pause, poll
from pipeline.model import names
from pipeline.model.fleets import Group
from pipeline.model.ids import GroupName, TargetGroupArn
from pipeline.model.names import Role
from pipeline.model.outcomes import Done, Failed, Outcome, Skipped
from pipeline.model.rollouts import CreateGreen, NameLive, RetireGroup
from pipeline.model.traffic import Pair
from pipeline.model.undo import UNDO_TAGS, Undo, settled_minimum
from pipeline.planning.shifts import rejoin

_GONE_WITHIN = timedelta(minutes=30)


def create_green(bench: Workbench, step: CreateGreen) -> Outcome:
    """Bring green up at weight 0, with blue pinned to its size; all that stands of it already is kept."""
    tools = bench.tools
    (blue,) = tools.fleets.named(step.blue)
    version = bench.made.version(step.version)
    route = tools.traffic.route(step.strategy.route)
    blue_targets = _targets(blue)
    partner = None if step.partner is None else _empty_partner(bench, step, blue)
    green = partner.name if partner else _green_name(step, blue, version)
    _pin(bench, blue, route=route.arn, weight=route.weights.get(blue_targets, 0))
    targets = _targets(partner) if partner else _clone(bench, step, green, blue_targets)
    if targets not in route.weights:
        # In no rule its targets would not even be checked (Target.NotInUse), and no policy could count its requests.
        tools.traffic.weigh(route, {**route.weights, targets: 0})
    if partner:
        _fill(bench, step, partner, blue, version)
    else:
        _make(bench, step, green, targets, blue, version)
    pair = Pair(route=route.arn, blue=blue.name, blue_targets=blue_targets, green=green, green_targets=targets)
    bench.made.pairs[step.fleet] = pair
    return Done(facts={"green": green, "version": str(version), "target_group": targets})


def name_live(bench: Workbench, step: NameLive) -> Outcome:
    """Turn the names around, in one call, and let green's size breathe again."""
    pair = bench.made.pair(step.fleet, step.pair)
    tools = bench.tools
    blue, green = tools.fleets.named(pair.blue, pair.green)
    now = tools.clock.now()
    live = {names.TAG_ROLE: Role.LIVE.value, names.TAG_ORIGIN: blue.origin, names.TAG_SINCE: now.isoformat()}
    undo, before = green.undo, blue.undo
    if undo is None and before is not None:
        # Whoever has changed blue's minimum in the meantime meant the fleet.
        own = settled_minimum(before, blue.minimum)
        lowest = blue.minimum if own is None else own
        undo = Undo(run=bench.run, minimum=lowest, pinned=green.minimum, route=before.route, weight=before.weight)
        live |= undo.tags()
    kept = {names.TAG_ROLE: Role.BLUE.value, names.TAG_ORIGIN: blue.origin}
    kept[names.TAG_RETIRE] = (now + step.keep).isoformat()
    tools.changes.tag({green.name: live, blue.name: kept})
    if undo is not None and (minimum := settled_minimum(undo, green.minimum)) is not None:
        tools.changes.resize(green.name, minimum=minimum)
    if not green.undo:
        tools.changes.untag(green.name, UNDO_TAGS)
    return Done(facts={"live": green.name, "kept": blue.name, "until": kept[names.TAG_RETIRE]})


def retire_group(bench: Workbench, step: RetireGroup) -> Waiting[Outcome]:
    """Take the pair's blue group out of the route and remove it, once it may go and still is what it was."""
    pair = bench.made.pair(step.fleet, step.pair)
    tools = bench.tools
    group = _find(bench, pair.blue)
    if group is not None and not step.at_once:
        until = group.moment(names.TAG_RETIRE)
        rest = until - tools.clock.now() if until else timedelta()
        yield from pause(rest, step=PACE)
        group = _find(bench, pair.blue)
    if group is not None and group.role is not step.role:
        return Skipped(reason=f"{group.name} has another role now ({group.role or 'none'}), and stays")
    if (refused := guard_removal(bench, step, pair)) is not None:
        return refused
    if (fault := _leave_route(bench, pair, stays=step.standing)) is not None:
        return fault
    if step.left is not None:
        tools.changes.tag({pair.green: {names.TAG_LEFT: step.left}})
    if group is None:
        _delete_targets(bench, pair)  # a run that was killed had not come further than these
        return Done(facts={"target_group": pair.blue_targets})
    if step.standing:
        yield from _empty(bench, group)
        return Done(facts={"emptied": group.name})
    _delete_targets(bench, pair)  # first: the group is what is found again
    name = group.name

    def gone() -> bool | None:
        return tools.copies.delete(name) or None

    yield from poll(tools.clock, gone, every=PACE, within=_GONE_WITHIN, what=f"The end of group {name}")
    return Done(facts={"deleted": name})


def _pin(bench: Workbench, blue: Group, *, route: str, weight: int) -> None:
    """Write down what is changed, then keep blue from being scaled in while it has less traffic, or none."""
    if blue.undo is None:
        pinned = max(blue.minimum, blue.desired)
        undo = Undo(run=bench.run, minimum=blue.minimum, pinned=pinned, route=route, weight=weight)
        bench.tools.changes.tag({blue.name: undo.tags()})
    if blue.minimum < blue.desired:
        bench.tools.changes.resize(blue.name, minimum=blue.desired)


def _green_name(step: CreateGreen, blue: Group, version: int) -> GroupName:
    name = names.green_name(step.origin, version)
    if name == blue.name:
        raise StepFailed(f"{name} has the traffic already, and cannot be made beside itself.", hint="plan again")
    return name


def _clone(bench: Workbench, step: CreateGreen, green: GroupName, source: TargetGroupArn) -> TargetGroupArn:
    made = bench.tools.clock.now().isoformat()  # ELB does not say
    marks = {names.TAG_ORIGIN: step.origin, names.TAG_RUN: bench.run, names.TAG_MADE: made}
    return bench.tools.traffic.clone(source, name=names.target_group_name(green), tags=marks)


def _make(
    bench: Workbench, step: CreateGreen, green: GroupName, targets: TargetGroupArn, blue: Group, version: int
) -> None:
    tags = {names.TAG_ORIGIN: step.origin, names.TAG_ROLE: Role.GREEN.value, names.TAG_RUN: bench.run}
    bench.tools.copies.create(blue, name=green, version=version, target_group=targets, tags=tags)
    # One that a killed run has begun is this run's now, and as young as it.
    bench.tools.changes.tag({green: {names.TAG_RUN: bench.run}})


def _empty_partner(bench: Workbench, step: CreateGreen, blue: Group) -> Group:
    """Let only a partner pass that can take blue's part: large enough, and empty or on its way already."""
    (partner,) = bench.tools.fleets.named(step.partner or blue.name)
    if partner.maximum < blue.desired:
        raise NotPossible(
            f"Partner {partner.name} may have {partner.maximum} instances, and {blue.name} has {blue.desired}.",
            hint=f"raise the maximum size of {partner.name}",
        )
    if partner.role is not Role.GREEN and partner.standing:
        raise HeldError(
            f"Partner {partner.name} is not empty: it has {len(partner.standing)} instances.",
            hint=f"scale it to 0, or wait for the end of its rollback window: rebake repair {step.fleet}",
        )
    return partner


def _fill(bench: Workbench, step: CreateGreen, partner: Group, blue: Group, version: int) -> None:
    changes = bench.tools.changes
    if partner.role is not Role.GREEN:
        changes.set_version(partner, version)
        changes.tag({partner.name: {names.TAG_ROLE: Role.GREEN.value, names.TAG_ORIGIN: step.origin}})
    changes.resize(partner.name, minimum=blue.desired)


def _leave_route(bench: Workbench, pair: Pair, *, stays: bool) -> Outcome | None:
    """Take blue's targets out of the route, or leave them there at weight 0; answer why that may not be."""
    traffic, fleets = bench.tools.traffic, bench.tools.fleets
    route = traffic.route(pair.route)
    if pair.blue_targets not in route.weights:
        return None
    if route.weights[pair.blue_targets]:
        text = f"{pair.blue} has weight {route.weights[pair.blue_targets]} in {route.arn}, so it is not removed."
        return Failed(reason=text, hint="see where the traffic is; then run it again")
    (survivor,) = fleets.named(pair.green)
    undo = survivor.undo
    if undo is None and (group := _find(bench, pair.blue)) is not None:
        undo = group.undo
    weights = rejoin(route, pair.green_targets, pair.blue_targets, undo.weight if undo else None)
    traffic.weigh(route, {**weights, pair.blue_targets: 0} if stays else weights)
    return None


def _delete_targets(bench: Workbench, pair: Pair) -> None:
    """Delete blue's target group if it was made for it; one that stood before any rollout is its owner's."""
    if names.target_group_name(pair.blue) in pair.blue_targets:
        bench.tools.traffic.delete(pair.blue_targets)


def _empty(bench: Workbench, group: Group) -> Waiting[None]:
    """Take a standing group to size 0, and wait until its instances are gone."""
    changes = bench.tools.changes
    if protected := [member.id for member in group.members if member.protected]:
        changes.protect(group.name, protected, protected=False)  # the group would keep them, with no traffic, for ever
    changes.resize(group.name, minimum=0, desired=0)
    fleets = bench.tools.fleets

    def look() -> bool | None:
        return None if fleets.named(group.name)[0].members else True

    yield from poll(bench.tools.clock, look, every=PACE, within=_GONE_WITHIN, what=f"The emptying of {group.name}")
    changes.tag({group.name: {names.TAG_ROLE: Role.RETIRED.value}})
    changes.untag(group.name, (names.TAG_RETIRE, names.TAG_SINCE, *UNDO_TAGS))


def _find(bench: Workbench, name: GroupName) -> Group | None:
    try:
        return bench.tools.fleets.named(name)[0]
    except NotFound:
        return None


def _targets(group: Group) -> TargetGroupArn:
    if len(group.target_groups) != 1:
        raise NotPossible(
            f"Group {group.name} is attached to {len(group.target_groups)} target groups; blue-green needs one.",
            hint="attach it to just the one that the route forwards to",
        )
    return group.target_groups[0]
