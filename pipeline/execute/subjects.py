"""Whom gates are about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.model.fleets import Member
from pipeline.model.ids import TargetGroupArn


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom the gates are about: old and new instances of a fleet, the new ones' targets, since when there are some.

    ``old`` are all that there were when it began, ``serving`` those of them that still are in service.
    """

    fleet: str
    since: datetime
    old: tuple[Member, ...] = ()
    serving: tuple[Member, ...] = ()
    new: tuple[Member, ...] = ()
    targets: tuple[TargetGroupArn, ...] = ()
