"""How a fleet comes back to the image it had before."""

from __future__ import annotations

from pipeline.errors import NotPossible
from pipeline.model.fleets import RefreshStatus, TemplateVersion
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import template_origin
from pipeline.model.steps import AwaitRefresh, Note, Plan, PlannedStep, RollBackRefresh, TagImage
from pipeline.model.views import FleetView
from pipeline.planning.roll import refresh_steps, require_rollable

_FORWARD = {RefreshStatus.PENDING, RefreshStatus.IN_PROGRESS, RefreshStatus.BAKING}


def plan_rollback(view: FleetView, *, to: int | None = None, reject: bool = False) -> Plan:
    """Plan the way back: AWS's own roll-back during a refresh, a forward refresh to the earlier version after one.

    ``to`` names the launch template version; without it, it is the one that the current version was made from.
    ``reject`` also rejects the image that is left, so that no later release rolls it again.

    Raises:
        NotPossible: there is no way back; the message says why.
    """
    if view.active is not None:
        return Plan(steps=(*_rejection(view, view.desired_image, reject=reject), *_during(view)))
    saved = require_rollable(view)
    target = _previous(view, saved, to)
    image = next((known for known in view.images.values() if known.id == target.image), None)
    _require_bootable(view, target, None if image is None else image.stage, exists=image is not None)
    name = view.settings.name
    if target.number == saved.number and all(m.image == target.image for m in view.group.members):
        return Plan(notes=(Note(target=name, text=f"the fleet is on version {target.number} already"),))
    why = f"version {saved.number} ({saved.image}) -> version {target.number} ({target.image})"
    # AWS's own roll-back of this refresh would lead to the very version that is being left.
    back = refresh_steps(view, target.id, target.number, why=why, auto_rollback=False)
    return Plan(steps=(*_rejection(view, ImageId(saved.image), reject=reject), *back))


def _rejection(view: FleetView, image: ImageId | None, *, reject: bool) -> tuple[PlannedStep, ...]:
    if not reject or image is None:
        return ()
    step = TagImage(family=view.settings.family, image=image, stage=Stage.REJECTED)
    return (PlannedStep(target=view.settings.name, step=step, why=f"{image} must not be rolled again"),)


def _during(view: FleetView) -> tuple[PlannedStep, ...]:
    refresh = view.active
    if refresh is None:
        return ()
    name, group, strategy = view.settings.name, view.group.name, view.settings.strategy
    wait = PlannedStep(
        target=name,
        step=AwaitRefresh(fleet=name, group=group, strategy=strategy, refresh=refresh.id),
        why="until every replaced instance is back",
    )
    if refresh.status is RefreshStatus.ROLLBACK_IN_PROGRESS:
        return (wait,)
    if refresh.status not in _FORWARD:
        raise NotPossible(
            f"Refresh {refresh.id} of group {group} is {refresh.status}; it can be rolled back no more.",
            hint=f"When it has ended, run: rebake rollback {name}",
        )
    if refresh.desired is None:
        raise NotPossible(
            f"Refresh {refresh.id} of group {group} was started without a desired configuration, "
            "so AWS cannot roll it back.",
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


def _require_bootable(view: FleetView, target: TemplateVersion, stage: Stage | None, *, exists: bool) -> None:
    if not exists:
        raise NotPossible(
            f"The image {target.image} of version {target.number} does not exist any more.",
            hint=f"Name another version: rebake rollback {view.settings.name} --to VERSION",
        )
    if stage is Stage.REJECTED:
        raise NotPossible(
            f"The image {target.image} of version {target.number} was rejected.",
            hint=f"Name another version: rebake rollback {view.settings.name} --to VERSION",
        )
