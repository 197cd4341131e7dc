"""The steps that change a group in passing, and put it back as its own tag says."""

from __future__ import annotations

from pipeline.execute.tools import Workbench
from pipeline.model.outcomes import Done, Outcome, Skipped
from pipeline.model.rollouts import HoldZones, PutBack
from pipeline.model.undo import UNDO_TAGS, Undo, settled_minimum

_REBALANCING = "AZRebalance"


def hold_zones(bench: Workbench, step: HoldZones) -> Outcome:
    """Protect whoever is outside the zone from being replaced, and nobody inside; no zone is evened out meanwhile."""
    changes = bench.tools.changes
    (group,) = bench.tools.fleets.named(step.group)
    if group.undo is None:
        resume = () if _REBALANCING in group.suspended else (_REBALANCING,)
        undo = Undo(run=bench.run, unprotect=True, resume=resume, version=step.version)
        changes.tag({group.name: undo.tags()})
    if _REBALANCING not in group.suspended:
        changes.suspend(group.name, [_REBALANCING])
    inside = [one.id for one in group.standing if one.zone == step.zone and one.protected]
    outside = [one.id for one in group.standing if one.zone != step.zone and not one.protected]
    for members, protected in ((outside, True), (inside, False)):
        if members:
            changes.protect(group.name, members, protected=protected)
    return Done(facts={"zone": step.zone, "protected": str(len(outside))})


def put_back(bench: Workbench, step: PutBack) -> Outcome:
    """Undo what the group's tag says was changed: size, processes, protection. The tag goes last."""
    changes = bench.tools.changes
    (group,) = bench.tools.fleets.named(step.group)
    undo = group.undo
    if undo is None:
        return Skipped(reason=f"{group.name} is as it was")
    facts = {}
    if (minimum := settled_minimum(undo, group.minimum)) is not None:
        changes.resize(group.name, minimum=minimum)
        facts["minimum"] = str(minimum)
    if undo.resume:
        changes.resume(group.name, undo.resume)
        facts["resumed"] = " ".join(undo.resume)
    if undo.unprotect and (members := [one.id for one in group.standing if one.protected]):
        changes.protect(group.name, members, protected=False)
        facts["unprotected"] = str(len(members))
    if step.returning and undo.version is not None:
        changes.tag({group.name: Undo(run=undo.run, version=undo.version).tags()})
    else:
        changes.untag(group.name, UNDO_TAGS)
    return Done(facts={"group": group.name, **facts})
