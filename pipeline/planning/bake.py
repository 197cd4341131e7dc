"""Whether to bake, to test and to promote."""

from __future__ import annotations

from pipeline.errors import ExitCode, NotFound, NotOurs, NotPossible, RefusedError
from pipeline.model.baselines import Verdict
from pipeline.model.ids import ImageId
from pipeline.model.images import Image, Stage
from pipeline.model.refs import ImageRef
from pipeline.model.steps import BuildImage, MoveChannel, Note, Plan, PlannedStep, SmokeTestImage
from pipeline.model.views import FamilyImages, FamilyView, FleetView


def plan_bake(view: FamilyView, *, force: bool = False, because: str = "") -> Plan:
    """Plan a bake unless an image of exactly this recipe and source image stands already.

    An image that was rejected or revoked is not baked again from the same input: it would be the same image.
    ``force`` bakes all the same; ``because`` of what, where nobody asked for it.
    """
    name = view.family.name
    install = view.patches.install if view.patches else None
    step = BuildImage(family=name, bake_key=view.key, source_image=view.source.id, force=force, install=install)
    if force:
        return Plan(
            steps=(PlannedStep(target=name, step=step, why=(because or "asked for by --force") + _patches(view)),)
        )
    if view.current is None:
        return Plan(steps=(PlannedStep(target=name, step=step, why=_why_bake(view) + _patches(view)),))
    barred = view.current.barred
    if not barred and not view.current.imds_v2:
        why = f"{view.current.id} was baked by a run that was cut short: it is finished"
        return Plan(steps=(PlannedStep(target=name, step=step, why=why),))
    note = Note(target=name, text=_already(view.current), blocked=ExitCode.REFUSED if barred else None)
    return Plan(notes=(note,))


def plan_smoke(view: FamilyImages, *, image: ImageId | None, like: FleetView | None) -> Plan:
    """Plan the smoke test of an image; without one, of the newest candidate.

    Raises:
        NotOurs: the image is not of this family.
        RefusedError: it was rejected or revoked, and a second test must not wash that off.
    """
    if image is None:
        newest = next((found for found in view.baked if found.stage is Stage.CANDIDATE and found.usable), None)
        if newest is None:
            text = "no candidate waits for its smoke test; name an image with --image to test it again"
            return Plan(notes=(Note(target=view.family.name, text=text),))
        return Plan(steps=(smoke_step(view, newest.id, like=like),))
    if barred := find_baked(view, image).barred:
        raise RefusedError(
            f"{image} was {barred}, and stays so.", hint=f"bake anew with: rebake bake {view.family.name} --force"
        )
    return Plan(steps=(smoke_step(view, image, like=like),))


def smoke_step(view: FamilyImages, image: ImageRef, *, like: FleetView | None) -> PlannedStep:
    """Plan one smoke test, booted like the fleet's own instances where a fleet has a launch template."""
    family = view.family
    template = like.group.template if like else None
    step = SmokeTestImage(
        family=family.name,
        image=image,
        instance_types=family.smoke.instance_types or family.build.instance_types[:1],
        template=template.id if template else None,
        version=template.version if template else None,
        subnet=(like.group.subnets[0] if like and like.group.subnets else family.build.subnet),
    )
    booted = f"booted like {like.settings.name}" if like and template else "booted bare, without a fleet's template"
    return PlannedStep(target=family.name, step=step, why=f"{image}, {booted}")


def plan_promote(view: FamilyImages, image: ImageId) -> Plan:
    """Plan to point the family's channel at the image.

    Raises:
        RefusedError: the image was rejected or is not tested.
        NotOurs: the image is not of this family.
    """
    name = view.family.name
    require_proven(find_baked(view, image), family=name)
    if view.channel == image:
        return Plan(notes=(Note(target=name, text=f"channel {view.family.channel} points to {image} already"),))
    return Plan(steps=(promotion_step(view, image),))


def promotion_step(view: FamilyImages, image: ImageRef) -> PlannedStep:
    """Plan the move of the family's channel, for an image that is proven or will be by the time it happens."""
    step = MoveChannel(
        family=view.family.name,
        channel=view.family.channel,
        parameter=view.parameter,
        image=image,
        previous=view.channel,
    )
    return PlannedStep(target=view.family.name, step=step, why=f"{view.channel or 'nothing'} -> {image}")


def find_baked(view: FamilyImages, image: ImageId) -> Image:
    """Find an image among the family's own.

    Raises:
        NotOurs: it is not there.
    """
    found = next((candidate for candidate in view.baked if candidate.id == image), None)
    if found is None:
        raise NotOurs(
            f"{image} is not an image that was baked here for family {view.family.name}.",
            hint=f"list them with: rebake history {view.family.name}",
        )
    return found


def newest_proven(view: FamilyImages) -> Image:
    """Find the newest image of the family that passed its smoke tests.

    Raises:
        NotFound: there is none.
    """
    for image in view.baked:
        if image.stage is Stage.TESTED and image.state == "available":
            return image
    raise NotFound(
        f"Family {view.family.name} has no image that passed its smoke tests.",
        hint=f"bake and test one with: rebake bake {view.family.name} && rebake smoke {view.family.name}",
    )


def require_proven(image: Image, *, family: str) -> None:
    """Let only available, tested images of the family pass.

    Raises:
        RefusedError: it was rejected, or is not tested.
        NotOurs: it was not baked by this project.
        NotPossible: it belongs to another family, or cannot be launched.
    """
    if image.family is None or image.stage is None:
        raise NotOurs(
            f"{image.id} carries no rebake tags: it was not baked here.",
            hint=f"bake one with: rebake bake {family}",
        )
    if image.family != family:
        raise NotPossible(
            f"{image.id} is an image of family {image.family}, not of {family}.",
            hint=f"list the right ones with: rebake history {family}",
        )
    if image.state != "available":
        raise NotPossible(f"{image.id} cannot be launched: its state is {image.state}.", hint="choose another image")
    if image.barred:
        raise RefusedError(
            f"{image.id} was {image.barred} and can never be rolled.", hint=f"bake a new one with: rebake bake {family}"
        )
    if image.stage is Stage.CANDIDATE:
        raise RefusedError(
            f"{image.id} has not passed its smoke tests.",
            hint=f"test it with: rebake smoke {family} --image {image.id}",
        )


def _why_bake(view: FamilyView) -> str:
    source = f"source image {view.source.id} ({view.source.name})"
    if not view.baked:
        return f"never baked; {source}"
    last = view.baked[0]
    if last.source_image != view.source.id:
        return f"newer source image: {last.source_image or 'unknown'} -> {view.source.id} ({view.source.name})"
    what = "the recipe, or what is approved, changed" if view.patches else "the recipe changed"
    return f"{what} since {last.id}; {source}"


def _patches(view: FamilyView) -> str:
    if view.patches is None:
        return ""
    held, rejected = (view.patches.count(verdict) for verdict in (Verdict.HELD, Verdict.REJECTED))
    left = "".join(f", {count} {word}" for count, word in ((held, "held back"), (rejected, "rejected")) if count)
    surveyed = f"{view.patches.surveyed:%Y-%m-%d %H:%M} UTC"
    return f"; {len(view.patches.install)} packages to install{left}, as surveyed {surveyed}"


def _already(image: Image) -> str:
    if image.barred:
        return f"{image.id} was baked from exactly this and was {image.barred}; change the recipe, or bake with --force"
    match image.stage:
        case Stage.TESTED:
            return f"nothing changed: {image.id} was baked from exactly this and is tested"
        case _:
            return f"nothing changed: {image.id} was baked from exactly this and waits for its smoke test"
