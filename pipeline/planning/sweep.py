"""What a sweep removes: leftovers that are old enough and that nothing uses, so many at once and no more."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from pipeline.model.images import AVAILABLE_WITHIN
from pipeline.model.leftovers import Kind, Remove, Resource
from pipeline.model.names import TAG_ROLE, TAG_RUN
from pipeline.model.settings import Settings
from pipeline.model.steps import Note, Plan, PlannedStep
from pipeline.model.strategies import BlueGreen
from pipeline.planning.blue_green import UNTRAFFICKED
from pipeline.planning.leftovers import Leftover, leftovers

_DAYS_FROM = timedelta(days=3)


def least_age(settings: Settings) -> timedelta:
    """Tell how long a run may need what it has made, at most: nothing younger than that can be called left over.

    A build with the wait for its image; a test of each instance type in turn, which is to boot, to answer and to pass;
    a green group before it has traffic.
    """
    spans = [timedelta()]
    for family in settings.families.values():
        smoke = family.smoke
        spans += [family.build.timeout + AVAILABLE_WITHIN, 3 * smoke.timeout * max(1, len(smoke.instance_types))]
    greens = (fleet.strategy for fleet in settings.fleets.values() if isinstance(fleet.strategy, BlueGreen))
    return max([*spans, *(strategy.healthy_within + UNTRAFFICKED for strategy in greens)])


def plan_sweep(
    found: Sequence[Resource], families: Collection[str], now: datetime, *, older_than: timedelta, at_most: int
) -> Plan:
    """Plan to remove leftovers of ours, at most so many; one that stays is noted with the reason."""
    steps: list[PlannedStep] = []
    notes: list[Note] = []
    gone: set[str] = set()
    waiting = 0
    for one in leftovers(found, families):
        target = one.resource.name if one.resource.id.startswith("arn:") else one.resource.id
        what = f"{one.resource.kind}, {one.mark}"
        if reason := _staying(one, gone, now, older_than):
            notes.append(Note(target=target, text=f"{what}: {reason}"))
        elif len(steps) == at_most:
            waiting += 1
        else:
            gone.add(one.resource.id)
            why = f"{what}, {_age(one, now)} old"
            steps.append(PlannedStep(target=target, step=_removal(one), why=why))
    if waiting:
        text = f"{waiting} more than this run may remove: run it again, or raise --at-most {at_most}"
        notes.append(Note(target="sweep", text=text))
    return Plan(steps=tuple(steps), notes=tuple(notes))


def _removal(one: Leftover) -> Remove:
    resource = one.resource
    # A rollout that takes a group on, or names it live, changes these.
    kept = {key: value for key, value in resource.tags.items() if key in {TAG_ROLE, TAG_RUN}}
    tags = kept if resource.kind is Kind.GROUP else {}
    return Remove(what=resource.kind, id=resource.id, after=one.holders, tags=tags)


def _staying(one: Leftover, gone: Collection[str], now: datetime, older_than: timedelta) -> str | None:
    if one.since is None:
        return "nothing says how old it is"
    if now - one.since < older_than:
        return f"{_age(one, now)} old, which is too young"
    holder = next((holder for holder in one.holders if holder not in gone), None)
    return f"{holder} uses it" if holder else None


def _age(one: Leftover, now: datetime) -> str:
    age = max(now - one.since, timedelta()) if one.since else timedelta()
    return f"{age.days} days" if age >= _DAYS_FROM else f"{age // timedelta(hours=1)} h"
