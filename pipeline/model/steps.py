"""A plan is data: frozen steps of one closed union, printable, comparable, storable.

Steps that need what an earlier step of the same plan makes name it symbolically: `Baked` is the image that the
plan's BuildImage will make, `Created` the version its CreateTemplateVersion will make. The executor looks
them up; it decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import ExitCode
from pipeline.model.ids import BakeKey, GroupName, ImageId, RefreshId, TemplateId
from pipeline.model.images import Stage
from pipeline.model.settings import RefreshStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class Baked:
    """The image that this plan bakes for the family."""

    family: str

    def __str__(self) -> str:
        return f"the new {self.family} image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """The launch template version that this plan creates for the fleet."""

    fleet: str

    def __str__(self) -> str:
        return "a new version"


ImageRef = ImageId | Baked
VersionRef = int | Created


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildImage:
    """Bake a candidate; unless forced, one of the same key that stands already is taken instead."""

    family: str
    bake_key: BakeKey
    source_image: ImageId
    force: bool = False


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
class CreateTemplateVersion:
    """Make a launch template version from a pinned source version, with another image."""

    fleet: str
    family: str
    template: TemplateId
    source_version: int
    image: ImageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefresh:
    """Start an instance refresh towards a numbered version, or adopt one that already goes there.

    ``saved`` is the version that stood on the group when the plan was made. ``undo``: an interruption has AWS roll
    the refresh back; a way back is left running instead.
    """

    fleet: str
    group: GroupName
    template: TemplateId
    saved: int
    version: VersionRef
    strategy: RefreshStrategy
    auto_rollback: bool
    undo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitRefresh:
    """Wait for the group's refresh to end. ``refresh`` names one that runs already; None: the one just started."""

    fleet: str
    group: GroupName
    strategy: RefreshStrategy
    refresh: RefreshId | None = None
    undo: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBackRefresh:
    """Ask AWS to roll the running refresh back."""

    fleet: str
    group: GroupName
    refresh: RefreshId


Step = (
    BuildImage
    | SmokeTestImage
    | TagImage
    | MoveChannel
    | CreateTemplateVersion
    | StartRefresh
    | AwaitRefresh
    | RollBackRefresh
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
class Plan:
    """Steps in the order they will be executed. An empty plan means: nothing to do."""

    steps: tuple[PlannedStep, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.steps

    @property
    def blocked(self) -> tuple[Note, ...]:
        """The targets that would need a change which cannot be made."""
        return tuple(note for note in self.notes if note.blocked is not None)
