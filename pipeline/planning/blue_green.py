"""How a fleet comes to an image by a second group and a shift of traffic."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import NotPossible
from pipeline.model.names import Role
from pipeline.model.refs import Created, ImageRef, VersionRef
from pipeline.model.rollouts import AwaitTargetsHealthy, CreateGreen, Drain, NameLive, RetireGroup, ShiftTraffic, Soak
from pipeline.model.steps import Lane, Note, Plan, PlannedStep, Step, Wave
from pipeline.model.strategies import BlueGreen
from pipeline.model.views import FleetView
from pipeline.planning import gates
from pipeline.planning.fleets import describe_members, planned, require_rollable, stale_members, template_step
from pipeline.planning.refresh import gate_step
from pipeline.planning.sides import give_back, require_shiftable, resting_partner, retiring, settled, stands

UNTRAFFICKED = timedelta(minutes=10)
"""How long a gate may stay unknown before green has traffic."""
RETIREMENT = "retirement"
"""The wave that comes after all others: blue groups whose rollback window is over."""


def plan_blue_green(view: FleetView, image: ImageRef, strategy: BlueGreen) -> Plan:
    """Plan to bring up green on the image, shift traffic to it, and retire blue when its rollback window is over.

    A green group on the image that stands already is taken as it is, with the traffic that it has; one on another
    image is taken back first. A blue one that is still kept from the last rollout is retired first.

    Raises:
        NotPossible: the group cannot be copied, or its traffic cannot be shifted; the message says why.
        RefusedError: the route does not lead to the fleet's group.
        HeldError: an instance refresh of the group is under way.
    """
    saved = require_rollable(view)
    traffic = require_shiftable(view, strategy)
    green = traffic.side(Role.GREEN)
    if green is None and saved.image == image and not stale_members(view, saved.image):
        note = Note(target=view.name, text=f"all {len(view.group.standing)} instances are on {image}")
        return Plan(waves=retirement(view, settled(view, strategy)), notes=(note,))
    kept = traffic.side(Role.BLUE)
    first = () if kept is None else retiring(view, kept, strategy, why="a new rollout begins", at_once=True)
    retire = RetireGroup(fleet=view.name, role=Role.BLUE, standing=stands(view.group, strategy))
    last = retirement(view, planned(view, (retire, f"kept for {strategy.keep_blue}, as a way back")))
    if green is not None and green.version is not None and green.version.image == image:
        pair = traffic.pair(view.group.name, green)
        done = traffic.route.percent(pair.green_targets, of=(pair.blue_targets, pair.green_targets))
        return Plan(steps=(*first, *_forward(view, strategy, green.version.number, done)), waves=last)
    resting = resting_partner(view, strategy)
    # A partner has a launch template of its own, perhaps another one.
    base = resting.version if resting is not None and resting.version is not None else saved
    steps = (*give_back(view, strategy), *first, template_step(view, base, image))
    return Plan(steps=(*steps, *_forward(view, strategy, Created(fleet=view.name), 0)), waves=last)


def way_back(view: FleetView, strategy: BlueGreen, version: int, *, why: str) -> Plan:
    """Plan a second group on an earlier version, with all traffic at once: blue is gone, so this is the way back.

    Raises: as `plan_blue_green`.
    """
    require_shiftable(view, strategy)
    steps: list[tuple[Step, str]] = [
        (_create(view, strategy, version), why),
        (AwaitTargetsHealthy(fleet=view.name, within=strategy.healthy_within), "before any traffic"),
        (ShiftTraffic(fleet=view.name, percent=100), "all at once"),
        (Drain(fleet=view.name), "clients that stay with their targets"),
        (NameLive(fleet=view.name, keep=timedelta()), "it is the fleet's group"),
        (RetireGroup(fleet=view.name, role=Role.BLUE, standing=stands(view.group, strategy)), "it is left"),
    ]
    return Plan(steps=(*give_back(view, strategy), *planned(view, *steps)))


def retirement(view: FleetView, steps: tuple[PlannedStep, ...]) -> tuple[Wave, ...]:
    """Let steps be taken after everything else."""
    return (Wave(name=RETIREMENT, lanes=(Lane(fleet=view.name, steps=steps),)),) if steps else ()


def _forward(view: FleetView, strategy: BlueGreen, version: VersionRef, done: int) -> tuple[PlannedStep, ...]:
    """Plan from the creation of green to its name; ``done`` percent of the traffic have been shifted before."""
    settings, name = view.settings, view.name
    asked = gates.during(settings.gates)

    def soak(percent: int) -> Soak:
        return Soak(fleet=name, percent=percent, duration=strategy.soak, gates=asked)

    healthy = AwaitTargetsHealthy(fleet=name, within=strategy.healthy_within)
    steps: list[PlannedStep] = []
    if done:
        steps += planned(view, (soak(done), f"at {done} %"))
    else:
        steps += gate_step(settings, gates.before(settings.gates), UNTRAFFICKED)
    create = (_create(view, strategy, version), f"{describe_members(view)} -> blue-green")
    steps = [*planned(view, create), *steps] if done else [*steps, *planned(view, create)]
    for percent in (percent for percent in strategy.shifts if percent > done):
        steps += planned(view, (healthy, "blue may have grown" if done else "before any traffic"))
        if not done:
            steps += gate_step(settings, gates.without_traffic(settings.gates), UNTRAFFICKED)
        shift = ShiftTraffic(fleet=name, percent=percent, after=done)
        steps += planned(view, (shift, f"{percent} % to the new image"), (soak(percent), f"at {percent} %"))
        done = percent
    drain, live = Drain(fleet=name), NameLive(fleet=name, keep=strategy.keep_blue)
    last: list[tuple[Step, str]] = [(drain, "clients that stay with their targets"), (live, "it is the fleet's group")]
    return (*steps, *planned(view, *last))


def _create(view: FleetView, strategy: BlueGreen, version: VersionRef) -> CreateGreen:
    resting = resting_partner(view, strategy)
    template = resting.group.template if resting else view.group.template
    if template is None:
        raise NotPossible(f"Group {view.group.name} or its partner has no launch template.", hint="give it one")
    return CreateGreen(
        fleet=view.name,
        blue=view.group.name,
        origin=view.group.origin,
        template=template.id,
        version=version,
        strategy=strategy,
        partner=resting.group.name if resting else None,
    )
