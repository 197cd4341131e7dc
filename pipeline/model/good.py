"""Images that a fleet has come to and was not brought back from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.model.ids import ImageId
from pipeline.model.refs import ImageRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Good:
    """An image that a fleet is on, or was on until it went forward, and since when."""

    image: ImageId
    since: datetime


Ledger = tuple[Good, ...]
"""What is protected for one fleet: newest first, down to the newest that has been good for long enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepGood:
    """Write down that the fleet is on the image, protect it and the one ``before``, and release what is proven past.

    ``keep`` is how long a newer image must have been good before an older one is released. ``before`` None: not known.
    """

    fleet: str
    image: ImageRef
    before: ImageId | None
    keep: timedelta
