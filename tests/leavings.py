"""One leftover of each kind, a week old and in no use; and what is almost one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import nouns

from pipeline.model.ids import BakeKey, GroupName, ImageId, RunId
from pipeline.model.leftovers import Kind, Resource
from pipeline.model.names import (
    TAG_BAKE_KEY,
    TAG_FAMILY,
    TAG_MADE,
    TAG_ORIGIN,
    TAG_PURPOSE,
    TAG_RETIRE,
    TAG_ROLE,
    TAG_RUN,
    build_name,
    image_name,
    target_group_name,
    template_description,
)

MADE = nouns.NOW - timedelta(days=7)
RUN = RunId(f"{MADE:%Y%m%dT%H%M%S}-kqzt")
BUILD = {TAG_RUN: RUN, TAG_FAMILY: "web", TAG_PURPOSE: "build"}
BAKED = {TAG_RUN: RUN, TAG_FAMILY: "web", TAG_BAKE_KEY: "4f2a91c0" * 8}
GREEN = GroupName("web-prod-v2")
WORDS = "Temporary group for Packer"
SECONDS = timedelta(seconds=3)

INSTANCE = Resource(kind=Kind.INSTANCE, id="i-0a", created=MADE, tags=BUILD)
GROUP_OF_PACKER = Resource(
    kind=Kind.SECURITY_GROUP,
    id="sg-0a",
    name=f"packer_{int((MADE + SECONDS).timestamp()):08x}-1a2b-3c4d",
    description=WORDS,
)
KEY = Resource(kind=Kind.KEY_PAIR, id=build_name(RUN, "web"), name=build_name(RUN, "web"), created=MADE)
VOLUME = Resource(kind=Kind.VOLUME, id="vol-0a", created=MADE, tags=BUILD, state="available")
UNTAGGED = Resource(
    kind=Kind.IMAGE,
    id="ami-0a",
    name=image_name("web", MADE, BakeKey("4f2a91c0" * 8)),
    created=MADE + timedelta(minutes=9),
    state="available",
    parts=("snap-0a",),
)
SNAPSHOT_OF_IT = Resource(
    kind=Kind.SNAPSHOT, id="snap-0a", created=MADE, description="Created by CreateImage(i-0a) for ami-0a"
)
FAILED = Resource(kind=Kind.IMAGE, id="ami-0b", name="web-b", created=MADE, state="failed", tags=BAKED)
SNAPSHOT = Resource(
    kind=Kind.SNAPSHOT,
    id="snap-0c",
    created=MADE,
    description="Created by CreateImage(i-0c) for ami-0c from vol-0c",
    tags=BAKED,
)
UNFINISHED = replace(UNTAGGED, id="ami-0d", name="web-d", parts=("snap-0d",), tags={**BAKED, TAG_PURPOSE: "build"})
APPROVAL = Resource(kind=Kind.APPROVAL, id=f"/rebake/approvals/{RUN}", name=RUN, created=MADE)
GREEN_GROUP = Resource(
    kind=Kind.GROUP,
    id=GREEN,
    name=GREEN,
    created=MADE,
    tags={TAG_RUN: RUN, TAG_ORIGIN: "web-prod", TAG_ROLE: "green"},
    parts=("arn:aws:targets/green",),
)
BLUE_GROUP = replace(
    GREEN_GROUP,
    id="web-prod-v1",
    name="web-prod-v1",
    tags={**GREEN_GROUP.tags, TAG_ROLE: "blue", TAG_RETIRE: (MADE + timedelta(hours=1)).isoformat()},
)
TARGETS = Resource(
    kind=Kind.TARGET_GROUP,
    id="arn:aws:targets/green",
    name=target_group_name(GREEN),
    tags={TAG_RUN: RUN, TAG_ORIGIN: "web-prod", TAG_MADE: MADE.isoformat()},
    holders=(GREEN,),
)


def version(number: int, *, source: int | None = None, holders: tuple[str, ...] = ()) -> Resource:
    """Make a launch template version, made by a roll unless ``source`` is None."""
    text = "by hand" if source is None else template_description("web", ImageId("ami-0a"), RUN, source)
    return Resource(kind=Kind.TEMPLATE_VERSION, id=f"lt-0a:{number}", description=text, created=MADE, holders=holders)


VERSIONS = (
    version(1, holders=("the template's default",)),
    *(version(number, source=number - 1) for number in range(2, 11)),
    version(11, source=10, holders=("web-prod",)),
)
EVERYTHING = (
    *(INSTANCE, GROUP_OF_PACKER, KEY, VOLUME, UNTAGGED, FAILED, UNFINISHED, SNAPSHOT_OF_IT, SNAPSHOT),
    *(*VERSIONS, APPROVAL, GREEN_GROUP, BLUE_GROUP, TARGETS),
)
GOING = (
    *(INSTANCE.id, GROUP_OF_PACKER.id, KEY.id, VOLUME.id, UNTAGGED.id, FAILED.id, UNFINISHED.id, SNAPSHOT.id),
    *("lt-0a:6", "lt-0a:5", "lt-0a:4", "lt-0a:3", "lt-0a:2", APPROVAL.id, GREEN, BLUE_GROUP.id, TARGETS.id),
)
"""What of everything goes, in this order: the snapshot of an image goes with it, versions 7 to 11 are ways back."""
