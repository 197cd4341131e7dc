"""Pydantic's errors in the file's terms: the place and line they stand on, and words for people."""

from __future__ import annotations

import difflib

from pydantic_core import ErrorDetails

from pipeline.config.document import Document, Fault, Place, Tree
from pipeline.config.fields import Reading

_SAYS = {
    "missing": "is missing",
    "value_error": "{error}",
    "enum": "{shown} is not {expected}",
    "literal_error": "{shown} is not {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_long": "has {actual_length} entries; at most {max_length} are allowed",
    "too_short": "must have at least one entry",
    "dict_type": "must be a mapping (key: value), not {shown}",
    "model_type": "must be a mapping (key: value), not {shown}",
    "list_type": "must be a list, not {shown}",
    "tuple_type": "must be a list, not {shown}",
    "string_type": "must be text, not {shown}",
    "int_parsing": "must be a whole number, not {shown}",
    "int_type": "must be a whole number, not {shown}",
}


def fault(document: Document, reading: Reading, details: ErrorDetails) -> Fault:
    """Word one of pydantic's errors."""
    place, value = _place(document.value, details["loc"])
    if details["type"] == "missing":
        place = (*place, details["loc"][-1])
    if details["type"] == "extra_forbidden":
        _, parent = _place(document.value, place[:-1])
        text = _unknown(str(place[-1]), reading.keys[id(parent)])
    else:
        says = _SAYS.get(details["type"], "{shown}: {msg}")
        text = says.format(**{"msg": details["msg"], "shown": _shown(value), **details.get("ctx", {})})
    return Fault(line=document.line(place), place=place, text=text)


def _place(tree: Tree, loc: Place) -> tuple[Place, Tree]:
    """Keep the parts of pydantic's location that stand in the file (it adds names of its own)."""
    place: Place = ()
    for part in loc:
        entries: dict[str | int, Tree] = {}
        if isinstance(tree, dict):
            entries.update(tree)
        elif isinstance(tree, list):
            entries.update(enumerate(tree))
        if part in entries:
            tree = entries[part]
            place = (*place, part)
    return place, tree


def _unknown(key: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; known here: {', '.join(known)}"


def _shown(value: Tree) -> str:
    if isinstance(value, str):
        return repr(value[:60])
    return {type(None): "empty", dict: "a mapping"}.get(type(value), "a list")
