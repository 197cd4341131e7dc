"""The MoveChannel step."""

from __future__ import annotations

from pipeline.execute.tools import Workbench
from pipeline.model.outcomes import Done, Outcome, Skipped
from pipeline.model.steps import MoveChannel


def move_channel(bench: Workbench, step: MoveChannel) -> Outcome:
    """Point the channel at the image, unless it points there already: every write is a version of its history."""
    image = bench.made.image(step.image)
    channels = bench.tools.channels
    if channels.current(step.parameter) == image:
        return Skipped(reason=f"{step.parameter} points to {image} already")
    version = channels.move(step.parameter, image)
    return Done(facts={"parameter": step.parameter, "image": image, "version": str(version)})
