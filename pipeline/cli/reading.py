"""The verbs that change nothing, from check to diff, and report, which publishes what it shows when asked to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.door import open_room, room
from pipeline.cli.options import Common, YesOption, verb
from pipeline.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from pipeline.model.settings import Settings
    from pipeline.ports.journal import Journals

_JSON, _TEXT = "pipeline.cli.encode", "pipeline.cli.tell"
Families = Annotated[list[str] | None, typer.Argument(help="Families; default: all.")]
SurveyOption = Annotated[bool, typer.Option("--survey", help="Boot source images whose survey is half a day old.")]
Name = Annotated[str | None, typer.Argument(help="A family or a fleet; default: all.")]


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    for function in (check, plan, due, sla, patches, windows, status, watch, history, show, diff, iam):
        verb(app)(function)
    verb(app, dry_run=True)(report)
    verb(app, name="watch-sources")(watch_sources)


def check(
    common: Common,
    live: Annotated[bool, typer.Option("--live", help="Also ask AWS: credentials, permissions, quotas, keys.")] = False,
) -> None:
    """Tell what would fail, before anything is built. Exit 1: something would; what is unknown is only shown."""
    runs = room("pipeline.runs.check")
    with open_room(common) as (opened, _):
        findings = runs.recipes(opened)
        if live:
            findings += runs.live(opened, room("pipeline.wiring").actions(opened.settings))
    bad = [finding for finding in findings if finding.ok is False]
    body = {"findings": findings, "ok": not bad}
    print(room(_JSON).dump(body) if common.json else room(_TEXT).findings(findings))
    raise typer.Exit(ExitCode.FAILED if bad else ExitCode.DONE)


def plan(
    common: Common,
    families: Annotated[list[str] | None, typer.Argument(help="Families to plan for; default: all.")] = None,
) -> None:
    """Show what a release would do, and why. Exit 0: nothing to do, 2: changes."""
    runs = room("pipeline.runs.plans")
    with open_room(common) as (opened, _):
        planned = runs.for_release(opened, tuple(families or ()))
    wanted = not planned.empty or bool(planned.blocked)  # a change that is blocked is wanted all the same
    body = {"plan": planned, "changes": wanted}
    print(room(_JSON).dump(body) if common.json else room("pipeline.cli.output").plan_text(planned))
    raise typer.Exit(ExitCode.CHANGES if wanted else ExitCode.DONE)


def due(
    common: Common,
    families: Families = None,
    survey: SurveyOption = False,
) -> None:
    """Show which families are due for a release, and why. Exit 0: none is, 2: some are, 5: not all is known."""
    runs, tell = room("pipeline.runs.due"), room("pipeline.cli.due")
    with open_room(common) as (opened, _):
        judged = runs.due(opened, tuple(families or ()), survey_within=_within(survey))
    print(room(_JSON).dump({"families": judged}) if common.json else tell.text(judged))
    raise typer.Exit(tell.exit_code(judged))


def watch_sources(
    common: Common,
    families: Families = None,
    every: Annotated[int, typer.Option("--every", min=60, help="Seconds between two looks at everything.")] = 900,
    survey: SurveyOption = False,
) -> None:
    """Tell of families as they become due. Looks every quarter of an hour, and at events of the queue at once."""
    watching = room("pipeline.cli.due")
    with open_room(common) as (opened, _):
        watching.watch(
            opened,
            tuple(families or ()),
            every=timedelta(seconds=every),
            survey_within=_within(survey),
            as_json=common.json,
        )


def sla(common: Common, families: Families = None) -> None:
    """Show how soon fixes come to every fleet. Exit 0: nobody is late, 2: somebody is, 5: not all is known."""
    runs, tell = room("pipeline.runs.sla"), room("pipeline.cli.sla")
    with open_room(common) as (opened, _):
        report = runs.sla(opened, tuple(families or ()))
    print(room(_JSON).dump(report) if common.json else tell.text(report))
    raise typer.Exit(tell.exit_code(report))


def _within(survey: bool) -> timedelta | None:
    fresh: timedelta = room("pipeline.observe.patches").FRESH
    return fresh if survey else None


def patches(
    common: Common,
    family: Annotated[str, typer.Argument(help="The image family.")],
    survey: Annotated[
        bool, typer.Option("--survey", help="Boot the source image now and ask it; else the kept survey is judged.")
    ] = False,
) -> None:
    """Show which patches a bake would install. Approved ones, held back until when, rejected, and by which rule."""
    runs = room("pipeline.runs.baselines")
    with open_room(common) as (opened, _):
        resolution = runs.patches(opened, family, survey_within=timedelta() if survey else None)
    body = {"family": family, "patches": resolution}
    print(room(_JSON).dump(body) if common.json else room(_TEXT).patches(resolution))


def windows(
    common: Common,
    name: Annotated[str | None, typer.Argument(help="A patch group or a fleet; default: all.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, max=100, help="How many openings to show.")] = 3,
) -> None:
    """Show when fleets may be rolled next, group by group. Exit 1: a window or a calendar cannot be read."""
    runs = room("pipeline.runs.windows")
    with open_room(common) as (opened, _):
        groups = runs.openings(opened, name, count=count)
    print(room(_JSON).dump({"groups": groups}) if common.json else room(_TEXT).windows(groups))
    raise typer.Exit(ExitCode.FAILED if any(group.fault for group in groups) else ExitCode.DONE)


def status(common: Common, name: Name = None) -> None:
    """Show images, channels, fleets and what their instances run."""
    runs = room("pipeline.runs.status")
    with open_room(common) as (opened, _):
        families = runs.status(opened, name)
    print(room(_JSON).dump({"families": families}) if common.json else room(_TEXT).status(families))


def watch(
    common: Common,
    name: Name = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Seconds between two looks.")] = 15,
    until_done: Annotated[bool, typer.Option("--until-done", help="End when no rollout is under way.")] = False,
) -> None:
    """Show the same, live. Fleets, images, health, progress, and what has changed."""
    watching = room("pipeline.cli.watching")
    with open_room(common) as (opened, _):
        watching.watch(opened, name, every=timedelta(seconds=every), until_done=until_done, as_json=common.json)


def history(
    common: Common,
    name: Name = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="The most runs to show.")] = 20,
) -> None:
    """Show the runs, and what was baked, promoted and rolled. Who, when, how they ended; then what AWS has of it."""
    journal, past, status = room("pipeline.runs.journal"), room("pipeline.cli.past"), room("pipeline.runs.status")
    settings, places = _journals(common)
    about = journal.names_about(settings, name) if settings and name else ()
    runs = journal.newest(places, limit, past.warn, about=about)
    if runs and not common.json:  # before AWS is asked: whatever it answers, it can be read who did what
        print(f"{past.runs(runs)}\n", flush=True)
    with open_room(common) as (opened, _):
        families = status.history(opened, name)
    print(room(_JSON).dump({"runs": runs, "families": families}) if common.json else room(_TEXT).history(families))


def show(common: Common, run: Annotated[str, typer.Argument(help="The run, as history lists it.")]) -> None:
    """Show one run. Who, from where, the plan, each step's outcome, and why."""
    journal, past = room("pipeline.runs.journal"), room("pipeline.cli.past")
    _, places = _journals(common)
    told = journal.told(places, run, past.warn)
    print(room(_JSON).dump({"run": run, "records": told}) if common.json else past.run(told))


def _journals(common: Common) -> tuple[Settings | None, Sequence[Journals]]:
    """Name the places where journals lie; without a configuration this machine's are still there."""
    settings = _settings(common)
    return settings, room("pipeline.wiring").journals(settings, region=common.region, profile=common.profile)


def _settings(common: Common) -> Settings | None:
    return room("pipeline.config").load(common.config) if common.config.exists() else None


def iam(
    common: Common,
    group: Annotated[
        str | None, typer.Option("--for", help="bake, roll, gate, report or sweep; default: all together.")
    ] = None,
    part: Annotated[int | None, typer.Option("--part", min=1, help="Which, where several policies are needed.")] = None,
) -> None:
    """Print the IAM policy that verbs need. Narrowed to what the configuration names, where there is one."""
    policies = room("pipeline.aws.policies")
    if group not in {None, *room("pipeline.aws.permissions").GROUPS}:
        groups = ", ".join(room("pipeline.aws.permissions").GROUPS)
        raise UsageError(f"There is no group {group} of verbs.", hint=f"choose one of: {groups}")
    whole = policies.policy(group, _settings(common), region=common.region)
    cut = policies.parts(whole)
    if part is not None and part > len(cut):
        raise UsageError(
            f"There is no part {part}: the policy has {len(cut)}.", hint="leave --part out to see it whole"
        )
    print(json.dumps(whole if part is None else cut[part - 1], indent=2))
    if part is None and len(cut) > 1:
        typer.echo(
            f"rebake: Too long for one managed policy ({policies.size(whole)} of {policies.LIMIT} characters).\n"
            f"  -> make {len(cut)} of it: print them with --part 1 to --part {len(cut)}, or each group's with --for",
            err=True,
        )


def diff(
    common: Common,
    old: Annotated[str, typer.Argument(help="The older image (ami-…).")],
    new: Annotated[str, typer.Argument(help="The newer image (ami-…).")],
) -> None:
    """Show the packages that differ between two images."""
    runs = room("pipeline.runs.diff")
    with open_room(common) as (opened, _):
        changes = runs.diff(opened, old, new)
    body = {"old": old, "new": new, "changes": changes}
    print(room(_JSON).dump(body) if common.json else room(_TEXT).changes(old, new, changes))


def report(
    common: Common,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a line for each instance as CSV on stdout.")] = False,
    html: Annotated[Path | None, typer.Option("--html", help="Write a self-contained HTML page here.")] = None,
    sla: Annotated[
        bool, typer.Option("--sla", help="Begin with the time from a fix to every fleet; takes some calls a fleet.")
    ] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Write it to Systems Manager, as compliance items of each instance.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Show whether all instances are compliant, and why not. Exit 0 whatever is found."""
    runs, told = room("pipeline.runs.compliance"), room("pipeline.cli.compliance")
    if as_csv and common.json:
        raise UsageError("--json and --csv both want stdout.", hint="choose one of them")
    if html is not None:
        room("pipeline.cli.report").require_writable(html)
    with open_room(common) as (opened, _):
        found = runs.report(opened)
        fixes = room("pipeline.runs.sla").sla(opened) if sla else None
        if html is not None:
            told.write_page(html, found, fixes)
        if as_csv:
            print(told.as_csv(found), end="")
        else:
            print(told.as_json(found, fixes) if common.json else told.text(found, fixes), flush=True)
        if publish:
            raise typer.Exit(told.publish(replace(common, yes=yes), opened, found))
