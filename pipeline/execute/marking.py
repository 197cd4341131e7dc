"""The steps that mark images: TagImage writes a stage, MoveChannel points a channel."""

from __future__ import annotations

from pipeline.errors import StepFailed
from pipeline.execute.tools import Workbench
from pipeline.model import names
from pipeline.model.images import Stage
from pipeline.model.outcomes import Done, Outcome, Refused, Skipped
from pipeline.model.steps import MoveChannel, TagImage


def tag_image(bench: Workbench, step: TagImage) -> Outcome:
    """Write the stage on the image, unless it stands there."""
    image = bench.tools.images.get([step.image]).get(step.image)
    if image is None:
        raise StepFailed(f"{step.image} does not exist any more.", hint=f"see: rebake history {step.family}")
    if image.stage in {step.stage, Stage.REVOKED}:
        return Skipped(reason=f"{image.id} is {image.stage} already")
    bench.tools.images.tag(image, {names.TAG_STAGE: step.stage})
    return Done(facts={"image": image.id, "stage": step.stage})


def move_channel(bench: Workbench, step: MoveChannel) -> Outcome:
    """Point the channel at the image, unless it points there already: every write is a version of its history."""
    image = bench.made.image(step.image)
    channels = bench.tools.channels
    if channels.current(step.parameter) == image:
        return Skipped(reason=f"{step.parameter} points to {image} already")
    found = bench.tools.images.get([image]).get(image)
    if found is not None and found.barred:
        return Refused(reason=f"{image} was {found.barred}", hint=f"see what there is: rebake history {step.family}")
    version = channels.move(step.parameter, image)
    return Done(facts={"parameter": step.parameter, "image": image, "version": str(version)})
