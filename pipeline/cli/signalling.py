"""The verbs that speak to running rollouts: halt, unhalt, approve, revoke, unlock."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli.door import open_room, room
from pipeline.cli.options import Common, verb
from pipeline.errors import ExitCode, UsageError

_JSON, _TEXT = "pipeline.cli.encode", "pipeline.cli.output"
FleetOption = Annotated[str | None, typer.Option("--fleet", help="Only this fleet.")]
GroupOption = Annotated[str | None, typer.Option("--group", help="Only the fleets of this patch group.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every fleet.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; everybody who is stopped by it reads that.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    verb(app, dry_run=True)(halt)
    verb(app)(unhalt)
    verb(app)(approve)
    verb(app, dry_run=True)(revoke)
    verb(app)(unlock)


def halt(
    common: Common,
    reason: ReasonOption,
    fleet: FleetOption = None,
    group: GroupOption = None,
    everything: AllOption = False,
) -> None:
    """Pull the andon cord. Running rollouts stop before their next step, refreshes under way are stopped too."""
    runs, journal = room("pipeline.runs.signals"), room("pipeline.cli.journalling")
    with open_room(common) as (opened, _):
        scope = runs.scope_of(opened, fleet=fleet, group=group, everything=everything)
        with journal.begun(common, opened, targets=[scope]):
            fleets = runs.halt(opened, scope, reason, dry_run=common.dry_run)
        code = ExitCode.DONE if all(found.ok for found in fleets) else ExitCode.PARTIAL
        journal.end(opened, code, reason, fleets={found.fleet: found.text for found in fleets})
    if common.json:
        print(room(_JSON).dump({"scope": scope, "reason": reason, "fleets": fleets}))
    else:
        print(f"{'Would halt' if common.dry_run else 'Halted'}: {scope}. Let go with: rebake unhalt …")
        print(room(_TEXT).table((found.fleet, found.text) for found in fleets))
    raise typer.Exit(code)


def unhalt(common: Common, fleet: FleetOption = None, group: GroupOption = None, everything: AllOption = False) -> None:
    """Let the andon cord go. What was stopped goes on when its command is run again."""
    runs, journal = room("pipeline.runs.signals"), room("pipeline.cli.journalling")
    with open_room(common) as (opened, _):
        scope = runs.scope_of(opened, fleet=fleet, group=group, everything=everything)
        with journal.begun(common, opened, targets=[scope]):
            runs.unhalt(opened, scope)
        journal.end(opened, ExitCode.DONE, "")
    print(room(_JSON).dump({"scope": scope}) if common.json else f"Let go: {scope}.")


def approve(
    common: Common,
    run: Annotated[str, typer.Argument(help="The run that waits, as it says itself.")],
    reject: Annotated[bool, typer.Option("--reject", help="Say no: what waits is refused at once.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
) -> None:
    """Say yes to a rollout that waits for approval. Or no."""
    runs, journal = room("pipeline.runs.signals"), room("pipeline.cli.journalling")
    if room("pipeline.model.names").run_began(run) is None:
        raise UsageError(f"{run} is not the id of a run.", hint="it looks like 20261123T181500-kqzt")
    with open_room(common) as (opened, _):
        with journal.begun(common, opened, targets=[run]):
            signal = runs.approve(opened, run, reason, reject=reject)
        journal.end(opened, ExitCode.DONE, reason)
    word = "Rejected" if reject else "Approved"
    print(room(_JSON).dump({"run": run, "signal": signal}) if common.json else f"{word}: {run}, as {signal.by}.")


def revoke(
    common: Common,
    image: Annotated[str, typer.Argument(help="The image (ami-…).")],
    reason: ReasonOption,
    cascade: Annotated[bool, typer.Option("--cascade", help="Also all images that were baked from it.")] = False,
) -> None:
    """Take an image out of use, for good. Rolls to it are put back, and no launch template version is made with it."""
    runs, journal = room("pipeline.runs.revoking"), room("pipeline.cli.journalling")
    with open_room(common) as (opened, _):
        with journal.begun(common, opened, targets=[image]):
            told = runs.revoke(opened, image, reason, cascade=cascade, dry_run=common.dry_run)
        code = ExitCode.DONE if all(one.ok for one in told) else ExitCode.PARTIAL
        journal.end(opened, code, reason, fleets={one.target: one.text for one in told})
    body = {"image": image, "reason": reason, "targets": told}
    print(room(_JSON).dump(body) if common.json else room(_TEXT).table((one.target, one.text) for one in told))
    raise typer.Exit(code)


def unlock(
    common: Common,
    fleet: FleetOption = None,
    family: Annotated[str | None, typer.Option("--family", help="Only this family's images.")] = None,
) -> None:
    """Let go of a fleet or family for a run that is dead. One that lives changes nothing any more."""
    rooms, leases, runs = room("pipeline.runs.room"), room("pipeline.model.leases"), room("pipeline.runs.unlocking")
    if (fleet is None) == (family is None):
        raise UsageError("Say what: exactly one of --fleet, --family.", hint="see: rebake unlock --help")
    journal = room("pipeline.cli.journalling")
    with open_room(common) as (opened, _):
        if fleet is not None:
            rooms.require_known("fleet", fleet, opened.settings.fleets)
            lease = leases.fleet_lease(fleet)
        else:
            rooms.require_known("family", family, opened.settings.families)
            lease = leases.family_lease(family)
        with journal.begun(common, opened, targets=[fleet or family]):
            held = runs.unlock(opened, lease)
        journal.end(opened, ExitCode.DONE, f"held by run {held.run} of {held.by}")
    text = f"Let go: {held.name}, held by run {held.run} of {held.by} since {held.since:%Y-%m-%d %H:%M:%S} UTC."
    print(room(_JSON).dump({"lease": held}) if common.json else text)
