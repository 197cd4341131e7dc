"""Patch baselines: what one makes of a family's source image, and SSM's copies of those in the file."""

from __future__ import annotations

from datetime import timedelta

from pipeline.errors import NotFound, NotPossible, UsageError
from pipeline.model.baselines import PatchBaseline, Resolution
from pipeline.model.packages import OperatingSystem
from pipeline.model.settings import Family
from pipeline.model.steps import Plan
from pipeline.planning.baselines import Copy, plan_baseline
from pipeline.planning.patching import system_of
from pipeline.planning.release import merge
from pipeline.runs.room import Room, require_known


def patches(room: Room, family: str, *, survey_within: timedelta | None = None) -> Resolution:
    """Judge the patches of a family's source image as things are now; ``survey_within`` as for `PatchObserver.observe`.

    Raises:
        UsageError: there is no such family, or its baseline is one word, which is not evaluated before a bake.
    """
    require_known("family", family, room.settings.families)
    settings = room.settings.families[family]
    if settings.ruled is None:
        raise UsageError(
            f"The baseline of {family} is {settings.baseline}: a bake installs whatever is published when it runs.",
            hint="give it a baseline of rules, such as `baseline: predefined`",
        )
    return room.patches().observe(settings, settings.ruled, room.source(family), within=survey_within)


def for_baselines(room: Room, only: str | None = None) -> Plan:
    """Plan to make SSM's copies of the file's baselines (or of one) equal to the file, for each system they serve.

    Raises:
        UsageError: the configuration has no such baseline, or no family uses it.
    """
    if only is not None:
        require_known("baseline", only, room.settings.baselines)
    names = [only] if only else sorted(room.settings.baselines)
    return merge(plan_baseline(_copy(room, name, system)) for name in names for system in _systems(room, name))


def _systems(room: Room, name: str) -> list[OperatingSystem]:
    """List the systems that a baseline is used on: by families, and by the patch groups of families' fleets."""
    groups = {group.name for group in room.settings.patch_groups.values() if group.baseline == name}
    through = {fleet.family for fleet in room.settings.fleets.values() if fleet.patch_group in groups}
    users = [
        family
        for family in room.settings.families.values()
        if family.baseline == room.settings.baselines[name] or family.name in through
    ]
    if not users:
        raise UsageError(
            f"No family and no patch group uses baseline {name}, so its operating system is not known.",
            hint=f"say `baseline: {name}` in a family, or take the baseline out",
        )
    return sorted({_system(room, family) for family in users})


def _system(room: Room, family: Family) -> OperatingSystem:
    known = system_of(family.template)
    if known is None and (survey := room.tools.evidence.survey(room.source(family.name).id)) is not None:
        known = survey.system
    if known is None:
        raise NotPossible(
            f"The operating system of family {family.name} is not known: its template is its own.",
            hint=f"survey its source image with: rebake patches {family.name} --survey",
        )
    return known


def _copy(room: Room, name: str, system: OperatingSystem) -> Copy:
    baselines = room.tools.baselines
    copy = Copy(baseline=room.settings.baselines[name], system=system)
    id_ = baselines.find(copy.name)
    groups = sorted(group.name for group in room.settings.patch_groups.values() if group.baseline == name)
    return Copy(
        baseline=copy.baseline,
        system=system,
        id=id_,
        standing=None if id_ is None else _standing(room, id_, system),
        missing=tuple(group for group in groups if id_ is None or baselines.chosen(group, system) != id_),
    )


def _standing(room: Room, id_: str, system: OperatingSystem) -> PatchBaseline | None:
    try:
        return room.tools.baselines.get(id_, system)
    except (NotFound, NotPossible):  # somebody wrote into it what we do not know: that differs, whatever it is
        return None
