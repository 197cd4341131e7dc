"""How a fleet comes back to the image it had before."""

from __future__ import annotations

from pipeline.errors import NotPossible
from pipeline.model.fleets import Refresh, RefreshStatus, TemplateVersion
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import Role, template_origin
from pipeline.model.rollouts import AwaitRefresh, RollBackRefresh
from pipeline.model.steps import Note, Plan, PlannedStep, TagImage
from pipeline.model.strategies import BlueGreen, RefreshStrategy
from pipeline.model.views import FleetView
from pipeline.planning.blue_green import way_back
from pipeline.planning.fleets import planned, require_rollable, stale_members
from pipeline.planning.refresh import refresh_back
from pipeline.planning.sides import give_back, put_back, resting_partner, return_to_blue


def plan_rollback(view: FleetView, *, to: int | None = None, reject: bool = False) -> Plan:
    """Plan the way back.

    During a refresh it is AWS's own roll-back. After one that did not get through, it is a refresh to the version
    saved on the group, which AWS rewrites only on success. After one that did, it is a refresh to the version that
    the saved one was made from. In a blue-green rollout it is blue's weight back in one call, also while blue is only
    kept; later it is a group on the earlier version. ``to`` names another version. ``reject`` also rejects the image
    that is left, as soon as the way back has begun, so that no later release rolls it again.

    Raises:
        NotPossible: there is no way back; the message says why.
    """
    match view.settings.strategy:
        case RefreshStrategy() as strategy:
            return _refreshed_back(view, strategy, to=to, reject=reject)
        case BlueGreen() as strategy:
            return _shifted_back(view, strategy, to=to, reject=reject)
        case _:
            raise NotPossible(
                f"Whoever owns group {view.group.name} brings it back, too.",
                hint=f"Promote or roll an earlier image: rebake promote {view.settings.family} --image ami-…",
            )


def way_back_of(view: FleetView, strategy: RefreshStrategy, *, to: int | None = None) -> tuple[PlannedStep, ...]:
    """Plan the refresh that brings a fleet back after a refresh; nothing where it is there.

    Raises:
        NotPossible: there is no version to go back to, or it cannot boot.
    """
    saved = require_rollable(view)
    target = _target(view, saved, to)
    if target.number == saved.number and not stale_members(view, target.image):
        return ()
    left = _left(view, saved, target)
    why = f"{left or 'a mix'} -> version {target.number} ({target.image})"
    return refresh_back(view, saved, target, strategy, why=why)


def _refreshed_back(view: FleetView, strategy: RefreshStrategy, *, to: int | None, reject: bool) -> Plan:
    if view.active is not None:
        steps = _during(view, view.active, strategy)
        return _marked(view, (*steps, *put_back(view)), view.goal(view.active), reject=reject)
    saved = require_rollable(view)
    back = way_back_of(view, strategy, to=to)
    if not back:
        text = f"the fleet is on version {_target(view, saved, to).number} already"
        return Plan(steps=put_back(view), notes=(Note(target=view.name, text=text),))
    left = _left(view, saved, _target(view, saved, to))
    return _marked(view, (*put_back(view), *back), left, reject=reject)


def _shifted_back(view: FleetView, strategy: BlueGreen, *, to: int | None, reject: bool) -> Plan:
    traffic = view.traffic
    green, kept = (traffic.side(Role.GREEN), traffic.side(Role.BLUE)) if traffic else (None, None)
    if green is not None and to is None:
        left = ImageId(green.version.image) if green.version else None
        return _marked(view, give_back(view, strategy, failed=True), left, reject=reject)
    saved = require_rollable(view)
    if kept is not None and traffic is not None and to is None and kept.group.standing:
        return _marked(view, return_to_blue(view, traffic, kept, strategy), ImageId(saved.image), reject=reject)
    partner = resting_partner(view, strategy)
    if to is not None and partner and partner.version and partner.version.id != saved.id:
        raise NotPossible(
            f"Version {to} of {saved.id} says nothing of {partner.group.name}, which boots from {partner.version.id}.",
            hint=f"It comes back on its own version {partner.version.number} without --to.",
        )
    target = partner.version if partner and partner.version and to is None else _previous(view, saved, to)
    _require_bootable(view, target)
    why = f"{saved.image} -> version {target.number} ({target.image})"
    plan = way_back(view, strategy, target.number, why=why)
    return _marked(view, plan.steps, ImageId(saved.image), reject=reject)


def _target(view: FleetView, saved: TemplateVersion, to: int | None) -> TemplateVersion:
    stuck = to is None and bool(stale_members(view, saved.image))
    target = saved if stuck else _previous(view, saved, to)
    _require_bootable(view, target)
    return target


def _left(view: FleetView, saved: TemplateVersion, target: TemplateVersion) -> ImageId | None:
    return view.goal(next(iter(view.refreshes), None)) if target is saved else ImageId(saved.image)


def _marked(view: FleetView, back: tuple[PlannedStep, ...], left: ImageId | None, *, reject: bool) -> Plan:
    if left is None or left not in view.images or not back:
        return Plan(steps=back)
    if not reject:
        text = f"{left} is not rejected: roll it again by hand if it was not to blame, or reject it with --reject"
        return Plan(steps=back, notes=(Note(target=view.name, text=text),))
    step = TagImage(family=view.settings.family, image=left, stage=Stage.REJECTED)
    # Marked after the way back has begun: a mark that fails must not keep the fleet on the image.
    return Plan(steps=(back[0], *planned(view, (step, f"{left} must not be rolled again")), *back[1:]))


def _during(view: FleetView, refresh: Refresh, strategy: RefreshStrategy) -> tuple[PlannedStep, ...]:
    name, group = view.name, view.group.name
    wait = AwaitRefresh(fleet=name, group=group, strategy=strategy, refresh=refresh.id, undo=False)
    until = (wait, "until every replaced instance is back")
    if refresh.status is RefreshStatus.ROLLBACK_IN_PROGRESS:
        return planned(view, until)
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
    undo = RollBackRefresh(fleet=name, group=group, refresh=refresh.id)
    return planned(view, (undo, f"refresh {refresh.id} is {refresh.status} at {refresh.percentage} %"), until)


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
