"""The groups beside a blue-green fleet's own: whether there may be one, and how each of them ends."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import HeldError, NotPossible, RefusedError
from pipeline.model.fleets import Group
from pipeline.model.ids import ImageId
from pipeline.model.names import Role, green_name, target_group_name
from pipeline.model.rollouts import Drain, NameLive, PutBack, RetireGroup, ShiftTraffic
from pipeline.model.steps import PlannedStep, Step
from pipeline.model.strategies import BlueGreen
from pipeline.model.traffic import Pair
from pipeline.model.undo import UNDO_TAGS
from pipeline.model.views import FleetView, Side, TrafficView
from pipeline.planning.fleets import planned
from pipeline.planning.ownership import owner


def require_shiftable(view: FleetView, strategy: BlueGreen) -> TrafficView:
    """Let only fleets pass whose traffic can be moved to a second group as a whole.

    Raises:
        NotPossible: the group cannot be copied, or has other traffic than the route's.
        HeldError: an instance refresh of it is under way.
        RefusedError: the route does not lead to the fleet's group.
    """
    group, traffic = view.group, view.traffic
    if view.active is not None:
        raise HeldError(
            f"Instance refresh {view.active.id} of group {group.name} is {view.active.status}.",
            hint=f"wait for it, or undo it with: rebake rollback {view.name}",
        )
    if traffic is None or len(group.target_groups) != 1:
        raise NotPossible(
            f"Group {group.name} is attached to {len(group.target_groups)} target groups; blue-green needs one.",
            hint="attach it to just the target group that the route forwards to, or use instance_refresh",
        )
    if traffic.targets not in traffic.route.weights:
        raise RefusedError(
            f"{strategy.route} does not forward to {traffic.targets}, the target group of {group.name}.",
            hint="name the rule or listener that brings the fleet its traffic",
        )
    if traffic.elsewhere:
        raise NotPossible(
            f"{', '.join(traffic.elsewhere)} forward to {group.name}'s target group too, and would lose it.",
            hint="give them a target group of their own, or use instance_refresh",
        )
    if traffic.obstacles and strategy.partner is None:
        raise NotPossible(
            f"Group {group.name} cannot be copied: {'; '.join(traffic.obstacles)}.",
            hint="name a standing partner group, or use instance_refresh",
        )
    return traffic


def give_back(view: FleetView, strategy: BlueGreen, *, failed: bool = False) -> tuple[PlannedStep, ...]:
    """Plan to take an unfinished rollout back: weights first, in one call, then green, then what else was changed.

    ``failed``: its image is noted as one that the fleet was brought away from.
    """
    traffic = view.traffic
    green = traffic.side(Role.GREEN) if traffic else None
    if traffic is None or green is None:
        return (*_strays(view), *put_back(view))
    pair = traffic.pair(view.group.name, green)
    steps: list[tuple[Step, str]] = []
    if traffic.route.weights.get(pair.green_targets):
        steps.append((ShiftTraffic(fleet=view.name, percent=0, pair=pair, leave=True), f"away from {pair.green}"))
        steps.append((Drain(fleet=view.name, pair=pair.turned), "requests that it still answers"))
    image = ImageId(green.version.image) if failed and green.version else None
    retired = retiring(view, green, strategy, why="it has no traffic", at_once=True, left=image)
    return (*planned(view, *steps), *retired, *put_back(view))


def return_to_blue(view: FleetView, traffic: TrafficView, kept: Side, strategy: BlueGreen) -> tuple[PlannedStep, ...]:
    """Plan the way back to a blue group that is still kept: weights in one call, then the names, then green goes."""
    pair = traffic.pair(view.group.name, kept)
    image = kept.version.image if kept.version else "its image"
    retire = RetireGroup(
        fleet=view.name,
        role=Role.BLUE,
        pair=pair,
        standing=stands(view.group, strategy),
        at_once=True,
        left=ImageId(view.version.image) if view.version else None,
    )
    steps: list[tuple[Step, str]] = [
        (ShiftTraffic(fleet=view.name, percent=100, pair=pair, leave=True), f"back to {pair.green} ({image})"),
        (NameLive(fleet=view.name, keep=timedelta(), pair=pair), "it is the fleet's group again"),
        (Drain(fleet=view.name, pair=pair), "requests that the other one still answers"),
        (retire, "it has no traffic"),
        (PutBack(fleet=view.name, group=pair.green), "its size may change again"),
    ]
    return planned(view, *steps)


def _strays(view: FleetView) -> tuple[PlannedStep, ...]:
    """Plan the end of target groups that a killed run had put into the route before it made their group."""
    traffic = view.traffic
    if traffic is None:
        return ()
    known = {view.group.name, *(side.group.name for side in traffic.others)}
    made = {green_name(view.group.origin, version.number) for version in view.versions} - known
    steps = []
    for name in sorted(made):
        for arn, weight in traffic.route.weights.items():
            if not weight and f"/{target_group_name(name)}/" in arn:
                pair = Pair(
                    route=traffic.route.arn,
                    blue=name,
                    blue_targets=arn,
                    green=view.group.name,
                    green_targets=traffic.targets,
                )
                step = RetireGroup(fleet=view.name, role=Role.GREEN, pair=pair, at_once=True)
                steps.append((step, "its group was never made"))
    return planned(view, *steps)


def resting_partner(view: FleetView, strategy: BlueGreen) -> Side | None:
    """Find the standing partner that is to take over, whether it rests or has begun to; None for a fleet without one.

    Raises:
        NotPossible: the two groups do not have a target group each, so that no weight could tell them apart.
    """
    if strategy.partner is None:
        return None
    side = next(iter(view.traffic.others), None) if view.traffic else None
    if view.traffic is None or side is None or side.targets in {None, view.traffic.targets}:
        raise NotPossible(
            f"Group {view.group.name} and its partner do not have a target group each.",
            hint="attach each of the two to just one target group, and not to the other's",
        )
    return side


def stands(group: Group, strategy: BlueGreen) -> bool:
    """Tell whether a group that is left stays, empty: it takes turns with a partner, or code elsewhere owns it.

    A copy carries its owner's tags, too, but nobody's code knows of it.
    """
    return strategy.partner is not None or (group.name == group.origin and owner(group.tags) is not None)


def settled(view: FleetView, strategy: BlueGreen) -> tuple[PlannedStep, ...]:
    """Plan what a finished rollout still owes: the end of blue, when its time has come, and loose ends."""
    kept = view.traffic.side(Role.BLUE) if view.traffic else None
    return (
        *put_back(view),
        *(() if kept is None else retiring(view, kept, strategy, why="its rollback window ends")),
    )


def put_back(view: FleetView) -> tuple[PlannedStep, ...]:
    """Plan to put back what the group's own tag says was changed."""
    if UNDO_TAGS[0] not in view.group.tags:
        return ()
    return planned(view, (PutBack(fleet=view.name, group=view.group.name), "what was changed on the way"))


def retiring(
    view: FleetView, side: Side, strategy: BlueGreen, *, why: str, at_once: bool = False, left: ImageId | None = None
) -> tuple[PlannedStep, ...]:
    """Plan the end of a group beside the fleet's own."""
    if view.traffic is None or side.group.role is None:
        return ()
    step = RetireGroup(
        fleet=view.name,
        role=side.group.role,
        pair=view.traffic.pair(view.group.name, side).turned,
        standing=stands(side.group, strategy),
        at_once=at_once,
        left=left,
    )
    return planned(view, (step, why))
