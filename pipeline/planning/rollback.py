"""How a fleet comes back to the image it had before."""

from __future__ import annotations

from pipeline.errors import NotPossible
from pipeline.model.fleets import Refresh, RefreshStatus, TemplateVersion
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import template_origin
from pipeline.model.rollouts import AwaitRefresh, RollBackRefresh
from pipeline.model.steps import Note, Plan, PlannedStep, TagImage
from pipeline.model.views import FleetView
from pipeline.planning.roll import refresh_steps, require_rollable, stale_members


def plan_rollback(view: FleetView, *, to: int | None = None, reject: bool = False) -> Plan:
    """Plan the way back.

    During a refresh it is AWS's own roll-back. After one that did not get through, it is a refresh to the version
    saved on the group, which AWS rewrites only on success. After one that did, it is a refresh to the version that
    the saved one was made from. ``to`` names another version. ``reject`` also rejects the image that is left, as
    soon as the way back has begun, so that no later release rolls it again.

    Raises:
        NotPossible: there is no way back; the message says why.
    """
    if view.active is not None:
        return _marked(view, _during(view, view.active), view.goal(view.active), reject=reject)
    saved = require_rollable(view)
    stuck = to is None and bool(stale_members(view, saved.image))
    target = saved if stuck else _previous(view, saved, to)
    _require_bootable(view, target)
    name = view.settings.name
    if target.number == saved.number and not stale_members(view, target.image):
        return Plan(notes=(Note(target=name, text=f"the fleet is on version {target.number} already"),))
    left = view.goal(next(iter(view.refreshes), None)) if stuck else ImageId(saved.image)
    why = f"{left or 'a mix'} -> version {target.number} ({target.image})"
    return _marked(view, refresh_steps(view, saved, target.number, why=why, back=True), left, reject=reject)


def _marked(view: FleetView, back: tuple[PlannedStep, ...], left: ImageId | None, *, reject: bool) -> Plan:
    name = view.settings.name
    if left is None or left not in view.images:
        return Plan(steps=back)
    if not reject:
        text = f"{left} is not rejected: roll it again by hand if it was not to blame, or reject it with --reject"
        return Plan(steps=back, notes=(Note(target=name, text=text),))
    step = TagImage(family=view.settings.family, image=left, stage=Stage.REJECTED)
    mark = PlannedStep(target=name, step=step, why=f"{left} must not be rolled again")
    # Marked after the way back has begun: a mark that fails must not keep the fleet on the image.
    return Plan(steps=(*back[:-1], mark, back[-1]))


def _during(view: FleetView, refresh: Refresh) -> tuple[PlannedStep, ...]:
    name, group, strategy = view.settings.name, view.group.name, view.settings.strategy
    step = AwaitRefresh(fleet=name, group=group, strategy=strategy, refresh=refresh.id, undo=False)
    wait = PlannedStep(target=name, step=step, why="until every replaced instance is back")
    if refresh.status is RefreshStatus.ROLLBACK_IN_PROGRESS:
        return (wait,)
    if not refresh.status.forward:
        raise NotPossible(
            f"Refresh {refresh.id} of group {group} is {refresh.status}; it can be rolled back no more.",
            hint=f"When it has ended, run: rebake rollback {name}",
        )
    if refresh.desired is None:
        raise NotPossible(
            f"Refresh {refresh.id} of group {group} has no desired configuration, so AWS cannot roll it back.",
            hint=f"Cancel it (aws autoscaling cancel-instance-refresh), then run: rebake rollback {name} --to VERSION",
        )
    undo = PlannedStep(
        target=name,
        step=RollBackRefresh(fleet=name, group=group, refresh=refresh.id),
        why=f"refresh {refresh.id} is {refresh.status} at {refresh.percentage} %",
    )
    return (undo, wait)


def _previous(view: FleetView, saved: TemplateVersion, to: int | None) -> TemplateVersion:
    number = to
    if number is None:
        origin = template_origin(saved.description)
        if origin is None:
            raise NotPossible(
                f"Version {saved.number} of {saved.id} was not made here, so what stood before it is not known.",
                hint=f"Name the version to go back to: rebake rollback {view.settings.name} --to VERSION",
            )
        number = origin[2]
    found = next((version for version in view.versions if version.number == number), None)
    if found is None:
        raise NotPossible(
            f"Version {number} of {saved.id} does not exist any more.",
            hint=f"Choose one that does: aws ec2 describe-launch-template-versions --launch-template-id {saved.id}",
        )
    return found


def _require_bootable(view: FleetView, target: TemplateVersion) -> None:
    image = view.images.get(ImageId(target.image))
    if image is None:
        fault = "cannot be found"
    elif image.stage is Stage.REJECTED:
        fault = "was rejected"
    elif image.state != "available":
        fault = f"is {image.state}"
    else:
        return
    raise NotPossible(
        f"The image {target.image} of version {target.number} {fault}.",
        hint=f"Name another version: rebake rollback {view.settings.name} --to VERSION",
    )
