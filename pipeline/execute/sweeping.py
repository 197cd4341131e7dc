"""The Remove step: what is left behind goes, unless it has come into use since the plan was made."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from pipeline.errors import CredentialsError, NotFound, NotPossible, RebakeError
from pipeline.execute.tools import Tools, Workbench
from pipeline.execute.waiting import Waiting, poll
from pipeline.model.ids import GroupName, TargetGroupArn
from pipeline.model.leftovers import Kind, Remove
from pipeline.model.outcomes import Done, Failed, Outcome

_PACE = timedelta(seconds=15)
_WITHIN = timedelta(minutes=30)


def remove(bench: Workbench, step: Remove) -> Waiting[Outcome]:
    """Remove a leftover and wait until it is gone; what goes wrong with it is a value, and stops no other."""
    removed = bench.made.removed
    if (holder := next((id_ for id_ in step.after if id_ not in removed), None)) is not None:
        return Failed(reason=f"{holder} uses it, and could not be removed", hint="mend that, and sweep again")

    def gone() -> bool | None:
        return _gone(bench.tools, step) or None

    try:
        yield from poll(bench.tools.clock, gone, every=_PACE, within=_WITHIN, what=f"The end of {step.id}")
    except CredentialsError:
        raise
    except RebakeError as error:
        return Failed(reason=error.message, hint=error.hint)
    removed.add(step.id)
    return Done()


def _gone(tools: Tools, step: Remove) -> bool:
    match step.what:
        case Kind.GROUP:
            return _delete_group(tools, step)
        case Kind.TARGET_GROUP:
            return _delete_target_group(tools, TargetGroupArn(step.id))
        case Kind.APPROVAL:
            tools.signals.take(step.id)
            return True
        case kind:
            return tools.leftovers.remove(kind, step.id)


def _delete_group(tools: Tools, step: Remove) -> bool:
    name = GroupName(step.id)
    with suppress(NotFound):
        (group,) = tools.fleets.named(name)
        if not step.tags.items() <= group.tags.items():
            raise NotPossible(f"{name} has another role now, or is another run's.")
        for arn in group.target_groups:
            _require_no_traffic(tools, arn)
    return tools.copies.delete(name)


def _delete_target_group(tools: Tools, arn: TargetGroupArn) -> bool:
    """Take a target group out of the routes where it stands without a weight, and delete it."""
    for route in map(tools.traffic.route, _require_no_traffic(tools, arn)):
        rest = {other: weight for other, weight in route.weights.items() if other != arn}
        if not rest:
            raise NotPossible(f"{route.arn} forwards to {arn} alone.", hint="let it forward to another one")
        tools.traffic.weigh(route, rest)
    tools.traffic.delete(arn)
    return True


def _require_no_traffic(tools: Tools, arn: TargetGroupArn) -> tuple[str, ...]:
    """Name the routes of a target group, none of which may give it traffic."""
    try:
        forwarding = tools.traffic.forwarding(arn)
    except NotFound:
        return ()
    for route, weight in forwarding.items():
        if weight:
            raise NotPossible(f"{arn} has weight {weight} in {route} now.")
    return tuple(forwarding)
