"""Take an image out of use: mark it, and stop what is being rolled to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pipeline.errors import NotFound, NotOurs, RebakeError
from pipeline.model.ids import ImageId
from pipeline.model.images import Image, Stage
from pipeline.model.names import TAG_REVOKED, TAG_STAGE
from pipeline.model.strategies import OnHalt
from pipeline.model.views import FamilyImages
from pipeline.planning.lineage import descendants, lost
from pipeline.runs.room import Room
from pipeline.runs.signals import stop

_TAG_MAX = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done to an image, or how a channel or fleet stands that uses it, and what to do about that.

    ``ok`` False: what was to be done was not.
    """

    target: str
    text: str
    ok: bool = True


def revoke(room: Room, image: ImageId, reason: str, *, cascade: bool, dry_run: bool = False) -> tuple[Told, ...]:
    """Mark an image as revoked (with all that were baked from it, if ``cascade``) and stop rolls to it.

    No lease is taken: whoever rolls to it must be stopped, not waited for. Running rollouts see the mark at their next
    look and put back their fleets. Marked first: what is stopped afterwards cannot be begun again.

    Raises:
        NotFound: there is no such image.
        NotOurs: it was not baked here.
    """
    found = room.tools.images.get([image]).get(image)
    if found is None:
        raise NotFound(f"{image} does not exist, or this account may not see it.", hint="see: rebake history")
    if found.family is None or found.stage is None:
        raise NotOurs(f"{image} carries no rebake tags: it was not baked here.", hint="disable it in EC2 yourself")
    why = f"{reason}; by {room.preflight.caller().arn}, {room.tools.clock.now():%Y-%m-%d %H:%M} UTC"
    told = [_mark(room, found, why, dry_run=dry_run)]  # before anything is read that may fail
    families = tuple(room.images_of(name) for name in sorted(room.settings.families))
    baked = {one.id: one for view in families for one in view.baked}
    made_from_it = descendants(image, baked.values())
    gone = frozenset({image, *(one.id for one in made_from_it)} if cascade else {image})
    if cascade:
        told += [_mark(room, one, why, dry_run=dry_run) for one in made_from_it]
        told += _doubtful(room, baked, gone)
    else:
        text = f"was baked from {image} and is not revoked: that takes --cascade"
        told += [Told(target=one.id, text=text) for one in made_from_it if not one.barred]
    return (*told, *_channels(families, gone), *_fleets(room, gone, dry_run=dry_run))


def _mark(room: Room, image: Image, why: str, *, dry_run: bool) -> Told:
    if image.stage is Stage.REVOKED:
        return Told(target=image.id, text=f"was {image.barred} before")
    if dry_run:
        return Told(target=image.id, text="would be revoked")
    room.tools.images.tag(image, {TAG_STAGE: Stage.REVOKED, TAG_REVOKED: why[:_TAG_MAX]})
    return Told(target=image.id, text="is revoked")


def _doubtful(room: Room, baked: Mapping[ImageId, Image], gone: frozenset[ImageId]) -> Iterator[Told]:
    """Name the images of which nobody can tell whether they were baked from it: something between is gone."""
    for one in baked.values():
        if one.id not in gone and not one.barred and (missing := lost(one, baked, room.settings.families)):
            text = f"was baked from {missing}, which is gone: whether that came from it cannot be told"
            yield Told(target=one.id, text=text, ok=False)


def _channels(families: Iterable[FamilyImages], gone: frozenset[ImageId]) -> Iterator[Told]:
    for view in families:
        name = view.family.name
        if view.channel in gone:
            text = f"channel {view.family.channel} still points to {view.channel}: rebake promote {name} --image ami-…"
            yield Told(target=name, text=text)


def _fleets(room: Room, gone: frozenset[ImageId], *, dry_run: bool) -> Iterator[Told]:
    for name in sorted(room.settings.fleets):
        try:
            view = room.fleet(name, copyable=False)
            if view.active is not None and view.goal(view.active) in gone:
                how = f"refresh {view.active.id} would be stopped" if dry_run else ""
                yield Told(target=name, text=how or stop(room, view.active, OnHalt.ROLL_BACK))
        except RebakeError as error:
            yield Told(target=name, text=error.whole, ok=False)
            continue
        using = sum(member.image in gone for member in view.members)
        if using or view.next_images & gone:
            boots = ", and the next ones would" if view.next_images & gone else ""
            text = f"{using} of {len(view.members)} instances run it{boots}: rebake rollback {name}"
            yield Told(target=name, text=text)
