"""The release gate: what its rules answer for an image, or for every image that fleets run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from pipeline.errors import NotFound, NotPossible, UsageError
from pipeline.model.gates import Answer, GateVerdict
from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.views import FleetView
from pipeline.observe.release_gate import ReleaseObserver
from pipeline.planning.release_gate import judge
from pipeline.runs.room import Room, require_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the gate says of one image for whoever runs it; a verdict for each rule, in the order of the file."""

    subject: str
    image: ImageId | None = None
    verdicts: tuple[GateVerdict, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether all rules pass: unknown is no pass."""
        return bool(self.verdicts) and all(verdict.answer.passes for verdict in self.verdicts)


def fleets_of(room: Room, fleet: str | None, group: str | None) -> tuple[str, ...]:
    """Name the fleet, or those of the patch group.

    Raises:
        UsageError: there is none of that name.
    """
    if fleet is not None:
        require_known("fleet", fleet, room.settings.fleets)
        return (fleet,)
    grouped = {name: one.patch_group for name, one in sorted(room.settings.fleets.items()) if one.patch_group}
    require_known("patch group", str(group), grouped.values())
    return tuple(name for name, its in grouped.items() if its == group)


def gate(room: Room, *, image: ImageId | None = None, fleets: Iterable[str] = ()) -> tuple[Judged, ...]:
    """Ask the release gate of an image, or of all that fleets run and would boot next.

    Raises:
        UsageError: the configuration has no release gate.
        NotFound: the image does not exist.
    """
    if not room.settings.release_gate:
        raise UsageError(
            "The configuration has no release gate: without rules nothing would be asked.",
            hint="add `release_gate:` with its rules, such as `- smoke_tested: {}`",
        )
    views, wanted = _run_by(room, fleets) if image is None else ((), (Judged(subject=image, image=image),))
    known = room.tools.images.get(sorted({one.image for one in wanted if one.image}))
    if image is not None and image not in known:
        raise NotFound(f"{image} does not exist, or this account may not see it.", hint="see: rebake history")
    now, tools = room.tools.clock.now(), room.tools
    observer = ReleaseObserver(
        settings=room.settings,
        images=tools.images,
        channels=tools.channels,
        findings=tools.findings,
        evidence=tools.evidence,
    )
    told = {
        found: (
            *_standing(its.image),
            *(verdict for rule in room.settings.release_gate for verdict in judge(rule, its, now)),
        )
        for found, its in observer.observe(known, views).items()
    }
    return tuple(one if one.image is None else replace(one, verdicts=told.get(one.image, _GONE)) for one in wanted)


def _run_by(room: Room, fleets: Iterable[str]) -> tuple[tuple[FleetView, ...], tuple[Judged, ...]]:
    """List the images that fleets' instances run, and that their next ones would; what cannot be known is unknown."""
    views, wanted = list[FleetView](), list[Judged]()
    for name in fleets:
        try:
            view = room.fleet(name, copyable=False)
        except NotPossible as error:
            wanted.append(Judged(subject=name, verdicts=(_unknown("fleet", error.message),)))
            continue
        views.append(view)
        images = {member.image for member in view.members} | view.next_images
        wanted += [Judged(subject=name, image=one) for one in sorted(one for one in images if one)]
        if None in images:
            text = "the image of its next instance, or of some that it has, is not known"
            wanted.append(Judged(subject=name, verdicts=(_unknown("fleet", text),)))
    return tuple(views), tuple(wanted)


def _standing(image: Image) -> tuple[GateVerdict, ...]:
    """Refuse what was rejected or revoked, whatever the rules ask."""
    return (GateVerdict(gate="stage", answer=Answer.REFUSE, reason=f"it was {image.barred}"),) if image.barred else ()


def _unknown(gate: str, reason: str) -> GateVerdict:
    return GateVerdict(gate=gate, answer=Answer.UNKNOWN, reason=reason)


_GONE = (_unknown("image", "it does not exist any more, so that nothing can be asked of it"),)
