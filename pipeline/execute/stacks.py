"""The UpdateStack step: the owner of a group changes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting, poll
from pipeline.model.outcomes import Done, Failed, Outcome, RolledBack, Skipped
from pipeline.model.rollouts import UpdateStack
from pipeline.ports.stacks import Stack

_Seen = TypeVar("_Seen")


def update_stack(bench: Workbench, step: UpdateStack) -> Waiting[Outcome]:
    """Give the image to the stack's parameter and wait for the stack, which is to replace the group's instances.

    A stack whose group has no update policy is updated in seconds and replaces nobody: that is no success.
    """
    outcome = yield from _updated(bench, step)
    if not isinstance(outcome, (Done, Skipped)):
        return outcome
    image = bench.made.image(step.image)
    group = bench.tools.fleets.find(bench.settings.fleets[step.fleet].group)
    stale = sum(member.image != image for member in group.standing)
    if not stale:
        return outcome
    return Failed(
        reason=f"Stack {step.stack} has {image}; {stale} of {len(group.standing)} instances of {group.name} have not.",
        hint="give the group an UpdatePolicy in the stack's template, so that an update replaces its instances",
    )


def _updated(bench: Workbench, step: UpdateStack) -> Waiting[Outcome]:
    """Change the stack, and wait for its end; also before, when it is being changed."""
    image = bench.made.image(step.image)
    stacks = bench.tools.stacks

    def settled(*, changed: bool = False) -> Stack | None:
        stack = stacks.get(step.stack)
        bench.say(step.fleet, f"stack {step.stack}: {stack.status}")
        at_rest = not stack.status.endswith("_IN_PROGRESS")
        # Right after the change was ordered the end of the one before it may still be shown.
        seen = stack.parameters.get(step.parameter) == image or "ROLLBACK" in stack.status or "FAILED" in stack.status
        return stack if at_rest and (seen or not changed) else None

    def propose() -> bool | None:
        return stacks.propose(step.stack, parameter=step.parameter, value=image, change_set=change_set)

    def wait(look: Callable[[], _Seen | None]) -> Waiting[_Seen]:
        what = f"The end of {step.stack}'s update"
        return poll(bench.tools.clock, look, every=PACE, within=step.timeout, what=what)

    before = yield from wait(settled)
    if before.parameters.get(step.parameter) == image:
        return Skipped(reason=f"{step.parameter} of stack {step.stack} is {image} already")
    change_set = f"rebake-{image}"
    if not (yield from wait(propose)):
        return Skipped(reason=f"{image} would change nothing in stack {step.stack}")
    stacks.execute(step.stack, change_set=change_set)
    after = yield from wait(lambda: settled(changed=True))
    if after.status in {"UPDATE_COMPLETE", "CREATE_COMPLETE"}:
        return Done(facts={"stack": step.stack, "parameter": step.parameter, "image": image})
    reason = f"Stack {step.stack} is {after.status}: {after.reason or 'CloudFormation gives no reason'}"
    if after.status == "UPDATE_ROLLBACK_COMPLETE":
        return RolledBack(reason=reason)
    return Failed(reason=reason, hint=f"see: aws cloudformation describe-stack-events --stack-name {step.stack}")
