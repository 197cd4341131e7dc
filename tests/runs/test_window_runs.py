"""Rollouts and maintenance windows: what waits, what is not begun, and what becomes of a fleet that is half way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.stands import OURS, Stand, standing
from runs.watching import KilledError, at, interrupt, kill

from pipeline.errors import ExitCode, NotFound
from pipeline.model.gates import AlarmGate, ApprovalGate
from pipeline.model.ids import ImageId
from pipeline.model.outcomes import Done, Outcome, Paused, Refused, RolledBack, RunResult
from pipeline.model.schedules import Rate
from pipeline.model.settings import FleetSettings, PatchGroup
from pipeline.model.steps import Plan
from pipeline.model.strategies import OnBusy
from pipeline.model.windows import Freeze, OnOverrun, Timing, Window, WindowId
from pipeline.runs import plans, signals
from pipeline.runs.apply import apply, exit_code

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FINISH, PAUSE, BACK = OnOverrun.FINISH, OnOverrun.PAUSE, OnOverrun.ROLL_BACK
CALENDAR = (
    "BEGIN:VCALENDAR\nX-CALENDAR-TYPE:DEFAULT_OPEN\nBEGIN:VEVENT\nDTSTART:{}\nDTEND:{}\nEND:VEVENT\nEND:VCALENDAR"
)


def window(first: datetime, duration: timedelta = 4 * HOUR, *, every: timedelta = DAY, **changes: Any) -> Window:
    """Make a window that opens first at a time, and every day."""
    return Window(schedule=Rate(text=f"every {every}", every=every), start=first, duration=duration, **changes)


def timed(scene: Scene, **groups: Timing) -> Scene:
    """Say when each patch group may be rolled, in the order of their waves."""
    made = {name: PatchGroup(name=name, wave=wave, timing=timing) for wave, (name, timing) in enumerate(groups.items())}
    settings = replace(scene.room.settings, patch_groups=made)
    return replace(scene, room=replace(scene.room, settings=settings))


def member(name: str = "web-prod", group: str = "prod", **strategy: Any) -> FleetSettings:
    """Configure a fleet whose instances are replaced one after the other, about two minutes each."""
    values = {"min_healthy": 75, "max_healthy": 100, "warmup": MINUTE}
    return replace(rooms.fleet(name, **values | strategy), patch_group=group)


@pytest.fixture
def scene(make: SceneMaker) -> Scene:
    """Make one fleet of four."""
    scene = make(member())
    scene.world.fleet("web-prod", scene.world.image("old", tags=OURS))
    return scene


@pytest.fixture
def new(scene: Scene) -> ImageId:
    """Make an image to roll to."""
    return ImageId(scene.world.image("new", tags=OURS))


def now(scene: Scene) -> datetime:
    """Tell the cloud's time."""
    at_: datetime = scene.world.cloud.clock.now()
    return at_


def carried(scene: Scene, planner: Callable[..., Plan], *names: Any, **options: Any) -> tuple[ExitCode, RunResult]:
    """Plan and carry out."""
    room = scene.again()
    plan = planner(room, *names, **options)
    result = apply(room, plan)
    return exit_code(plan, result), result


def roll(scene: Scene, image: ImageId, **options: Any) -> tuple[ExitCode, Outcome | None]:
    """Roll the fleet; answer the code and where it stands."""
    code, result = carried(scene, plans.for_roll, "web-prod", image=image, **options)
    return code, result.lanes[0].outcome


def started(scene: Scene) -> list[datetime]:
    """Tell when refreshes of the fleet were started, in their order."""
    calls = scene.world.cloud.calls.matching("autoscaling:StartInstanceRefresh")
    return [call.at for call in calls if not call.error]


def test_a_roll_waits_for_its_window(scene: Scene, new: ImageId) -> None:
    """The plan says until when, nothing is changed before, and then it rolls."""
    opens = now(scene) + 5 * HOUR
    scene = timed(scene, prod=Timing(window=window(opens)))
    plan = plans.for_roll(scene.again(), "web-prod", image=new)
    assert f"window closed; waits until {opens:%a %Y-%m-%d %H:%M} UTC" in [note.text for note in plan.notes]
    scene.world.cloud.calls.clear()
    assert roll(scene, new)[0] is ExitCode.DONE
    assert opens <= started(scene)[0] < opens + MINUTE
    assert min(call.at for call in scene.world.cloud.calls.mutating) >= opens


def test_in_its_window_a_roll_begins_at_once(scene: Scene, new: ImageId) -> None:
    """And no note is made of it."""
    began = now(scene)
    scene = timed(scene, prod=Timing(window=window(began - HOUR)))
    assert plans.for_roll(scene.again(), "web-prod", image=new).notes == ()
    assert roll(scene, new)[0] is ExitCode.DONE
    assert started(scene)[0] - began < 5 * MINUTE


def test_nothing_begins_after_the_cutoff(scene: Scene, new: ImageId) -> None:
    """The window is open, and the roll waits for the next day's."""
    first = now(scene) - 3 * HOUR - MINUTE
    scene = timed(scene, prod=Timing(window=window(first, cutoff=HOUR)))
    (note,) = plans.for_roll(scene.again(), "web-prod", image=new).notes
    assert note.text.startswith("past the window's cutoff at")
    assert roll(scene, new)[0] is ExitCode.DONE
    assert started(scene)[0] >= first + DAY


def test_gates_that_take_past_the_cutoff_are_asked_again_in_the_next_window(make: SceneMaker) -> None:
    """An alarm without data keeps the roll waiting; the refresh is not started in the rest of the window."""
    scene = make(replace(member(), gates=(AlarmGate(alarms=("web-5xx",)),)))
    scene.world.fleet("web-prod", scene.world.image("old", tags=OURS))
    image = ImageId(scene.world.image("new", tags=OURS))
    cloudwatch = scene.world.cloudwatch
    cloudwatch.put_metric_alarm(AlarmName="web-5xx", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1)
    cloudwatch.set_alarm_state(AlarmName="web-5xx", StateValue="INSUFFICIENT_DATA", StateReason="test")

    def quiet() -> None:
        scene.world.wait(660)
        cloudwatch.set_alarm_state(AlarmName="web-5xx", StateValue="OK", StateReason="test")

    first = now(scene)
    timing = Timing(window=window(first, HOUR, cutoff=50 * MINUTE))
    assert roll(at(timed(scene, prod=timing), "unknown:", quiet), image)[0] is ExitCode.DONE
    assert started(scene)[0] >= first + DAY


def test_people_are_asked_before_the_window_opens(make: SceneMaker) -> None:
    """By day, not at two in the morning; alarms are asked when it has opened."""
    scene = make(replace(member(), gates=(ApprovalGate(within=HOUR), AlarmGate(alarms=("web-5xx",)))))
    scene.world.fleet("web-prod", scene.world.image("old", tags=OURS))
    image = ImageId(scene.world.image("new", tags=OURS))
    ring = scene.world.cloudwatch.set_alarm_state
    scene.world.cloudwatch.put_metric_alarm(
        AlarmName="web-5xx", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1
    )
    ring(AlarmName="web-5xx", StateValue="ALARM", StateReason="test")
    opens = now(scene) + 6 * HOUR
    room = timed(scene, prod=Timing(window=window(opens))).again()
    plan = plans.for_roll(room, "web-prod", image=image)

    def approve() -> None:
        signals.approve(room, room.run, "fine")
        ring(AlarmName="web-5xx", StateValue="OK", StateReason="test")

    watched = at(replace(scene, room=room), "waits for: rebake approve", approve)
    assert exit_code(plan, apply(watched.room, plan)) is ExitCode.DONE
    assert started(scene)[0] >= opens


@pytest.mark.parametrize("held", ["freeze", "calendar"])
def test_a_roll_waits_for_freezes_and_calendars(scene: Scene, new: ImageId, held: str) -> None:
    """Its window is open all along; what holds it up is named."""
    until = (now(scene) + 3 * HOUR).replace(second=0, microsecond=0)
    freeze = Freeze(name="year-end", start=now(scene) - DAY, end=until, reason="no changes")
    scene.world.ssm.create_document(
        Name="changes",
        DocumentType="ChangeCalendar",
        DocumentFormat="TEXT",
        Content=CALENDAR.format("20260101T000000Z", f"{until:%Y%m%dT%H%M%SZ}"),
    )
    timing = Timing(freezes=(freeze,)) if held == "freeze" else Timing(calendars=("changes",))
    scene = timed(scene, prod=replace(timing, window=window(now(scene) - HOUR, 20 * HOUR)))
    (note,) = plans.for_roll(scene.again(), "web-prod", image=new).notes
    assert note.text.startswith("frozen (year-end) until" if held == "freeze" else "change calendar closed until")
    assert roll(scene, new)[0] is ExitCode.DONE
    assert until <= started(scene)[0] < until + MINUTE


def test_an_override_rolls_at_once_and_is_recorded(scene: Scene, new: ImageId) -> None:
    """Outside of the window, in a freeze: the reason stands in the plan."""
    began = now(scene)
    freeze = Freeze(name="year-end", start=began - DAY, end=began + DAY, reason="no changes")
    scene = timed(scene, prod=Timing(window=window(began + HOUR), freezes=(freeze,)))
    plan = plans.for_roll(scene.again(), "web-prod", image=new, override="CVE-2026-1234 in use")
    assert plan.windows.override == "CVE-2026-1234 in use"
    (note,) = plan.notes
    assert note.text.endswith("that is overridden: CVE-2026-1234 in use")
    assert exit_code(plan, apply(scene.again(), plan)) is ExitCode.DONE
    assert started(scene)[0] - began < 5 * MINUTE


def test_a_way_back_waits_for_no_window(scene: Scene, new: ImageId) -> None:
    """A rollback goes at once, on a closed window; so does a repair."""
    assert roll(scene, new)[0] is ExitCode.DONE
    closed = timed(scene, prod=Timing(window=window(now(scene) + HOUR)))
    began = now(scene)
    assert carried(closed, plans.for_rollback, "web-prod")[0] is ExitCode.DONE
    assert now(scene) - began < HOUR
    assert carried(closed, plans.for_repair)[0] is ExitCode.DONE


@pytest.mark.parametrize(
    ("how", "code", "versions", "starts"),
    [(FINISH, ExitCode.DONE, {"2"}, 1), (PAUSE, ExitCode.DONE, {"2"}, 3), (BACK, ExitCode.ROLLED_BACK, {"1"}, 1)],
)
def test_a_refresh_that_runs_over(
    scene: Scene, new: ImageId, how: OnOverrun, code: ExitCode, versions: set[str], starts: int
) -> None:
    """It finishes, goes on in the next windows with those that are left, or goes back: as configured."""
    opens = now(scene) + HOUR
    scene = timed(scene, prod=Timing(window=window(opens, 2 * MINUTE), on_overrun=how))
    found, outcome = roll(scene, new)
    assert found is code
    assert set(scene.world.versions("web-prod")) == versions
    assert len(started(scene)) == starts
    if how is PAUSE:
        assert [when - opens for when in started(scene)] == [n * DAY for n in range(3)]
        found_refreshes = scene.world.autoscaling.describe_instance_refreshes(AutoScalingGroupName="web-prod")
        statuses = [one["Status"] for one in found_refreshes["InstanceRefreshes"]]
        assert statuses == ["Successful", "Cancelled", "Cancelled"]
    if how is BACK:
        assert isinstance(outcome, RolledBack)
        assert outcome.reason == "web-prod was not done in its window: window closed"


def test_a_paused_fleet_is_half_way_until_its_next_window(scene: Scene, new: ImageId) -> None:
    """Some instances are new, and AWS has nothing under way; interrupted then, it stays so, and the command goes on."""
    opens = now(scene)
    scene = timed(scene, prod=Timing(window=window(opens, 2 * MINUTE), on_overrun=PAUSE))
    code, result = carried(at(scene, "web-prod: window closed", interrupt), plans.for_roll, "web-prod", image=new)
    assert code is ExitCode.INTERRUPTED
    assert isinstance(result.lanes[0].outcome, Paused)
    assert set(scene.world.versions("web-prod")) == {"1", "2"}
    assert scene.world.refresh("web-prod")["Status"] == "Cancelled"
    assert roll(scene, new)[0] is ExitCode.DONE
    assert started(scene)[1] >= opens + DAY
    assert set(scene.world.versions("web-prod")) == {"2"}


def test_a_refresh_with_nobody_left_to_replace_is_let_finish(scene: Scene, new: ImageId) -> None:
    """It only soaks: to stop it would leave the group's template behind its instances."""
    scene = timed(scene, prod=Timing(window=window(now(scene), 10 * MINUTE), on_overrun=PAUSE))
    settings = replace(scene.room.settings, fleets={"web-prod": member(soak=10 * MINUTE)})
    assert roll(replace(scene, room=replace(scene.room, settings=settings)), new)[0] is ExitCode.DONE
    assert len(started(scene)) == 1


def test_zones_are_the_checkpoints_of_a_roll_by_zones(scene: Scene, new: ImageId) -> None:
    """The second zone's turn comes in the next window; nobody stays protected for the sake of the first."""
    opens = now(scene)
    scene = timed(scene, prod=Timing(window=window(opens, MINUTE), on_overrun=PAUSE))
    zoned = member(zone_by_zone=True, min_healthy=50, protected=OnBusy.IGNORE)
    settings = replace(scene.room.settings, fleets={"web-prod": zoned})
    assert roll(replace(scene, room=replace(scene.room, settings=settings)), new)[0] is ExitCode.DONE
    assert started(scene)[-1] >= opens + DAY
    assert set(scene.world.versions("web-prod")) == {"2"}
    assert not any(one["ProtectedFromScaleIn"] for one in scene.world.group("web-prod")["Instances"])


def timed_stand(make: SceneMaker, duration: timedelta, how: OnOverrun, **strategy: Any) -> tuple[Stand, datetime]:
    """Make a blue-green fleet whose window opens now."""
    stand = standing(make, **strategy)
    settings = stand.scene.room.settings
    fleet = replace(settings.fleets["web-prod"], patch_group="prod")
    scene = replace(stand.scene, room=replace(stand.scene.room, settings=replace(settings, fleets={"web-prod": fleet})))
    opens = now(scene) + MINUTE
    return replace(
        stand, scene=timed(scene, prod=Timing(window=window(opens, duration, every=HOUR), on_overrun=how))
    ), opens


def shifts(stand: Stand) -> list[tuple[datetime, int]]:
    """Tell when green got how much of the traffic."""
    calls = stand.scene.world.cloud.calls.matching("elasticloadbalancing:ModifyListener")
    found = [(call.at, call.parameters["DefaultActions"][0]["ForwardConfig"]["TargetGroups"]) for call in calls]
    return [(at_, groups[-1]["Weight"]) for at_, groups in found if len(groups) > 1]


def test_blue_green_pauses_between_shifts(make: SceneMaker) -> None:
    """Traffic stays where the last shift has brought it, watched, until the next window."""
    stand, opens = timed_stand(make, 20 * MINUTE, PAUSE, soak=15 * MINUTE)
    image = stand.image()
    code, result = stand.roll(image)
    assert code is ExitCode.DONE
    assert set(stand.groups()) == {"web-prod-v2"}
    late = [(when, weight) for when, weight in shifts(stand) if when > opens + 20 * MINUTE]
    assert late
    assert all(when >= opens + HOUR for when, _ in late)
    watched = [one for one in result.lanes[0].results if one.planned.why == "until its window opens"]
    assert sum((one.took for one in watched), timedelta()) > 20 * MINUTE


def test_blue_green_goes_back_when_its_window_is_over(make: SceneMaker) -> None:
    """All traffic is blue's again, and the image is not noted as left."""
    stand, _ = timed_stand(make, 20 * MINUTE, BACK, soak=30 * MINUTE)
    code, _ = stand.roll(stand.image())
    assert code is ExitCode.ROLLED_BACK
    assert stand.weights() == {"web-prod": 1}
    assert set(stand.groups()) == {"web-prod"}


def two_groups(make: SceneMaker, **groups: Timing) -> Scene:
    """Make two fleets of one instance, in two patch groups."""
    scene = make(*(member(name, name) for name in groups))
    image = scene.world.image("old")
    for name in groups:
        scene.world.fleet(name, image, size=1)
    return timed(scene, **groups)


def test_a_run_that_does_not_wait_leaves_closed_groups_to_a_later_one(make: SceneMaker) -> None:
    """The first group is rolled, the second noted with its opening; the same command in its window rolls it."""
    scene = two_groups(make, dev=Timing(), prod=Timing())
    opens = now(scene) + 12 * HOUR
    scene = timed(scene, dev=Timing(), prod=Timing(window=window(opens)))
    plan = plans.for_release(scene.again(), wait=False)
    assert [wave.name for wave in plan.waves] == ["dev"]
    (note,) = [note for note in plan.notes if note.target == "prod"]
    assert note.text.startswith("window closed; waits until")
    assert note.text.endswith("; run again then")
    assert exit_code(plan, apply(scene.again(), plan)) is ExitCode.DONE
    scene.world.cloud.clock.sleep(opens - now(scene))
    assert carried(scene, plans.for_release, wait=False)[0] is ExitCode.DONE
    assert plans.for_release(scene.again()).empty


def test_a_window_that_closes_on_a_run_that_does_not_wait_ends_it(make: SceneMaker) -> None:
    """It was open when the plan was made, and the bake took too long: nothing of the group is begun, the code is 5."""
    scene = two_groups(make, dev=Timing(), prod=Timing())
    timing = Timing(window=window(now(scene), HOUR, cutoff=59 * MINUTE))
    scene = timed(scene, dev=timing, prod=Timing())
    scene.world.cloud.calls.clear()
    code, result = carried(scene, plans.for_release, wait=False)
    assert code is ExitCode.PARTIAL
    assert isinstance(result.lanes[0].outcome, Paused)
    assert result.lanes[1].left == "dev of wave dev waits for its window"
    assert not started(scene)


def test_after_a_wait_the_groups_before_must_still_stand(make: SceneMaker) -> None:
    """Somebody brings dev back while prod waits for its night: prod is not rolled."""
    scene = two_groups(make, dev=Timing(), prod=Timing())
    opens = now(scene) + 12 * HOUR
    scene = timed(scene, dev=Timing(), prod=Timing(window=window(opens)))

    def back() -> None:
        assert carried(scene, plans.for_rollback, "dev")[0] is ExitCode.DONE

    code, result = carried(at(scene, "prod: window closed", back), plans.for_release)
    assert code is ExitCode.PARTIAL
    outcome = result.lanes[1].outcome
    assert isinstance(outcome, Refused)
    assert "instances of dev left" in outcome.reason
    assert set(scene.world.versions("prod")) == {"1"}


def test_a_cord_is_seen_while_a_fleet_waits(scene: Scene, new: ImageId) -> None:
    """Hours before the window: the run ends as halted."""
    scene = timed(scene, prod=Timing(window=window(now(scene) + 12 * HOUR)))
    began = now(scene)
    code, _ = roll(at(scene, "window closed", lambda: signals.halt(scene.again(), "all", "no")), new)
    assert code is ExitCode.HELD
    assert now(scene) - began < HOUR


def test_a_window_of_systems_manager_is_read_when_it_is_needed(scene: Scene, new: ImageId) -> None:
    """Moved while the roll waits, it is waited for where it is now; a disabled one holds everything up."""
    ssm = scene.world.ssm
    made = ssm.create_maintenance_window(
        Name="nightly", Schedule="cron(0 22 ? * * *)", Duration=1, Cutoff=0, AllowUnassociatedTargets=True
    )["WindowId"]
    scene = timed(scene, prod=Timing(window=WindowId(made)))
    (note,) = plans.for_roll(scene.again(), "web-prod", image=new).notes
    assert note.text == "window closed; waits until Mon 2026-11-02 22:00 UTC"

    def move() -> None:
        ssm.update_maintenance_window(WindowId=made, Schedule="cron(0 20 ? * * *)")

    assert roll(at(scene, "window closed", move), new)[0] is ExitCode.DONE
    assert f"{started(scene)[0]:%d %H}" == "02 20"
    ssm.update_maintenance_window(WindowId=made, Enabled=False)
    other = ImageId(scene.world.image("newer", tags=OURS))
    (note,) = plans.for_roll(scene.again(), "web-prod", image=other).notes
    assert note.text == f"window {made} is disabled; no opening in sight"


def test_a_window_that_does_not_exist_bars_its_group_alone(make: SceneMaker) -> None:
    """The plan says so of its fleet, and rolls the others; a roll of just that fleet fails, unless overridden."""
    scene = two_groups(make, dev=Timing(), prod=Timing(window=WindowId("mw-0123456789abcdef0")))
    plan = plans.for_release(scene.again())
    assert [wave.name for wave in plan.waves] == ["dev"]
    (note,) = plan.blocked
    assert note.target == "prod"
    assert "There is no maintenance window mw-0123456789abcdef0 here." in note.text
    image = ImageId(scene.world.image("new", tags=OURS))
    with pytest.raises(NotFound):
        plans.for_roll(scene.again(), "prod", image=image)
    assert carried(scene, plans.for_roll, "prod", image=image, override="fire")[0] is ExitCode.DONE


def test_a_window_that_vanishes_under_way_counts_as_closed(scene: Scene, new: ImageId) -> None:
    """Half way, that is an overrun like any other; the reason says why."""
    ssm = scene.world.ssm
    made = ssm.create_maintenance_window(
        Name="all-day", Schedule="cron(0 0 ? * * *)", Duration=24, Cutoff=0, AllowUnassociatedTargets=True
    )["WindowId"]
    scene = timed(scene, prod=Timing(window=WindowId(made), on_overrun=BACK))
    code, outcome = roll(at(scene, "InProgress 25", lambda: ssm.delete_maintenance_window(WindowId=made)), new)
    assert code is ExitCode.ROLLED_BACK
    assert isinstance(outcome, RolledBack)
    assert f"There is no maintenance window {made} here." in outcome.reason


def test_an_outage_while_a_fleet_waits_is_waited_out(scene: Scene, new: ImageId) -> None:
    """Systems Manager cannot be asked for a while, before and half way: the roll goes on as if nothing was."""
    ssm = scene.world.ssm
    made = ssm.create_maintenance_window(
        Name="all-day", Schedule="cron(0 0 ? * * *)", Duration=24, Cutoff=0, AllowUnassociatedTargets=True
    )["WindowId"]
    scene = timed(scene, prod=Timing(window=WindowId(made), on_overrun=PAUSE))
    faults = scene.world.cloud.faults

    def outage() -> None:
        faults.throttle("ssm:GetMaintenanceWindow", times=9)

    code, outcome = roll(at(scene, "InProgress 25", outage), new)
    assert code is ExitCode.DONE
    assert isinstance(outcome, Done)


def test_a_refresh_that_is_found_under_way_waits_for_no_window(scene: Scene, new: ImageId) -> None:
    """AWS goes on with it anyway: it is watched, and what its window's end means is done at once."""
    room = scene.again()
    plan = plans.for_roll(room, "web-prod", image=new)
    with pytest.raises(KilledError):
        apply(at(scene, "InProgress 0", kill).room, plan)
    assert scene.world.refresh("web-prod")["Status"] == "InProgress"
    closed = timed(scene, prod=Timing(window=window(now(scene) + 12 * HOUR)))
    assert roll(closed, new)[0] is ExitCode.DONE
    assert len(started(scene)) == 1
