"""A plan is data: frozen steps of one closed union, printable, comparable, storable.

Steps that need what an earlier step of the same plan makes name it symbolically: `Baked` is the image that the
plan's BuildImage will make, `Created` the version its CreateTemplateVersion will make. The executor looks
them up; it decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pipeline.errors import ExitCode
from pipeline.model.baselines import PatchBaseline
from pipeline.model.good import KeepGood
from pipeline.model.ids import BakeKey, ImageId, TemplateId
from pipeline.model.images import Stage
from pipeline.model.leftovers import Remove
from pipeline.model.packages import OperatingSystem, Package
from pipeline.model.refs import ImageRef
from pipeline.model.rollouts import (
    AwaitRefresh,
    AwaitTargetsHealthy,
    CancelRefresh,
    CheckGate,
    CreateGreen,
    CreateTemplateVersion,
    Drain,
    HoldZones,
    NameLive,
    PutBack,
    RetireGroup,
    RollBackRefresh,
    ShiftTraffic,
    Soak,
    StartRefresh,
    UpdateStack,
)
from pipeline.model.shares import Radius
from pipeline.model.windows import WindowRule


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """Bake a candidate; unless forced, one of the same key that stands already is taken instead.

    ``install`` are the exact packages that the family's baseline came to; None: its baseline is one word.
    """

    family: str
    bake_key: BakeKey
    source_image: ImageId
    force: bool = False
    install: tuple[Package, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTestImage:
    """Boot the image on each instance type and test it; the result becomes its stage (tested, rejected).

    ``template`` and ``version`` are the fleet's own, so that it boots as it will in production; None boots it bare.
    """

    family: str
    image: ImageRef
    instance_types: tuple[str, ...]
    template: TemplateId | None = None
    version: str | None = None
    subnet: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TagImage:
    """Write a stage on an image and its snapshots."""

    family: str
    image: ImageId
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveChannel:
    """Point a channel at the image."""

    family: str
    channel: str
    parameter: str
    image: ImageRef
    previous: ImageId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteBaseline:
    """Write a baseline of the file to SSM under ``name``; ``id`` None makes it.

    ``content``: whether it differs from what stands. ``patch_groups`` are given it, in place of what they have.
    """

    baseline: PatchBaseline
    system: OperatingSystem
    name: str
    id: str | None
    content: bool = True
    patch_groups: tuple[str, ...] = ()


Step = (
    BuildImage
    | SmokeTestImage
    | TagImage
    | MoveChannel
    | CreateTemplateVersion
    | HoldZones
    | CancelRefresh
    | StartRefresh
    | AwaitRefresh
    | RollBackRefresh
    | CreateGreen
    | AwaitTargetsHealthy
    | ShiftTraffic
    | Soak
    | Drain
    | CheckGate
    | NameLive
    | RetireGroup
    | PutBack
    | UpdateStack
    | KeepGood
    | Remove
    | WriteBaseline
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStep:
    """A step, the target it is listed under, and why it is there, in words for the reader."""

    target: str
    step: Step
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something the reader should know of a target.

    ``blocked``: it needs a change that cannot be made,
    and asking for just that change would have ended with this exit code.
    """

    target: str
    text: str
    blocked: ExitCode | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What happens to one fleet, in this order.

    ``image`` is what the fleet is being brought to, None where it goes back or is only tidied up. ``channel`` is the
    parameter that must still point there when it begins; empty: that does not matter. ``urgent``: it goes back, and
    takes over from whoever goes forward.
    """

    fleet: str
    steps: tuple[PlannedStep, ...]
    image: ImageRef | None = None
    channel: str = ""
    urgent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Fleets that are rolled together, ``concurrency`` of them at once.

    No further lane is begun once more than ``max_errors`` have failed, and no later wave. It waits ``soak_before``
    from the end of the wave before, ``image_age`` from the end of the plan's own steps, which make its images, and
    until ``not_before``.
    """

    name: str
    lanes: tuple[Lane, ...]
    concurrency: int = 1
    max_errors: int = 0
    soak_before: timedelta = timedelta()
    image_age: timedelta = timedelta()
    not_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Steps in the order they will be executed, then waves in theirs. An empty plan means: nothing to do.

    ``radius`` bounds what may be touched in carrying it out; None: nothing does. ``windows`` says how closed windows
    are met.
    """

    steps: tuple[PlannedStep, ...] = ()
    waves: tuple[Wave, ...] = ()
    notes: tuple[Note, ...] = ()
    radius: Radius | None = None
    windows: WindowRule = field(default_factory=WindowRule)

    @property
    def every(self) -> Iterator[PlannedStep]:
        """All steps, those of the waves too, in the order in which they can begin at the earliest."""
        yield from self.steps
        for wave in self.waves:
            for lane in wave.lanes:
                yield from lane.steps

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return next(self.every, None) is None

    @property
    def blocked(self) -> tuple[Note, ...]:
        """The targets that would need a change which cannot be made."""
        return tuple(note for note in self.notes if note.blocked is not None)
