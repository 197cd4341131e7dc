"""The wait for a refresh: watched to its end, or until new instances fail or a gate refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import RebakeError
from pipeline.execute.judging import judge_all, outcome_of
from pipeline.execute.refreshing import find_refresh
from pipeline.execute.subjects import Subject
from pipeline.execute.telling import served_since, tell_fleet
from pipeline.execute.tools import Workbench
from pipeline.execute.waiting import PACE, Waiting, poll
from pipeline.execute.watching import Watch
from pipeline.model.fleets import Group, Refresh, RefreshStatus
from pipeline.model.gates import Answer
from pipeline.model.ids import GroupName, ImageId
from pipeline.model.outcomes import Done, Failed, Outcome, RolledBack
from pipeline.model.rollouts import AwaitRefresh


@dataclass(slots=True, kw_only=True)
class _Seen:
    """What one wait remembers: what is watched, and up to when traffic was counted."""

    watch: Watch | None = None
    told: datetime | None = None


def await_refresh(bench: Workbench, step: AwaitRefresh) -> Waiting[Outcome]:
    """Watch the refresh to its end, or until there is trouble: then it is still under way, and to be undone."""
    refresh_id = bench.made.refresh(step.fleet, step.refresh)
    seen = _Seen()

    def look() -> Outcome | None:
        refresh = find_refresh(bench.tools, step.group, refresh_id)
        if refresh is None:
            return None
        (group,) = bench.tools.fleets.named(step.group)
        _tell(bench, step, refresh, group, seen)
        if refresh.status.ended:
            return _outcome(bench, step, refresh)
        return _trouble(bench, step, refresh, group, seen) if step.undo and refresh.status.forward else None

    return poll(
        bench.tools.clock,
        look,
        every=PACE,
        within=step.strategy.timeout,
        what=f"The end of refresh {refresh_id} of group {step.group}",
    )


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


def _trouble(bench: Workbench, step: AwaitRefresh, refresh: Refresh, group: Group, seen: _Seen) -> Outcome | None:
    """Look at the new instances and ask the gates; say why the refresh must not go on."""
    if seen.watch is None:
        seen.watch = Watch(image=_goal(bench, refresh), began=refresh.started or bench.tools.clock.now())
        bench.made.subjects[step.fleet] = Subject(fleet=step.fleet, since=seen.watch.began, old=group.standing)
    hint = f"mend the image and bake again; see: rebake status {step.fleet}"
    if (why := seen.watch.trouble(bench, group, step.strategy.patience)) is not None:
        return Failed(reason=f"the new instances of {step.fleet} are no good: {why}", hint=hint)
    subject = _subject(bench, step, group, seen.watch)
    if not step.gates or not subject.new:
        return None
    verdict = judge_all(bench, subject, step.gates)
    return outcome_of(step.fleet, verdict) if verdict.answer is Answer.REFUSE else None


def _subject(bench: Workbench, step: AwaitRefresh, group: Group, watch: Watch) -> Subject:
    """Keep whom the gates are about: everyone who was there before, also once he is gone, against the new ones."""
    known = bench.made.subjects[step.fleet]
    serving = [member for member in group.standing if member.lifecycle == "InService"]
    subject = Subject(
        fleet=step.fleet,
        since=known.since,
        old=tuple(member for member in known.old if member.image != watch.image),
        serving=tuple(member for member in serving if member.image != watch.image),
        new=tuple(member for member in serving if member.image == watch.image),
        targets=group.target_groups,
    )
    bench.made.subjects[step.fleet] = subject
    return subject


def _goal(bench: Workbench, refresh: Refresh) -> ImageId | None:
    if refresh.desired is None:
        return None
    version = bench.tools.templates.version(refresh.desired.id, refresh.desired.version)
    return ImageId(version.image)


def _outcome(bench: Workbench, step: AwaitRefresh, ended: Refresh) -> Outcome:
    if ended.status is RefreshStatus.SUCCESSFUL:
        return Done(facts={"refresh": ended.id, "percentage": str(ended.percentage)})
    cause = _cause(bench, step.group, ended)
    if ended.status is not RefreshStatus.ROLLBACK_SUCCESSFUL:
        return Failed(
            reason=f"The refresh of {step.fleet} ended as {ended.status} at {ended.percentage} %: {cause}",
            hint=f"see what stands with: rebake status {step.fleet}; go back with: rebake rollback {step.fleet}",
        )
    if not step.undo:
        return Done(facts={"refresh": ended.id, "status": ended.status})
    return RolledBack(reason=f"{step.fleet} is back on its old image: {cause}")


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
