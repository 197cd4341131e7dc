"""The BuildImage step."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from pipeline.errors import Interrupted, RebakeError, StepFailed
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import wait_for
from pipeline.model import names
from pipeline.model.evidence import Bake
from pipeline.model.ids import ImageId
from pipeline.model.images import AVAILABLE_WITHIN, Image, Stage
from pipeline.model.outcomes import Done, Failed, Outcome, Refused, Skipped
from pipeline.model.settings import Family
from pipeline.model.steps import BuildImage
from pipeline.planning.bake_key import family_key
from pipeline.ports.builder import BuildProduct, BuildRequest
from pipeline.ports.progress import EventKind

_IMAGE_PACE = timedelta(seconds=15)


def build_image(bench: Workbench, step: BuildImage) -> Outcome:
    """Bake the image, or adopt one of the same key that stands already."""
    family = bench.settings.families[step.family]
    standing = None if step.force else _standing(bench, step)
    if standing is not None and standing.imds_v2:
        bench.made.images[step.family] = standing.id
        return Skipped(reason=f"{standing.id} was baked from exactly this in the meantime")
    request = _request(bench, family, step)
    if request.source.barred:
        return Refused(
            reason=f"The source image {request.source.id} was {request.source.barred}", hint="promote a proven one"
        )
    if standing is not None:
        return _adopt(
            bench, request, standing, f"{standing.id} was baked from exactly this by a run that was cut short"
        )
    if family_key(family, request.rendered.files, step.source_image) != step.bake_key:
        return Failed(reason="The recipe changed after the plan was made.", hint="plan again")
    try:
        product = bench.tools.builder.build(request, lambda line: bench.say(step.family, line, kind=EventKind.LINE))
    except RebakeError as error:
        return _after_failure(bench, request, error)
    image = await_image(bench, step.family, product.image)
    return _finish(bench, request, image, product, adopted=False)


def _standing(bench: Workbench, step: BuildImage) -> Image | None:
    """Find an image of the same key that another run has made since the plan, or was killed before it could mark it.

    Packer asks for the image once everything is provisioned, and writes its tags once it is there.
    """
    images = bench.tools.images
    marked = images.baked(family=step.family, key=step.bake_key)
    unmarked = [one for one in images.named(names.image_names(step.family, step.bake_key)) if one.family is None]
    return next((one for one in (*marked, *unmarked) if one.usable and not one.barred), None)


def _request(bench: Workbench, family: Family, step: BuildImage) -> BuildRequest:
    tools = bench.tools
    source = tools.images.get([step.source_image]).get(step.source_image)
    if source is None:
        raise StepFailed(f"The source image {step.source_image} is gone.", hint="plan again")
    return BuildRequest(
        family=family,
        rendered=tools.builder.render(family, step.install),
        source=source,
        key=step.bake_key,
        run=bench.run,
        image_name=names.image_name(family.name, tools.clock.now(), step.bake_key),
        tags=_tags(bench, family, step),
        secrets=tools.reveal(family),
    )


def _tags(bench: Workbench, family: Family, step: BuildImage) -> dict[str, str]:
    return {
        **bench.settings.tags,
        **family.tags,
        names.TAG_FAMILY: family.name,
        names.TAG_BAKE_KEY: step.bake_key,
        names.TAG_RUN: bench.run,
        names.TAG_SOURCE_IMAGE: step.source_image,
        names.TAG_STAGE: Stage.CANDIDATE,
    }


def _finish(bench: Workbench, request: BuildRequest, image: Image, product: BuildProduct, *, adopted: bool) -> Outcome:
    tools = bench.tools
    # Templates of the user's own know nothing of our tags, and a lost answer can leave an image without any.
    # Its snapshots may lack what it has itself, so that all tags are written on all of them; what it has stays.
    tags = {key: image.tags.get(key, value) for key, value in request.tags.items()}
    evidence = image.tags.get(names.TAG_EVIDENCE) or tools.evidence.keep_bake(
        _bake(bench, request, replace(image, tags=tags), product, adopted=adopted)
    )
    tools.images.tag(image, {**tags, names.TAG_EVIDENCE: evidence})
    tools.images.require_imds_v2(image)
    bench.made.images[request.family.name] = image.id
    changed = len(set(product.lists.after) - set(product.lists.before))
    return Done(facts={"image": image.id, "name": image.name, "packages_changed": str(changed)})


def _bake(bench: Workbench, request: BuildRequest, image: Image, product: BuildProduct, *, adopted: bool) -> Bake:
    """Gather what is known of a bake; with which tools an adopted one was made is not."""
    tools = () if adopted else bench.tools.builder.tools()
    run = image.run or request.run
    return Bake(
        image=image,
        family=request.family,
        source=request.source.id,
        key=request.key,
        run=run,
        recipe=request.rendered.recipe,
        files=request.rendered.files,
        began=names.image_stamp(image.name, request.family.name) or image.created,
        lists=product.lists,
        tools={tool.name: tool.version for tool in tools},
        adopted=bench.run if adopted else None,
    )


def _after_failure(bench: Workbench, request: BuildRequest, error: RebakeError) -> Outcome:
    """Adopt an image whose creation succeeded although its build did not hear of it.

    CreateImage takes no token: where its answer is lost, Packer's retry finds the name taken and the build fails,
    while the image, made from a disk that was fully provisioned, becomes available without tags.
    """
    orphan = next((image for image in bench.tools.images.named(request.image_name) if image.usable), None)
    if orphan is None:
        raise error
    # Tagged at once, so that a run that is stopped now leaves an image that the next one finds by its key.
    bench.tools.images.tag(orphan, request.tags)
    if isinstance(error, Interrupted):
        raise error
    return _adopt(bench, request, orphan, f"Packer failed after it had created {orphan.id}; the image is complete")


def _adopt(bench: Workbench, request: BuildRequest, orphan: Image, why: str) -> Outcome:
    """Finish a bake that somebody else has begun."""
    bench.say(request.family.name, f"{why}, and is used", kind=EventKind.WARNING)
    image = await_image(bench, request.family.name, orphan.id)
    return _finish(bench, request, image, BuildProduct(image=image.id), adopted=True)


def await_image(bench: Workbench, target: str, image: ImageId) -> Image:
    """Wait until an image can be launched.

    Raises:
        StepFailed: it turned out failed; AWS's reason is in the message.
        TimedOut: it is pending after two hours.
    """

    def look() -> Image | None:
        found = bench.tools.images.get([image]).get(image)
        if found is not None and found.state in {"failed", "error", "invalid", "deregistered", "disabled"}:
            raise StepFailed(
                f"Image {image} is {found.state}: {found.state_reason or 'AWS gives no reason'}.",
                hint="a KMS key that may not be used is the usual cause; see: rebake check --live",
            )
        return found if found is not None and found.state == "available" else None

    bench.say(target, f"waiting for {image} to become available")
    return wait_for(
        bench.tools.clock, look, every=_IMAGE_PACE, within=AVAILABLE_WITHIN, what=f"Availability of {image}"
    )
