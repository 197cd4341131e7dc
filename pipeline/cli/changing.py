"""The verbs that change something: bake, smoke, promote, roll, rollback, release, repair, sweep, baselines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.door import room
from pipeline.cli.options import Common, verb
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.model.steps import Plan
    from pipeline.runs.room import Room

FamilyName = Annotated[str, typer.Argument(help="The image family.")]
FleetName = Annotated[str, typer.Argument(help="The fleet.")]
ImageOption = Annotated[str | None, typer.Option("--image", help="The image (ami-…); default: see the verb's help.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Bake although nothing changed.")]
SupersedeOption = Annotated[
    bool, typer.Option("--supersede", help="Cancel an instance refresh that goes elsewhere, and go on.")
]
ApproveByOption = Annotated[
    str | None,
    typer.Option("--approve-by", help="Wait for `rebake approve RUN` before each fleet; give up at this time (2h)."),
]
NowOption = Annotated[
    str | None,
    typer.Option("--now", metavar="REASON", help="Roll outside of maintenance windows, in freezes too; say why."),
]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for function in (bake, smoke, promote, roll, rollback, release, repair, sweep, baselines):
        verb(app, changes=True)(function)


def bake(common: Common, family: FamilyName, force: ForceOption = False) -> None:
    """Bake a candidate, unless one of this recipe stands."""
    plans = room("pipeline.runs.plans")
    within = _survey_within(common)
    _carry_out(common, lambda opened: plans.for_bake(opened, family, force=force, survey_within=within))


def smoke(common: Common, family: FamilyName, image: ImageOption = None) -> None:
    """Boot an image and test it. Default: the newest one; its stage becomes tested or rejected."""
    plans = room("pipeline.runs.plans")
    _carry_out(common, lambda opened: plans.for_smoke(opened, family, image=image))


def promote(common: Common, family: FamilyName, image: ImageOption = None) -> None:
    """Point the family's channel at a tested image. Default: the newest."""
    plans = room("pipeline.runs.plans")
    _carry_out(common, lambda opened: plans.for_promote(opened, family, image=image))


def roll(
    common: Common,
    fleet: FleetName,
    image: ImageOption = None,
    supersede: SupersedeOption = False,
    approve_by: ApproveByOption = None,
    now: NowOption = None,
) -> None:
    """Replace a fleet's instances. Default: by the image its channel points to."""
    plans = room("pipeline.runs.plans")
    override = _reason(now)

    def planner(opened: Room) -> Plan:
        planned: Plan = plans.for_roll(opened, fleet, image=image, supersede=supersede, override=override)
        return planned

    _carry_out(common, planner, approve_by=approve_by)


def rollback(
    common: Common,
    fleet: FleetName,
    to: Annotated[int | None, typer.Option("--to", help="The launch template version to go back to.")] = None,
    reject: Annotated[
        bool, typer.Option("--reject", help="Reject the image that is left: never roll it again.")
    ] = False,
) -> None:
    """Bring a fleet back to its earlier image. During a refresh or after one."""
    plans = room("pipeline.runs.plans")
    _carry_out(common, lambda opened: plans.for_rollback(opened, fleet, to=to, reject=reject))


def release(
    common: Common,
    families: Annotated[list[str] | None, typer.Argument(help="Families to release; default: all.")] = None,
    force: ForceOption = False,
    supersede: SupersedeOption = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Leave patch groups whose time has not come to a later run.")
    ] = False,
    if_due: Annotated[
        bool, typer.Option("--if-due", help="Only families that `rebake due` names: for schedulers.")
    ] = False,
    approve_by: ApproveByOption = None,
    now: NowOption = None,
) -> None:
    """Bake, smoke test, promote and roll, where it is needed. Fleets of one patch group after the other."""
    if if_due and force:
        raise UsageError("--if-due and --force contradict each other.", hint="leave one of them out")
    chosen = tuple(families or ())
    shared: dict[str, Any] = {
        "supersede": supersede,
        "wait": not no_wait,
        "survey_within": _survey_within(common),
        "override": _reason(now),
    }

    def planner(opened: Room) -> Plan:
        if if_due:
            wanted: Plan = room("pipeline.runs.due").for_due(opened, chosen, **shared)
            return wanted
        planned: Plan = room("pipeline.runs.plans").for_release(opened, chosen, force=force, **shared)
        return planned

    _carry_out(common, planner, approve_by=approve_by)


def repair(
    common: Common, fleet: Annotated[str | None, typer.Argument(help="The fleet; default: all of them.")] = None
) -> None:
    """Put back what a killed run has left. Weights, groups without traffic, sizes, processes, protection."""
    plans = room("pipeline.runs.plans")
    _carry_out(common, lambda opened: plans.for_repair(opened, fleet))


def sweep(
    common: Common,
    older_than: Annotated[str, typer.Option("--older-than", help="Leave what is younger.")] = "24h",
    at_most: Annotated[int, typer.Option("--at-most", min=1, help="Remove no more than so many in one run.")] = 50,
) -> None:
    """Remove what killed bakes and tests have left. Only shown, unless --yes is given."""
    plans, carry = room("pipeline.runs.plans"), room("pipeline.cli.carry")
    age = carry.option_duration("--older-than", older_than)
    shown = replace(common, dry_run=common.dry_run or not common.yes)
    code = carry.carry_out(shown, lambda opened: plans.for_sweep(opened, older_than=age, at_most=at_most))
    if not common.yes:
        print("Only shown: nothing is removed without --yes.", file=sys.stderr)
    raise typer.Exit(code)


def baselines(
    common: Common, name: Annotated[str | None, typer.Argument(help="A baseline of the file; default: all.")] = None
) -> None:
    """Write the file's patch baselines to SSM. Its patch groups are given theirs, so that both are one."""
    runs = room("pipeline.runs.baselines")
    _carry_out(common, lambda opened: runs.for_baselines(opened, name))


def _survey_within(common: Common) -> timedelta | None:
    """Tell how old a survey of a source image may be; a dry run boots nothing and takes what is kept."""
    fresh: timedelta = room("pipeline.observe.patches").FRESH
    return None if common.dry_run else fresh


def _reason(now: str | None) -> str:
    if now is not None and not now.strip():
        raise UsageError("--now needs a reason.", hint='say why it cannot wait, as in --now "CVE-2026-1234 in use"')
    return (now or "").strip()


def _carry_out(common: Common, planner: Callable[[Room], Plan], *, approve_by: str | None = None) -> None:
    carry = room("pipeline.cli.carry")
    raise typer.Exit(carry.carry_out(common, planner, approve_by=approve_by))
