"""The way back of a fleet that was replaced by instance refresh, from wherever it stands."""

from __future__ import annotations

from pipeline.errors import NotPossible
from pipeline.model.fleets import Refresh, RefreshStatus, TemplateVersion
from pipeline.model.ids import ImageId
from pipeline.model.names import template_origin
from pipeline.model.rollouts import AwaitRefresh, CancelRefresh, RollBackRefresh
from pipeline.model.steps import PlannedStep
from pipeline.model.strategies import OnHalt, RefreshStrategy
from pipeline.model.undo import Undo
from pipeline.model.views import FleetView
from pipeline.planning.fleets import planned, require_rollable, stale_members
from pipeline.planning.halts import way_to_stop
from pipeline.planning.refresh import refresh_back
from pipeline.planning.sides import put_back


def back_from(
    view: FleetView, strategy: RefreshStrategy, *, away: ImageId | None = None, to: int | None = None
) -> tuple[PlannedStep, ...]:
    """Plan the way back of a refreshed fleet, its undo tag included; nothing where it is back.

    ``away`` is the image to leave, where that is known. A refresh under way is undone first: by AWS, where AWS goes
    back to the right version, otherwise it is cancelled and followed by one that does.

    Raises:
        NotPossible: there is no version to go back to, or it cannot boot.
    """
    saved = require_rollable(view)
    target = destination(view, saved, away=away, to=to)
    first, lands = _stopped(view, saved, target, strategy)
    if lands == target.number and (view.active is not None or not stale_members(view, target.image)):
        return (*first, *put_back(view))
    left = away or left_behind(view, saved, target) or "a mix"
    why = f"{left} -> version {target.number} ({target.image})"
    back = refresh_back(view, saved, target, strategy, why=why)
    return (*first, *put_back(view, returning=True), *back, *put_back(view))


def taken_over(view: FleetView, away: ImageId | None) -> bool:
    """Tell whether somebody else rolls the fleet now: neither to the image to leave, nor back from it."""
    active, saved = view.active, view.version
    if away is None or active is None or active.desired is None or not active.status.forward or saved is None:
        return False
    back = active.desired.number == saved.number or _goes_back(saved, view.group.undo, active)
    return not back and view.goal(active) not in {away, None}


def destination(
    view: FleetView, saved: TemplateVersion, *, away: ImageId | None = None, to: int | None = None
) -> TemplateVersion:
    """Choose the version to go back to: the one asked for, the one written down, the one saved, the one before that.

    AWS rewrites the saved one only when a refresh gets through: until then it is the old one. Errors as for
    `back_from`.
    """
    active, undo = view.active, view.group.undo
    if to is None and active is not None and active.desired is not None and _goes_back(saved, undo, active):
        to = active.desired.number
    elif to is None and undo is not None:
        to = undo.version  # zone by zone, the first zone that gets through rewrites what is saved
    left = away if away is not None or active is None else view.goal(active)
    if left is not None:
        kept = saved.image != left or (active is not None and active.status is RefreshStatus.ROLLBACK_IN_PROGRESS)
    else:
        kept = active is not None or bool(stale_members(view, saved.image))
    target = saved if to is None and kept else previous(view, saved, to)
    require_bootable(view, target)
    return target


def came_back_from(view: FleetView, saved: TemplateVersion) -> ImageId | None:
    """Tell which image the fleet was brought away from by the last thing that happened to it; None: it was no way back.

    Without this a roll-back that is run again, because its end was not seen, would go one version further.
    """
    last, before = (*view.refreshes, None, None)[:2]
    if last is None or not last.status.ended or stale_members(view, saved.image):
        return None
    if last.status is RefreshStatus.ROLLBACK_SUCCESSFUL:
        return view.goal(last)
    if before is None or before.desired is None or last.desired is None or last.desired.number != saved.number:
        return None
    made = next((one for one in view.versions if one.number == before.desired.number), None)
    origin = template_origin(made.description) if made else None
    return view.goal(before) if origin is not None and origin[2] == saved.number else None


def left_behind(view: FleetView, saved: TemplateVersion, target: TemplateVersion) -> ImageId | None:
    """Tell which image is left by going back to a version."""
    return view.goal(next(iter(view.refreshes), None)) if target == saved else ImageId(saved.image)


def _goes_back(saved: TemplateVersion, undo: Undo | None, active: Refresh) -> bool:
    """Tell whether a refresh is itself a way back that somebody has begun."""
    origin = template_origin(saved.description)
    before = {origin[2] if origin else None, undo.version if undo else None} - {None}
    return active.status.forward and active.desired is not None and active.desired.number in before


def _stopped(
    view: FleetView, saved: TemplateVersion, target: TemplateVersion, strategy: RefreshStrategy
) -> tuple[tuple[PlannedStep, ...], int | None]:
    """Plan the end of the refresh under way; answer the version that the fleet is on then, None: on a mix."""
    active, name, group = view.active, view.name, view.group.name
    if active is None:
        return (), saved.number
    why = f"refresh {active.id} is {active.status} at {active.percentage} %"
    wait = AwaitRefresh(fleet=name, group=group, strategy=strategy, refresh=active.id, undo=False)
    until = (wait, "until every instance is back")
    if active.status is RefreshStatus.ROLLBACK_IN_PROGRESS:
        return planned(view, until), saved.number
    if active.status.forward and active.desired is not None and active.desired.number == target.number:
        return planned(view, until), target.number
    if target == saved and way_to_stop(active, view.group) is OnHalt.ROLL_BACK:
        undo = RollBackRefresh(fleet=name, group=group, refresh=active.id)
        return planned(view, (undo, why), until), saved.number
    return planned(view, (CancelRefresh(fleet=name, group=group, refresh=active.id), why)), None


def previous(view: FleetView, saved: TemplateVersion, to: int | None) -> TemplateVersion:
    """Find a version by its number; without one, that which the saved one was made from.

    Raises:
        NotPossible: it is not known, or does not exist any more.
    """
    number = to
    if number is None:
        origin = template_origin(saved.description)
        if origin is None:
            raise NotPossible(
                f"Version {saved.number} of {saved.id} was not made here, so what stood before it is not known.",
                hint=f"name the version to go back to: rebake rollback {view.settings.name} --to VERSION",
            )
        number = origin[2]
    found = next((version for version in view.versions if version.number == number), None)
    if found is None:
        raise NotPossible(
            f"Version {number} of {saved.id} does not exist any more.",
            hint=f"choose one that does: aws ec2 describe-launch-template-versions --launch-template-id {saved.id}",
        )
    return found


def require_bootable(view: FleetView, target: TemplateVersion) -> None:
    """Let only versions pass whose image can be launched, and was not rejected or revoked.

    Raises:
        NotPossible: it is gone, or was rejected or revoked.
    """
    image = view.images.get(ImageId(target.image))
    if image is None:
        fault = "cannot be found"
    elif image.barred:
        fault = f"was {image.barred}"
    elif image.state != "available":
        fault = f"is {image.state}"
    else:
        return
    raise NotPossible(
        f"The image {target.image} of version {target.number} {fault}.",
        hint=f"name another version: rebake rollback {view.settings.name} --to VERSION",
    )
