"""The steps of a refresh: a launch template version, the refresh itself, the wait, the way back."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import HeldError
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting, poll
from pipeline.model import names
from pipeline.model.fleets import Refresh, RefreshStatus, TemplateVersion
from pipeline.model.ids import GroupName, ImageId, RefreshId
from pipeline.model.outcomes import Done, Failed, Outcome, Skipped
from pipeline.model.rollouts import CancelRefresh, CreateTemplateVersion, RollBackRefresh, StartRefresh

PACE = timedelta(seconds=15)
_CONTENTION = timedelta(minutes=5)
"""How long another change of the group (ResourceContention) may keep a refresh from starting."""
_CANCELLING = timedelta(hours=1)


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


def start_refresh(bench: Workbench, step: StartRefresh) -> Waiting[Outcome]:
    """Start the refresh, or adopt one under way that goes to the same version (the call takes no token)."""
    version = bench.made.version(step.version)
    active = active_refresh(bench, step.group)
    if active is not None:
        if not goes_to(active, step, version):
            raise HeldError(
                f"Refresh {active.id} of group {step.group} is {active.status} and goes elsewhere.",
                hint=f"Wait for it, or undo it with: rebake rollback {step.fleet}",
            )
        bench.made.refreshes[step.fleet] = active.id
        return Skipped(reason=f"refresh {active.id} already goes to version {version}")
    (group,) = bench.tools.fleets.named(step.group)
    saved = bench.made.version(step.saved)
    if group.template is None or (group.template.id, group.template.number) != (step.template, saved):
        stands = f"{group.template.id} version {group.template.version}" if group.template else "no launch template"
        return Failed(reason=f"Group {step.group} was set to {stands} after the plan was made.", hint="Plan again.")
    refresh = yield from poll(
        bench.tools.clock,
        lambda: bench.tools.refreshes.start(
            group,
            template=step.template,
            version=version,
            image=None if step.image is None else bench.made.image(step.image),
            strategy=step.strategy,
            auto_rollback=step.auto_rollback,
        ),
        every=PACE,
        within=_CONTENTION,
        what=f"The start of a refresh of group {step.group}",
    )
    bench.made.refreshes[step.fleet] = refresh
    bench.made.started.add(refresh)
    return Done(facts={"refresh": refresh, "version": str(version)})


def cancel_refresh(bench: Workbench, step: CancelRefresh) -> Waiting[Outcome]:
    """Cancel the refresh and wait for its end; one that has ended by itself is just as well."""
    found = find_refresh(bench, step.group, step.refresh)
    if found is None or found.status.ended:
        return Skipped(reason=f"refresh {step.refresh} has ended")
    if found.status is not RefreshStatus.CANCELLING:
        bench.tools.refreshes.cancel(step.group)
    ended = yield from await_end(bench, step.group, step.refresh, within=_CANCELLING)
    return Done(facts={"refresh": step.refresh, "status": ended.status})


def roll_back_refresh(bench: Workbench, step: RollBackRefresh) -> Outcome:
    """Ask AWS to roll the running refresh back, unless it does so already."""
    active = active_refresh(bench, step.group)
    if active is not None and active.status is RefreshStatus.ROLLBACK_IN_PROGRESS:
        return Skipped(reason=f"refresh {active.id} is being rolled back already")
    bench.tools.refreshes.roll_back(step.group)
    return Done(facts={"refresh": step.refresh})


def await_end(bench: Workbench, group: GroupName, refresh: RefreshId, *, within: timedelta) -> Waiting[Refresh]:
    """Wait until AWS will do nothing more under a refresh."""

    def look() -> Refresh | None:
        found = find_refresh(bench, group, refresh)
        return found if found is not None and found.status.ended else None

    return poll(bench.tools.clock, look, every=PACE, within=within, what=f"The end of refresh {refresh}")


def active_refresh(bench: Workbench, group: GroupName) -> Refresh | None:
    """Find the refresh (or roll-back) under way."""
    return next((refresh for refresh in bench.tools.refreshes.listed(group) if not refresh.status.ended), None)


def find_refresh(bench: Workbench, group: GroupName, refresh: RefreshId) -> Refresh | None:
    """Find a refresh by its id; None: AWS does not show it (yet)."""
    return next((found for found in bench.tools.refreshes.listed(group) if found.id == refresh), None)


def goes_to(refresh: Refresh, step: StartRefresh, version: int) -> bool:
    """Tell whether a refresh goes to the step's version."""
    desired = refresh.desired
    return desired is not None and desired.id == step.template and desired.number == version
