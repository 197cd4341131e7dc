"""Which of an account's resources are ours and left over: known by marks that only we leave, not by likeness."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.model.images import Stage
from pipeline.model.leftovers import Kind, Resource
from pipeline.model.names import (
    TAG_BAKE_KEY,
    TAG_FAMILY,
    TAG_GOOD,
    TAG_MADE,
    TAG_ORIGIN,
    TAG_PURPOSE,
    TAG_RETIRE,
    TAG_RUN,
    TAG_STAGE,
    Role,
    build_of,
    green_name,
    image_stamp,
    role_of,
    run_began,
    target_group_name,
    template_origin,
)

KEPT_VERSIONS = 5
"""So many of our newest versions of a launch template stay, as ways back."""
_MOST_VERSIONS = 10_000
"""What a launch template may have (Amazon EC2 quotas)."""
_PURPOSES = frozenset({"build", "smoke"})
_UNFINISHED = frozenset({"unfinished", "pending", "failed", "error", "invalid", "transient"})
_LONGEST_BUILD = timedelta(days=1)
_TOGETHER = timedelta(minutes=5)
# Packer's own: a UUID that begins with the seconds since 1970.
_PACKERS_NAME = re.compile(r"packer_([0-9a-f]{8})-[0-9a-f-]+")
_PACKERS_WORDS = "Temporary group for Packer"
# EC2's own, of what CreateImage makes.
_SNAPSHOT = re.compile(r"Created by CreateImage\(i-[0-9a-f]+\) for (ami-[0-9a-f]+)\b.*")

Listed = Mapping[Kind, Sequence[Resource]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A resource that we have made and nobody needs, unless one of ``holders`` stays.

    ``mark`` says how it is known; ``since`` is from when on its age counts, None where nothing tells.
    """

    resource: Resource
    mark: str
    since: datetime | None
    holders: tuple[str, ...] = ()


def leftovers(found: Iterable[Resource], families: Collection[str]) -> Iterator[Leftover]:
    """Recognise leftovers, in the order of their kinds; ``families`` are those whose untagged images are ours."""
    of: dict[Kind, list[Resource]] = {kind: [] for kind in Kind}
    for one in found:
        of[one.kind].append(one)
    know: dict[Kind, Callable[[Resource], Leftover | None]] = {
        Kind.INSTANCE: _instance_or_volume,
        Kind.SECURITY_GROUP: lambda one: _security_group(one, of),
        Kind.KEY_PAIR: lambda one: _key_pair(one, of),
        Kind.VOLUME: _instance_or_volume,
        Kind.IMAGE: lambda one: _image(one, of, families),
        Kind.SNAPSHOT: lambda one: _snapshot(one, of),
        Kind.APPROVAL: _approval,
        Kind.GROUP: _group,
        Kind.TARGET_GROUP: lambda one: _target_group(one, of),
    }
    for kind in Kind:
        if kind is Kind.TEMPLATE_VERSION:
            yield from _versions(of[kind], frozenset(one.id for one in of[Kind.IMAGE] if TAG_GOOD in one.tags))
        else:
            yield from filter(None, map(know[kind], of[kind]))


def _instance_or_volume(one: Resource) -> Leftover | None:
    """Know what builds and tests ran on by its tags; members are their group's."""
    run, family, purpose = _run(one), one.tags.get(TAG_FAMILY), one.tags.get(TAG_PURPOSE)
    if not run or not family or purpose not in _PURPOSES or "aws:autoscaling:groupName" in one.tags:
        return None
    return Leftover(resource=one, mark=f"{purpose} of {family} in run {run}", since=one.created)


def _security_group(one: Resource, of: Listed) -> Leftover | None:
    """Know the group that Packer makes for a build: by its tags, by our instances in it, or by our key pair.

    Older Packers do not tag it. But they make it right after the key pair and delete it right before that: where one
    only was made when a key pair of ours was, and that still stands, the group is the build's.
    """
    made = _packers_time(one)
    if made is None:
        return None
    if (run := _run(one)) and one.tags.get(TAG_PURPOSE) in _PURPOSES:
        return Leftover(resource=one, mark=f"build in run {run}", since=made, holders=one.holders)
    if one.holders:
        ours = {machine.id for machine in of[Kind.INSTANCE] if _instance_or_volume(machine)}
        mark = f"made for {', '.join(one.holders)}"
        return Leftover(resource=one, mark=mark, since=made, holders=one.holders) if ours >= {*one.holders} else None
    mates = [key for key in of[Kind.KEY_PAIR] if build_of(key.name) and _together(made, key.created)]
    rivals = [other for other in of[Kind.SECURITY_GROUP] if _together(made, _packers_time(other))]
    if len(mates) != 1 or rivals != [one]:
        return None
    return Leftover(resource=one, mark=f"made with key pair {mates[0].name}", since=made)


def _key_pair(one: Resource, of: Listed) -> Leftover | None:
    """Know a build's key pair by its name; it waits for the security groups that only it gives away."""
    if (built := build_of(one.name)) is None:
        return None
    waits = tuple(group.id for group in of[Kind.SECURITY_GROUP] if _together(_packers_time(group), one.created))
    return Leftover(resource=one, mark=f"build of {built[1]} in run {built[0]}", since=one.created, holders=waits)


def _image(one: Resource, of: Listed, families: Collection[str]) -> Leftover | None:
    """Know an image of ours that never became available, or whose build was killed before it could tag it as done.

    Newer Packers give it its build instance's tags in CreateImage, older ones none. What has a stage was finished, or
    adopted by a later run, and what a fleet may have to go back to is protected.
    """
    if TAG_GOOD in one.tags:
        return None
    mark = None
    if run := _baked(one):
        state = "unfinished" if one.tags.get(TAG_PURPOSE) == "build" and TAG_STAGE not in one.tags else one.state
        mark = f"{state}, of run {run}" if state in _UNFINISHED else None
    elif not one.tags:
        mark = _untagged(one, [snapshot for snapshot in of[Kind.SNAPSHOT] if snapshot.id in one.parts], families)
    return Leftover(resource=one, mark=mark, since=one.created, holders=one.holders) if mark else None


def _untagged(one: Resource, snapshots: Sequence[Resource], families: Collection[str]) -> str | None:
    """Know an image whose build was killed before it could tag it.

    It bears the name that a bake of a family gives, was made when that name says, and by CreateImage: a copy is not
    one, and one that somebody has taken over by tags on a part of it is his.
    """
    stamps = ((family, image_stamp(one.name, family)) for family in families)
    family, stamp = next(((family, stamp) for family, stamp in stamps if stamp), ("", None))
    if stamp is None or one.created is None or not timedelta() <= one.created - stamp <= _LONGEST_BUILD:
        return None
    if len(snapshots) != len(one.parts) or any(part.tags or _image_of(part) != one.id for part in snapshots):
        return None
    return f"untagged, named by a bake of {family}" if snapshots or one.state in _UNFINISHED else None


def _snapshot(one: Resource, of: Listed) -> Leftover | None:
    """Know a snapshot of an image of ours that is gone, and was never tested."""
    run, image = _baked(one), _image_of(one)
    if not run or not image or one.tags.get(TAG_STAGE) == Stage.TESTED:
        return None
    if any(other.id == image for other in of[Kind.IMAGE]):
        return None
    return Leftover(resource=one, mark=f"of run {run}, whose {image} is gone", since=one.created, holders=one.holders)


def _versions(found: Sequence[Resource], good: frozenset[str]) -> Iterator[Leftover]:
    """Know versions of ours that are no way back.

    Neither in use, nor what such a one was made from, nor new, nor of an image that is kept as a way back.
    """
    templates: dict[str, dict[int, Resource]] = {}
    for one in found:
        template, _, digits = one.id.partition(":")
        templates.setdefault(template, {})[int(digits)] = one
    for versions in templates.values():
        origins = {number: origin for number, one in versions.items() if (origin := template_origin(one.description))}
        held = {
            max(versions),
            *(number for number, one in versions.items() if one.holders or not good.isdisjoint(one.parts)),
        }
        held |= {origins[number][2] for number in held & origins.keys()}
        for number in sorted(origins, reverse=True)[KEPT_VERSIONS:]:
            if number not in held:
                mark = f"in no use, and {KEPT_VERSIONS} newer ones of ours stay"
                yield Leftover(resource=versions[number], mark=mark, since=versions[number].created)


def _approval(one: Resource) -> Leftover | None:
    return Leftover(resource=one, mark="an answer to a run", since=one.created) if run_began(one.name) else None


def _group(one: Resource) -> Leftover | None:
    """Know a group that a rollout has made beside its fleet's own; it is as old as the last run that took it on."""
    run, role, origin = _run(one), role_of(one.tags), one.tags.get(TAG_ORIGIN)
    if not run or not origin or role not in {Role.GREEN, Role.BLUE}:
        return None
    if not re.fullmatch(rf"{re.escape(origin)}-v[0-9]+", one.name):
        return None
    times = [one.created, run_began(run)]
    if role is Role.BLUE:
        times.append(_time(one.tags.get(TAG_RETIRE, "")))
    known = [time for time in times if time]
    since = max(known) if len(known) == len(times) else None
    return Leftover(resource=one, mark=f"{role} of {origin} in run {run}", since=since, holders=one.holders)


def _target_group(one: Resource, of: Listed) -> Leftover | None:
    """Know a target group that was made for a green group, unless it is that of a group that stays."""
    run, origin = _run(one), one.tags.get(TAG_ORIGIN)
    groups = {group.id: group for group in of[Kind.GROUP]}
    if not run or not origin or any(holder in groups and not _group(groups[holder]) for holder in one.holders):
        return None
    if not any(target_group_name(green_name(origin, number)) == one.name for number in range(1, _MOST_VERSIONS + 1)):
        return None
    since = _time(one.tags.get(TAG_MADE, ""))
    return Leftover(resource=one, mark=f"made for {origin} in run {run}", since=since, holders=one.holders)


def _run(one: Resource) -> str | None:
    run = one.tags.get(TAG_RUN, "")
    return run if run_began(run) else None


def _baked(one: Resource) -> str | None:
    """Name the run that baked an image or snapshot, by the tags that every bake gives."""
    return _run(one) if TAG_FAMILY in one.tags and TAG_BAKE_KEY in one.tags else None


def _packers_time(one: Resource) -> datetime | None:
    match = _PACKERS_NAME.fullmatch(one.name)
    return datetime.fromtimestamp(int(match[1], 16), UTC) if match and one.description == _PACKERS_WORDS else None


def _image_of(snapshot: Resource) -> str | None:
    match = _SNAPSHOT.fullmatch(snapshot.description)
    return match[1] if match else None


def _together(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and other is not None and abs(one - other) <= _TOGETHER


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else None
