"""Surveys as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from pipeline.model.ids import ImageId
from pipeline.model.packages import OperatingSystem, Package, Patch, Survey

_FORMAT = 1


def written(survey: Survey) -> str:
    """Write a survey."""
    return json.dumps({"format": _FORMAT, **asdict(survey)}, indent=1, default=datetime.isoformat) + "\n"


def read(text: str) -> Survey:
    """Read a survey that `written` wrote.

    Raises:
        ValueError, KeyError, TypeError: it is none, or of another format.
    """
    found: dict[str, Any] = json.loads(text)
    if found["format"] != _FORMAT:
        raise ValueError("another format")
    return Survey(
        image=ImageId(found["image"]),
        at=datetime.fromisoformat(found["at"]),
        system=OperatingSystem(found["system"]),
        patches=tuple(map(_patch, found["patches"])),
    )


def _patch(row: dict[str, Any]) -> Patch:
    released = row["released"]
    values = {one.name: row[one.name] for one in fields(Patch)}
    return Patch(
        **{
            **values,
            "released": datetime.fromisoformat(released) if released else None,
            "advisories": tuple(row["advisories"]),
            "cves": tuple(row["cves"]),
            "needs": tuple(Package(**need) for need in row["needs"]),
        }
    )
