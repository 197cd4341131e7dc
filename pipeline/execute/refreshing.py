"""The steps of a roll: a launch template version, the refresh, the wait, the way back."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from pipeline.errors import HeldError, Interrupted, RebakeError
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import poll
from pipeline.model import names
from pipeline.model.fleets import Group, Refresh, RefreshStatus, TemplateVersion
from pipeline.model.ids import GroupName, ImageId, RefreshId
from pipeline.model.outcomes import Done, Failed, Outcome, RolledBack, Skipped
from pipeline.model.rollouts import AwaitRefresh, CreateTemplateVersion, RollBackRefresh, StartRefresh
from pipeline.model.settings import GroupByName

_PACE = timedelta(seconds=15)


def create_template_version(bench: Workbench, step: CreateTemplateVersion) -> Outcome:
    """Create the version, or adopt one that was made before from the same source with the same image."""
    templates = bench.tools.templates
    image = bench.made.image(step.image)
    origin = (step.family, image, step.source_version)
    for version in templates.versions(step.template):
        if names.template_origin(version.description) == origin:
            bench.made.versions[step.fleet] = version.number
            return Skipped(reason=f"version {version.number} of {step.template} was made for {image} before")
    source = templates.version(step.template, str(step.source_version))
    made = _create(bench, step, source, image)
    bench.made.versions[step.fleet] = made.number
    return Done(facts={"template": step.template, "version": str(made.number), "image": image})


def _create(bench: Workbench, step: CreateTemplateVersion, source: TemplateVersion, image: ImageId) -> TemplateVersion:
    # The run that baked the image, not this one: the token below demands the same request on any machine.
    known = bench.tools.images.get([image]).get(image)
    baked_by = (known.run if known else None) or bench.run
    return bench.tools.templates.create_version(
        source,
        image=image,
        description=names.template_description(step.family, image, baked_by, step.source_version),
        token=names.client_token("template-version", step.template, str(step.source_version), image),
    )


def start_refresh(bench: Workbench, step: StartRefresh) -> Outcome:
    """Start the refresh, or adopt one under way that goes to the same version (the call takes no token)."""
    fleets = bench.tools.fleets
    version = bench.made.version(step.version)
    active = _active(bench, step.group)
    if active is not None:
        if not _goes_to(active, step, version):
            raise HeldError(
                f"Refresh {active.id} of group {step.group} is {active.status} and goes elsewhere.",
                hint=f"Wait for it, or undo it with: rebake rollback {step.fleet}",
            )
        bench.made.refreshes[step.fleet] = active.id
        return Skipped(reason=f"refresh {active.id} already goes to version {version}")
    group = fleets.find(GroupByName(name=step.group))
    if group.template is None or (group.template.id, group.template.number) != (step.template, step.saved):
        stands = f"{group.template.id} version {group.template.version}" if group.template else "no launch template"
        return Failed(reason=f"Group {step.group} was set to {stands} after the plan was made.", hint="Plan again.")
    refresh = fleets.start_refresh(
        group,
        template=step.template,
        version=version,
        strategy=step.strategy,
        auto_rollback=step.auto_rollback,
    )
    bench.made.refreshes[step.fleet] = refresh
    bench.made.started.add(refresh)
    return Done(facts={"refresh": refresh, "version": str(version)})


def await_refresh(bench: Workbench, step: AwaitRefresh) -> Outcome:
    """Watch the refresh to its end."""
    refresh_id = bench.made.refresh(step.fleet, step.refresh)

    def look() -> Refresh | None:
        refresh = _find(bench, step.group, refresh_id)
        if refresh is None:
            return None
        _report(bench, step.fleet, refresh, bench.tools.fleets.find(GroupByName(name=step.group)))
        return refresh if refresh.status.ended else None

    ended = poll(
        bench.tools.clock,
        look,
        every=_PACE,
        within=step.strategy.timeout,
        what=f"The end of refresh {refresh_id} of group {step.group}",
    )
    return _outcome(bench, step, ended)


def roll_back_refresh(bench: Workbench, step: RollBackRefresh) -> Outcome:
    """Ask AWS to roll the running refresh back, unless it does so already."""
    active = _active(bench, step.group)
    if active is not None and active.status is RefreshStatus.ROLLBACK_IN_PROGRESS:
        return Skipped(reason=f"refresh {active.id} is being rolled back already")
    bench.tools.fleets.roll_back_refresh(step.group)
    return Done(facts={"refresh": step.refresh})


def put_back(bench: Workbench, step: StartRefresh | AwaitRefresh) -> Interrupted:
    """Ask AWS to roll back the refresh that an interrupted step had under way, and answer how that went."""
    look = f"rebake status {step.fleet}"
    if not step.undo:
        return Interrupted(
            f"Interrupted; the way back of {step.fleet} goes on in AWS.", hint=f"Run it again to watch, or: {look}"
        )
    try:
        active = _active(bench, step.group)
        if active is None or not _is_ours(bench, step, active):
            text = f"Interrupted; no refresh of {step.fleet} that this run had started was under way."
            return Interrupted(text, hint=f"Look with: {look}")
        if active.status is not RefreshStatus.ROLLBACK_IN_PROGRESS:
            bench.tools.fleets.roll_back_refresh(step.group)
    except RebakeError as error:
        return Interrupted(
            f"Interrupted; the refresh of {step.fleet} could not be rolled back: {error.message}",
            hint=f"See where it stands with: {look}",
        )
    return Interrupted(
        f"Interrupted; AWS is rolling {step.fleet} back to the image it had.", hint=f"Watch it with: {look}"
    )


def _is_ours(bench: Workbench, step: StartRefresh | AwaitRefresh, active: Refresh) -> bool:
    if isinstance(step, AwaitRefresh):
        return active.id in bench.made.started  # one that was adopted belongs to the run that started it
    return _goes_to(active, step, bench.made.version(step.version))


def _goes_to(refresh: Refresh, step: StartRefresh, version: int) -> bool:
    desired = refresh.desired
    return desired is not None and desired.id == step.template and desired.number == version


def _outcome(bench: Workbench, step: AwaitRefresh, ended: Refresh) -> Outcome:
    match ended.status:
        case RefreshStatus.SUCCESSFUL:
            return Done(facts={"refresh": ended.id, "percentage": str(ended.percentage)})
        case RefreshStatus.ROLLBACK_SUCCESSFUL:
            return RolledBack(reason=f"{step.fleet} is back on its old image: {_cause(bench, step.group, ended)}")
        case _:
            return Failed(
                reason=f"The refresh of {step.fleet} ended as {ended.status} at {ended.percentage} %: "
                f"{_cause(bench, step.group, ended)}",
                hint=f"See what stands with: rebake status {step.fleet}; go back with: rebake rollback {step.fleet}",
            )


def _cause(bench: Workbench, group: GroupName, refresh: Refresh) -> str:
    """Prefer the scaling activities' own words: the refresh's reason rarely says why an instance failed."""
    reason = refresh.rollback_reason or refresh.reason or "AWS gives no reason"
    since = refresh.started
    for activity in bench.tools.fleets.activities(group):
        if activity.status == "Failed" and activity.message and (since is None or activity.at >= since):
            return f"{reason} Last failed activity: {activity.message}"
    return reason


def _active(bench: Workbench, group: GroupName) -> Refresh | None:
    return next((refresh for refresh in bench.tools.fleets.refreshes(group) if not refresh.status.ended), None)


def _find(bench: Workbench, group: GroupName, refresh: RefreshId) -> Refresh | None:
    return next((found for found in bench.tools.fleets.refreshes(group) if found.id == refresh), None)


def _report(bench: Workbench, fleet: str, refresh: Refresh, group: Group) -> None:
    # What is being terminated serves nothing any more, and would make a fleet of four look like one of seven.
    images = Counter(str(member.image or "unknown") for member in group.standing)
    mix = ", ".join(f"{count} on {image}" for image, count in sorted(images.items()))
    bench.say(
        fleet,
        f"{refresh.status} {refresh.percentage} %: {mix or 'no instances'}",
        data={
            "percentage": refresh.percentage,
            "healthy": group.healthy,
            **{f"image:{k}": n for k, n in images.items()},
        },
    )
