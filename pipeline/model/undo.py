"""What to put back: written on the group itself before it is changed, so that any machine can put it back.

An Auto Scaling tag's value holds 256 characters (Tag, Value), so the route has a tag of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.model.names import TAG_UNDO, TAG_UNDO_ROUTE

UNDO_TAGS = (TAG_UNDO, TAG_UNDO_ROUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """A group as it was. None, empty and False: that was not changed.

    ``pinned`` is what the minimum was raised to: one that is another now was changed by somebody else, and stays.
    ``version`` is the launch template version before; ``weight`` the one that the group's target group had on
    ``route``. ``resume`` names the processes that were suspended, ``unprotect`` says that members were protected.
    """

    run: str
    minimum: int | None = None
    pinned: int | None = None
    resume: tuple[str, ...] = ()
    unprotect: bool = False
    version: int | None = None
    route: str = ""
    weight: int | None = None

    def tags(self) -> dict[str, str]:
        """Write it as tags."""
        facts = {
            "run": self.run,
            "min": self.minimum,
            "pinned": self.pinned,
            "resume": list(self.resume) or None,
            "unprotect": self.unprotect or None,
            "version": self.version,
            "weight": self.weight,
        }
        kept = {key: value for key, value in facts.items() if value is not None}
        route = {TAG_UNDO_ROUTE: self.route} if self.route else {}
        return {TAG_UNDO: json.dumps(kept, separators=(",", ":")), **route}


def undo_of(tags: Mapping[str, str]) -> Undo | None:
    """Read it back; None for a group that needs nothing put back.

    Raises:
        ValueError: somebody wrote something else there.
    """
    text = tags.get(TAG_UNDO)
    if text is None:
        return None
    facts = json.loads(text)
    resume = facts.get("resume", []) if isinstance(facts, dict) else None
    if not isinstance(resume, list):
        raise ValueError("not a record of ours")  # noqa: TRY004 - one kind of error for one kind of fault
    return Undo(
        run=str(facts.get("run", "")),
        minimum=_number(facts.get("min")),
        pinned=_number(facts.get("pinned")),
        resume=tuple(map(str, resume)),
        unprotect=facts.get("unprotect") is True,
        version=_number(facts.get("version")),
        route=tags.get(TAG_UNDO_ROUTE, ""),
        weight=_number(facts.get("weight")),
    )


def settled_minimum(undo: Undo, now: int) -> int | None:
    """Tell the minimum size that a group gets back; None: it was not raised, or somebody has changed it since."""
    return undo.minimum if undo.pinned is not None and undo.pinned == now else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
