"""What one part of the file says of another: families that fleets and sources name, cycles, groups named twice.

Works on the plain values, so that its faults are told together with those of single fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pipeline.config.document import Document, Fault, Place, Tree


def check(document: Document) -> Iterator[Fault]:
    """Yield every fault between parts of the file."""
    families = _section(document.value, "families")
    sources = {name: _at(family, "source", "family") for name, family in families.items()}
    for name, source in sources.items():
        place: Place = ("families", name, "source", "family")
        if isinstance(source, str):
            if source not in families:
                yield _unknown(document, place, source, families)
            elif cycle := _cycle(name, sources):
                yield Fault(line=document.line(place), place=place, text=f"goes in a circle: {' -> '.join(cycle)}")
    groups: dict[str, str] = {}
    for name, fleet in _section(document.value, "fleets").items():
        family = _at(fleet, "family")
        if isinstance(family, str) and family not in families:
            yield _unknown(document, ("fleets", name, "family"), family, families)
        group = _at(fleet, "group")
        if group is None:
            continue
        first = groups.setdefault(repr(_normal(group)), name)
        if first != name:
            place = ("fleets", name, "group")
            yield Fault(line=document.line(place), place=place, text=f"is the group of fleet {first} already")


def _section(value: Tree, key: str) -> dict[str, Tree]:
    section = _at(value, key)
    return section if isinstance(section, dict) else {}


def _at(value: Tree, *keys: str) -> Tree:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _normal(group: Tree) -> Tree:
    """Write ``{name: web}`` as ``web`` and order tags, so that the same group reads the same."""
    if not isinstance(group, dict):
        return group
    if isinstance(group.get("name"), str):
        return group["name"]
    tags = group.get("tag")
    return {"tag": dict(sorted(tags.items()))} if isinstance(tags, dict) else group


def _cycle(start: str, sources: dict[str, Tree]) -> list[str]:
    """Follow the sources from a family; the way round when it leads back to it, else nothing."""
    way = [start]
    while isinstance(following := sources.get(way[-1]), str) and following not in way:
        way.append(following)
    return [*way, start] if following == start else []


def _unknown(document: Document, place: Place, name: str, families: dict[str, Tree]) -> Fault:
    near = difflib.get_close_matches(name, families, n=1)
    known = f"did you mean {near[0]}?" if near else f"there are: {', '.join(families) or 'none'}"
    return Fault(line=document.line(place), place=place, text=f"there is no family {name!r}; {known}")
