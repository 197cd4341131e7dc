"""What one part of the file says of another: names that must exist, cycles, and what only one part may have.

Works on the plain values, so that its faults are told together with those of single fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator

from pipeline.config.baselines import WORDS, is_own
from pipeline.config.document import Document, Fault, Place, Tree
from pipeline.model.names import andon_path, approval_path, lease_path, ledger_path

_OURS = {path("").strip("/") for path in (andon_path, approval_path, lease_path, ledger_path)}


def check(document: Document) -> Iterator[Fault]:
    """Yield every fault between parts of the file."""
    families = _section(document.value, "families")
    yield from _sources(document, families)
    for name, fleet in _section(document.value, "fleets").items():
        family = _at(fleet, "family")
        if isinstance(family, str) and family not in families:
            yield _unknown(document, ("fleets", name, "family"), "family", family, families)
    yield from _patch_groups(document)
    yield from _baselines(document, families)
    first: dict[tuple[str, str], str] = {}
    for place, claimed, words in _claims(document):
        holder = first.setdefault(claimed, words)
        if holder != words:
            yield Fault(line=document.line(place), place=place, text=f"is the {holder} already")


def _sources(document: Document, families: dict[str, Tree]) -> Iterator[Fault]:
    sources = {name: _at(family, "source", "family") for name, family in families.items()}
    for name, source in sources.items():
        if name in _OURS:
            place: Place = ("families", name)
            text = f"is no name for a family: parameters named {name}/… below the channels' prefix are rebake's own"
            yield Fault(line=document.line(place), place=place, text=text)
        if isinstance(source, str):
            place = ("families", name, "source", "family")
            if source not in families:
                yield _unknown(document, place, "family", source, families)
            elif cycle := _cycle(name, sources):
                yield Fault(line=document.line(place), place=place, text=f"goes in a circle: {' -> '.join(cycle)}")


def _patch_groups(document: Document) -> Iterator[Fault]:
    groups = _section(document.value, "patch_groups")
    members: dict[Tree, list[str]] = {}
    for name, fleet in _section(document.value, "fleets").items():
        group = _at(fleet, "patch_group")
        if not isinstance(group, str):
            continue
        members.setdefault(group, []).append(name)
        if group not in groups and _at(document.value, "patch_groups") is not None:
            yield _unknown(document, ("fleets", name, "patch_group"), "patch group", group, groups)
    for name, group in groups.items():
        canary = _at(group, "canary")
        if isinstance(canary, str) and canary not in members.get(name, ()):
            place = ("patch_groups", name, "canary")
            yield _unknown(document, place, "fleet of this patch group", canary, members.get(name, ()))
    yield from _freezes(document, groups)


def _freezes(document: Document, groups: dict[str, Tree]) -> Iterator[Fault]:
    """Yield names of freezes that there are not, and freezes that would hold nobody up."""
    freezes = _section(document.value, "freezes")
    used: set[Tree] = set()
    for name, group in groups.items():
        listed = _at(group, "freezes")
        for index, freeze in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(freeze, str):
                used.add(freeze)
                if freeze not in freezes:
                    yield _unknown(document, ("patch_groups", name, "freezes", index), "freeze", freeze, freezes)
    for name in freezes:
        if name not in used:
            text = "no patch group names it, so it would freeze nothing; name it in the freezes of patch_groups"
            yield Fault(line=document.line(("freezes", name)), place=("freezes", name), text=text)


def _baselines(document: Document, families: dict[str, Tree]) -> Iterator[Fault]:
    known = _section(document.value, "baselines")
    for section, parts in (("families", families), ("patch_groups", _section(document.value, "patch_groups"))):
        for name, part in parts.items():
            baseline = _at(part, "baseline")
            if not isinstance(baseline, str) or (section == "families" and not is_own(baseline)):
                continue
            place: Place = (section, name, "baseline")
            if baseline not in known:
                yield _unknown(
                    document, place, "baseline", baseline, (*known, *(WORDS if section == "families" else ()))
                )
            elif str(_at(part, "template")).startswith(("debian-", "ubuntu-")):
                yield from _unpublished(document, baseline, known[baseline], f"{section}.{name}")


def _unpublished(document: Document, name: str, baseline: Tree, user: str) -> Iterator[Fault]:
    """Refuse what Debian's and Ubuntu's archives do not tell: a rule that asks for it would approve nothing, ever."""
    rules = _at(baseline, "rules")
    for number, rule in enumerate(rules if isinstance(rules, list) else []):
        for key in ("classification", "severity", "advisory"):
            if _at(rule, key) is not None:
                place: Place = ("baselines", name, "rules", number, key)
                text = f"{user} is Debian or Ubuntu, which publish no {key}: ask for section, priority, cve or name"
                yield Fault(line=document.line(place), place=place, text=text)


def _claims(document: Document) -> Iterator[tuple[Place, tuple[str, str], str]]:
    """Yield what only one part of the file may have: its place, what it is, and whose it is in words."""
    for name, fleet in _section(document.value, "fleets").items():
        if (group := _at(fleet, "group")) is not None:
            yield ("fleets", name, "group"), ("group", repr(_normal(group))), f"group of fleet {name}"
        way: Place = ("fleets", name, "strategy", "blue_green")
        for key, kind in (("partner", "group"), ("rule", "rule")):
            if isinstance(value := _at(fleet, "strategy", "blue_green", key), str):
                yield (*way, key), (kind, repr(value)), f"{key} of fleet {name}"
    for name, group in _section(document.value, "patch_groups").items():
        if isinstance(wave := _at(group, "wave"), str):
            yield ("patch_groups", name, "wave"), ("wave", wave.strip().lstrip("+0")), f"wave of patch group {name}"


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


def _unknown(document: Document, place: Place, what: str, name: str, known: Collection[str]) -> Fault:
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known) or 'none'}"
    return Fault(line=document.line(place), place=place, text=f"there is no {what} {name!r}; {hint}")
