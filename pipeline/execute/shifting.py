"""The steps of a blue-green rollout that move traffic: waiting for healthy targets, weights, soaks, drains."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.errors import HeldError, NotPossible, StepFailed
from pipeline.execute.judging import judge_all, outcome_of
from pipeline.execute.subjects import Subject
from pipeline.execute.telling import served_since, tell_fleet
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting, pause, poll
from pipeline.execute.watching import Watch
from pipeline.model.fleets import Group
from pipeline.model.gates import Answer
from pipeline.model.ids import ImageId, TargetGroupArn
from pipeline.model.outcomes import Done, Outcome, Skipped
from pipeline.model.rollouts import AwaitTargetsHealthy, Drain, ShiftTraffic, Soak
from pipeline.model.strategies import Patience
from pipeline.model.traffic import Pair, Route
from pipeline.planning.shifts import Weights, rejoin, split

_LATE_VERDICT = timedelta(minutes=15)
"""How long past a soak a gate may stay unknown."""


def await_targets_healthy(bench: Workbench, step: AwaitTargetsHealthy) -> Waiting[Outcome]:
    """Wait until green serves with blue's size, following blue as it grows; give up early when green cannot boot."""
    pair = bench.made.pair(step.fleet, step.pair)
    fleets = bench.tools.fleets
    watch = Watch(image=_image_of(bench, fleets.named(pair.green)[0]), began=bench.tools.clock.now())

    def look() -> int | None:
        blue, green = fleets.named(pair.blue, pair.green)
        if green.minimum < blue.desired:
            # AWS raises desired capacity to a minimum above it, and never lowers it.
            bench.tools.changes.resize(green.name, minimum=blue.desired)
        _keep_subject(bench, step.fleet, pair, blue, green)
        healthy = _healthy(bench, pair.green_targets, green)
        tell_fleet(bench, step.fleet, f"{healthy} of {blue.desired} green targets healthy", [blue, green], percentage=0)
        if (why := watch.trouble(bench, green, Patience(within=step.within))) is not None:
            raise StepFailed(f"Green group {green.name} does not come up: {why}", hint="mend the image and bake again")
        return healthy if healthy >= blue.desired else None

    what = f"{pair.green} with healthy targets"
    healthy = yield from poll(bench.tools.clock, look, every=PACE, within=step.within, what=what)
    return Done(facts={"healthy": str(healthy)})


def shift_traffic(bench: Workbench, step: ShiftTraffic) -> Outcome:
    """Set the weights, in one call; weights that stand as asked are left alone."""
    pair = bench.made.pair(step.fleet, step.pair)
    route = bench.tools.traffic.route(pair.route)
    if not pair.green_targets or (not step.percent and not route.weights.get(pair.green_targets)):
        return Skipped(reason=f"{pair.green} has no traffic")
    _require_percent(pair, route, step.after, step.percent)
    weights = _weights(bench, step, pair, route)
    if weights == dict(route.weights):
        return Skipped(reason=f"{step.percent} % go to {pair.green} already")
    bench.tools.traffic.weigh(route, weights)
    tell_pair(bench, step.fleet, pair, f"{step.percent} % to {pair.green}")
    return Done(facts={"percent": str(step.percent), "green": pair.green})


def _weights(bench: Workbench, step: ShiftTraffic, pair: Pair, route: Route) -> Weights:
    if not step.leave or not route.stickiness:
        return split(route, pair.blue_targets, pair.green_targets, step.percent)
    # A weight of 0 would leave sticky clients where they are, for up to a week: only out of the route they come along.
    back = pair.turned if step.percent else pair
    (kept,) = bench.tools.fleets.named(back.blue)
    undo = kept.undo
    return rejoin(route, back.blue_targets, back.green_targets, undo.weight if undo else None)


def soak(bench: Workbench, step: Soak) -> Waiting[Outcome]:
    """Wait and watch. A gate that refuses ends it; one that says complete ends it well; at its end all must pass."""
    pair = bench.made.pair(step.fleet, None)
    clock = bench.tools.clock
    began, told = clock.now(), None
    while True:
        now = clock.now()
        told, route = tell_pair(bench, step.fleet, pair, "soak", since=told)
        _require_percent(pair, route, step.percent)
        over = now - began >= step.duration
        if step.gates:
            verdict = judge_all(bench, bench.made.subject(step.fleet, began), step.gates)
            late = now - began >= step.duration + _LATE_VERDICT
            settled = verdict.answer in {Answer.REFUSE, Answer.COMPLETE} or (over and verdict.answer.passes)
            if settled or late:
                return outcome_of(step.fleet, verdict)
        elif over:
            return Done(facts={"soaked": str(step.duration)})
        yield PACE if over else min(PACE, step.duration - (now - began))


def drain(bench: Workbench, step: Drain) -> Waiting[Outcome]:
    """Wait as long as a client may stay with a target of the pair's blue group."""
    pair = bench.made.pair(step.fleet, step.pair)
    if not pair.blue_targets:
        return Skipped(reason=f"{pair.blue} has no targets")
    traffic = bench.tools.traffic
    targets = traffic.target_group(pair.blue_targets)
    route = traffic.route(pair.route)
    longest = targets.deregistration_delay
    if pair.blue_targets in route.weights:  # out of the route nobody sticks to it
        longest = max(longest, route.stickiness, targets.stickiness)
    yield from pause(longest, step=PACE)
    return Done(facts={"drained": str(longest)})


def tell_pair(
    bench: Workbench, fleet: str, pair: Pair, text: str, *, since: datetime | None = None
) -> tuple[datetime, Route]:
    """Tell how a pair does, and keep whom gates are about; answer up to when traffic was counted, and the route."""
    fleets = bench.tools.fleets
    blue, green = fleets.named(pair.blue, pair.green)
    now = bench.tools.clock.now()
    _keep_subject(bench, fleet, pair, blue, green)
    route = bench.tools.traffic.route(pair.route)
    percent = route.percent(pair.green_targets, of=(pair.blue_targets, pair.green_targets))
    named = {pair.blue_targets: _name(blue), pair.green_targets: _name(green)}
    served, told = served_since(bench, named, since or now.replace(second=0, microsecond=0))
    tell_fleet(bench, fleet, f"{text}, {percent} % green", [blue, green], percentage=percent, served=served)
    return told, route


def _keep_subject(bench: Workbench, fleet: str, pair: Pair, blue: Group, green: Group) -> None:
    """Keep whom gates are about; since when there is a green group is what this run has seen first."""
    known = bench.made.subjects.get(fleet)
    bench.made.subjects[fleet] = Subject(
        fleet=fleet,
        since=known.since if known else bench.tools.clock.now(),
        old=blue.standing,
        serving=tuple(member for member in blue.standing if member.lifecycle == "InService"),
        new=green.standing,
        targets=(pair.green_targets,),
    )


def _require_percent(pair: Pair, route: Route, *percents: int | None) -> None:
    """Let a rollout go on only while its own weights stand.

    Raises:
        HeldError: somebody else shifted the traffic: a rollback on another machine, say.
    """
    now = route.percent(pair.green_targets, of=(pair.blue_targets, pair.green_targets))
    if percents[0] is not None and now not in percents:
        raise HeldError(
            f"{pair.green} has {now} % of the traffic, and not {percents[0]} %: somebody else shifted it.",
            hint="see who; then run again, or put the fleet back with: rebake repair",
        )


def _healthy(bench: Workbench, targets: TargetGroupArn, group: Group) -> int:
    """Count members that are healthy targets, in the group's units; fail-open is not trusted."""
    states = {target.instance: target.state for target in bench.tools.traffic.health(targets)}
    serving = [one for one in group.standing if one.lifecycle == "InService" and states.get(one.id) == "healthy"]
    return sum(member.weight for member in serving)


def _image_of(bench: Workbench, group: Group) -> ImageId | None:
    if group.template is None:
        raise NotPossible(f"Group {group.name} has no launch template.", hint="give it one, with a number")
    return ImageId(bench.tools.templates.version(group.template.id, group.template.version).image)


def _name(group: Group) -> str:
    return next((str(member.image) for member in group.standing if member.image), group.name)
