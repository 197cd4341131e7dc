"""The wait for a refresh: watched to its end, and undone when new instances fail or a gate refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import NotPossible, RebakeError
from pipeline.execute.judging import judge_all
from pipeline.execute.refreshing import PACE, find_refresh
from pipeline.execute.subjects import Subject
from pipeline.execute.telling import served_since, tell_fleet
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import Waiting, poll
from pipeline.execute.watching import Watch
from pipeline.model.fleets import Group, Refresh, RefreshStatus
from pipeline.model.gates import Answer
from pipeline.model.ids import GroupName, ImageId
from pipeline.model.outcomes import Done, Failed, Outcome, RolledBack
from pipeline.model.rollouts import AwaitRefresh
from pipeline.ports.progress import EventKind


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one wait remembers: the fleet before, what is watched, and why it was undone."""

    watch: Watch | None = None
    told: datetime | None = None
    undone: str = ""


def await_refresh(bench: Workbench, step: AwaitRefresh) -> Waiting[Outcome]:
    """Watch the refresh to its end."""
    refresh_id = bench.made.refresh(step.fleet, step.refresh)
    seen = _Seen()

    def look() -> Refresh | None:
        refresh = find_refresh(bench, step.group, refresh_id)
        if refresh is None:
            return None
        (group,) = bench.tools.fleets.named(step.group)
        _tell(bench, step, refresh, group, seen)
        if refresh.status.ended:
            return refresh
        if step.undo and refresh.status.forward and not seen.undone:
            seen.undone = _undo_where_needed(bench, step, refresh, group, seen)
        return None

    ended = yield from poll(
        bench.tools.clock,
        look,
        every=PACE,
        within=step.strategy.timeout,
        what=f"The end of refresh {refresh_id} of group {step.group}",
    )
    return _outcome(bench, step, ended, seen.undone)


def _undo_where_needed(bench: Workbench, step: AwaitRefresh, refresh: Refresh, group: Group, seen: _Seen) -> str:
    """Look for trouble, and undo the refresh if there is some; answer why, or nothing."""
    why = _trouble(bench, step, refresh, group, seen)
    if why is None:
        return ""
    try:
        undo(bench, step)
    except NotPossible as error:  # it has ended in this very moment: the next look says how
        bench.say(step.fleet, f"{why}, and it cannot be undone: {error.message}", kind=EventKind.WARNING)
        return ""
    bench.say(step.fleet, f"undone: {why}", kind=EventKind.WARNING)
    return why


def undo(bench: Workbench, step: AwaitRefresh) -> None:
    """Have AWS undo the refresh under way: roll it back, or cancel it where AWS's way back leads nowhere."""
    if step.cancel:
        bench.tools.refreshes.cancel(step.group)
    else:
        bench.tools.refreshes.roll_back(step.group)


def _tell(bench: Workbench, step: AwaitRefresh, refresh: Refresh, group: Group, seen: _Seen) -> None:
    seen.told = seen.told or bench.tools.clock.now().replace(second=0, microsecond=0)
    served, seen.told = served_since(bench, dict.fromkeys(group.target_groups, group.name), seen.told)
    tell_fleet(
        bench,
        step.fleet,
        f"{refresh.status} {refresh.percentage} %",
        [group],
        percentage=refresh.percentage,
        served=served,
    )


def _trouble(bench: Workbench, step: AwaitRefresh, refresh: Refresh, group: Group, seen: _Seen) -> str | None:
    """Look at the new instances and ask the gates; say why the refresh is to be undone."""
    if seen.watch is None:
        seen.watch = Watch(image=_goal(bench, refresh), began=refresh.started or bench.tools.clock.now())
        bench.made.subjects[step.fleet] = Subject(fleet=step.fleet, since=seen.watch.began, old=group.standing)
    if (why := seen.watch.trouble(bench, group, step.strategy.patience)) is not None:
        return why
    subject = _subject(bench, step, group, seen.watch)
    if not step.gates or not subject.new:
        return None
    verdict = judge_all(bench, subject, step.gates)
    return f"{verdict.gate}: {verdict.reason}" if verdict.answer is Answer.REFUSE else None


def _subject(bench: Workbench, step: AwaitRefresh, group: Group, watch: Watch) -> Subject:
    """Keep whom the gates are about: everyone who was there before, also once he is gone, against the new ones."""
    known = bench.made.subjects[step.fleet]
    new = tuple(member for member in group.standing if member.image == watch.image and member.lifecycle == "InService")
    subject = Subject(
        fleet=step.fleet,
        since=known.since,
        old=tuple(member for member in known.old if member.image != watch.image),
        new=new,
        targets=group.target_groups,
    )
    bench.made.subjects[step.fleet] = subject
    return subject


def _goal(bench: Workbench, refresh: Refresh) -> ImageId | None:
    if refresh.desired is None:
        return None
    version = bench.tools.templates.version(refresh.desired.id, refresh.desired.version)
    return ImageId(version.image)


def _outcome(bench: Workbench, step: AwaitRefresh, ended: Refresh, undone: str) -> Outcome:
    cause = undone or _cause(bench, step.group, ended)
    match ended.status:
        case RefreshStatus.SUCCESSFUL:
            return Done(facts={"refresh": ended.id, "percentage": str(ended.percentage)})
        case RefreshStatus.ROLLBACK_SUCCESSFUL:
            return RolledBack(reason=f"{step.fleet} is back on its old image: {cause}")
        case _:
            return Failed(
                reason=f"The refresh of {step.fleet} ended as {ended.status} at {ended.percentage} %: {cause}",
                hint=f"See what stands with: rebake status {step.fleet}; go back with: rebake rollback {step.fleet}",
            )


def _cause(bench: Workbench, group: GroupName, refresh: Refresh) -> str:
    """Prefer the scaling activities' own words: the refresh's reason rarely says why an instance failed."""
    reason = refresh.rollback_reason or refresh.reason or "AWS gives no reason"
    since = refresh.started
    try:
        activities = bench.tools.fleets.activities(group)
    except RebakeError:
        return reason  # the refresh has ended: an outage now must not hide how
    for activity in activities:
        if activity.status == "Failed" and activity.message and (since is None or activity.at >= since):
            return f"{reason} Last failed activity: {activity.decoded or activity.message}"
    return reason
