"""Which patch group the instances of a fleet are in: by their tag, which is what SSM goes by, or by their fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from pipeline.model.fleets import Member
from pipeline.model.views import FleetView


def astray(view: FleetView) -> Mapping[str, int]:
    """Count instances by what is wrong with their patch group, in words; nothing where it is right.

    An instance with the tag is in that group, and one without in its fleet's. Neither is no group, which is told; so
    is a tag that names another group than the fleet's.
    """
    found = Counter(misplaced(view.settings.patch_group, member) for member in view.group.standing)
    return {words: number for words, number in found.items() if words}


def misplaced(own: str | None, member: Member) -> str:
    """Say what is wrong with an instance's patch group, where its fleet's is ``own``; empty: nothing."""
    if member.image is None:
        return ""  # EC2 does not show it yet
    if own is None and not member.patch_group:
        return "in no patch group"
    if own is not None and member.patch_group not in (None, own):
        return f"tagged for patch group {member.patch_group}, not {own}"
    return ""


def untagged(view: FleetView) -> int:
    """Count the instances that SSM would take for members of no patch group."""
    return sum(member.image is not None and not member.patch_group for member in view.group.standing)
