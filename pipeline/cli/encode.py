"""Nouns as JSON: field by field, with the kind of a step or outcome named."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import date, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from pipeline.cli.complaint import complaint
from pipeline.errors import RebakeError
from pipeline.model import gates, outcomes, refs, steps, strategies

_KINDS = (
    refs.Baked,
    refs.Created,
    *steps.Step.__args__,
    *outcomes.Outcome.__args__,
    *gates.Gate.__args__,
    *strategies.Strategy.__args__,
)


def encode(value: Any) -> Any:
    """Turn any noun into JSON's types: durations in seconds, times in ISO 8601, kinds under ``kind``."""
    if isinstance(value, RebakeError):
        return complaint(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = {"kind": type(value).__name__} if isinstance(value, _KINDS) else {}
        return kind | {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case PurePath():
            return str(value)
        case _:
            return value


def dump(value: Any) -> str:
    """Write a noun as a JSON document for people and for ``jq``."""
    return json.dumps(encode(value), indent=2, ensure_ascii=False)
