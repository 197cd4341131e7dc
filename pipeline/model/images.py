"""Images: what is baked, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from pipeline.model.ids import BakeKey, ImageId, RunId, SnapshotId
from pipeline.model.names import TAG_BAKE_KEY, TAG_FAMILY, TAG_GOOD, TAG_REVOKED, TAG_RUN, TAG_SOURCE_IMAGE, TAG_STAGE

AVAILABLE_WITHIN = timedelta(hours=2)
"""AMIs of 53 minutes have been seen; botocore's own waiter gives up after 10."""


class Architecture(StrEnum):
    """The processor architectures that AWS names."""

    X86_64 = "x86_64"
    ARM64 = "arm64"


class Stage(StrEnum):
    """How far an image of ours has come; the tag ``rebake:stage``. A revoked one must not be in use any more."""

    CANDIDATE = "candidate"
    TESTED = "tested"
    REJECTED = "rejected"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An AMI as DescribeImages shows it. ``state`` is AWS's word: pending, available, failed, disabled and so on."""

    id: ImageId
    name: str
    owner: str
    architecture: str
    state: str
    created: datetime
    root_device: str = "/dev/xvda"
    snapshots: tuple[SnapshotId, ...] = ()
    state_reason: str = ""
    platform: str = ""
    imds_v2: bool = True
    """Whether instances launched from it require IMDSv2: what a bake writes last."""
    protected: bool = False
    """Whether it cannot be deregistered."""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether we have protected it as a way back: what somebody else protects is his to release."""
        return TAG_GOOD in self.tags

    @property
    def family(self) -> str | None:
        """The image family that this project baked it for; None for an image that is not ours."""
        return self.tags.get(TAG_FAMILY)

    @property
    def bake_key(self) -> BakeKey | None:
        """The hash of what went into it."""
        key = self.tags.get(TAG_BAKE_KEY)
        return BakeKey(key) if key else None

    @property
    def run(self) -> RunId | None:
        """The run that baked it."""
        run = self.tags.get(TAG_RUN)
        return RunId(run) if run else None

    @property
    def source_image(self) -> ImageId | None:
        """The image it was baked from."""
        source = self.tags.get(TAG_SOURCE_IMAGE)
        return ImageId(source) if source else None

    @property
    def usable(self) -> bool:
        """Whether it can be launched, or soon will be."""
        return self.state in {"pending", "available"}

    @property
    def stage(self) -> Stage | None:
        """How far it has come; None for an image without a stage we know.

        Why it was revoked is a tag of its own: whoever writes a stage at that moment does not take it back.
        """
        if TAG_REVOKED in self.tags:
            return Stage.REVOKED
        value = self.tags.get(TAG_STAGE)
        return Stage(value) if value in set(Stage) else None

    @property
    def barred(self) -> str:
        """Why it must never be launched again, in words that follow "was"; empty where nobody has said so."""
        match self.stage:
            case Stage.REVOKED:
                why = self.tags.get(TAG_REVOKED, "")
                return f"revoked ({why})" if why else "revoked"
            case Stage.REJECTED:
                return "rejected"
            case _:
                return ""
