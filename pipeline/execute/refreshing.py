"""The steps of a refresh: a launch template version, the refresh itself, the wait, the way back."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import HeldError, NotPossible
from pipeline.execute.tools import Tools, Workbench
from pipeline.execute.waiting import PACE, Waiting, poll
from pipeline.model import names
from pipeline.model.fleets import Refresh
from pipeline.model.ids import GroupName, RefreshId
from pipeline.model.outcomes import Done, Failed, Outcome, Refused, Skipped
from pipeline.model.rollouts import CancelRefresh, CreateTemplateVersion, RollBackRefresh, StartRefresh
from pipeline.model.strategies import OnHalt
from pipeline.planning.halts import way_to_stop

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
    known = bench.tools.images.get([image]).get(image)
    if known is not None and known.barred:
        return Refused(reason=f"{image} was {known.barred}", hint=f"bake another one: rebake bake {step.family}")
    source = templates.version(step.template, str(step.source_version))
    # The run that baked the image, not this one: the token below demands the same request on any machine.
    made = templates.create_version(
        source,
        image=image,
        description=names.template_description(
            step.family, image, (known.run if known else None) or bench.run, step.source_version
        ),
        token=names.client_token("template-version", step.template, str(step.source_version), image),
    )
    bench.made.versions[step.fleet] = made.number
    return Done(facts={"template": step.template, "version": str(made.number), "image": image})


def start_refresh(bench: Workbench, step: StartRefresh) -> Waiting[Outcome]:
    """Start the refresh, or adopt one under way that goes to the same version (the call takes no token)."""
    version = bench.made.version(step.version)
    active = next((one for one in bench.tools.refreshes.listed(step.group) if not one.status.ended), None)
    if active is not None:
        if not _goes_to(active, step, version):
            raise HeldError(
                f"Refresh {active.id} of group {step.group} is {active.status} and goes elsewhere.",
                hint=f"wait for it, or undo it with: rebake rollback {step.fleet}",
            )
        bench.made.refreshes[step.fleet] = active.id
        return Skipped(reason=f"refresh {active.id} already goes to version {version}")
    (group,) = bench.tools.fleets.named(step.group)
    saved = bench.made.version(step.saved)
    if group.template is None or (group.template.id, group.template.number) != (step.template, saved):
        stands = f"{group.template.id} version {group.template.version}" if group.template else "no launch template"
        return Failed(reason=f"Group {step.group} was set to {stands} after the plan was made.", hint="plan again")
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
    found = find_refresh(bench.tools, step.group, step.refresh)
    if found is None or found.status.ended:
        return Skipped(reason=f"refresh {step.refresh} has ended")
    stop_refresh(bench.tools, found, OnHalt.CANCEL)

    def look() -> Refresh | None:
        seen = find_refresh(bench.tools, step.group, step.refresh)
        return seen if seen is not None and seen.status.ended else None

    what = f"The end of refresh {step.refresh}"
    ended = yield from poll(bench.tools.clock, look, every=PACE, within=_CANCELLING, what=what)
    return Done(facts={"refresh": step.refresh, "status": ended.status})


def roll_back_refresh(bench: Workbench, step: RollBackRefresh) -> Outcome:
    """Ask AWS to undo the refresh, unless it does so already."""
    found = find_refresh(bench.tools, step.group, step.refresh)
    if found is None or not found.status.forward:
        return Skipped(reason=f"refresh {step.refresh} is {found.status if found else 'gone'} already")
    how = stop_refresh(bench.tools, found, OnHalt.ROLL_BACK)
    return Done(facts={"refresh": step.refresh, "asked": how})


def stop_refresh(tools: Tools, refresh: Refresh, how: OnHalt) -> OnHalt:
    """Ask AWS to stop a refresh in the way that is possible, and wait for nothing; answer what was asked."""
    (group,) = tools.fleets.named(refresh.group)
    way = way_to_stop(refresh, group, how)
    if way is OnHalt.ROLL_BACK:
        try:
            tools.refreshes.roll_back(refresh.group)
        except NotPossible:
            # Somebody else may have been quicker: to cancel his roll-back would leave a mix.
            now = find_refresh(tools, refresh.group, refresh.id)
            way = OnHalt.CANCEL if now is not None and now.status.forward else OnHalt.LEAVE
    if way is OnHalt.CANCEL:
        tools.refreshes.cancel(refresh.group)
    return way


def find_refresh(tools: Tools, group: GroupName, refresh: RefreshId) -> Refresh | None:
    """Find a refresh by its id; None: AWS does not show it (yet)."""
    return next((found for found in tools.refreshes.listed(group) if found.id == refresh), None)


def _goes_to(refresh: Refresh, step: StartRefresh, version: int) -> bool:
    """Tell whether a refresh goes to the step's version."""
    desired = refresh.desired
    return desired is not None and desired.id == step.template and desired.number == version
