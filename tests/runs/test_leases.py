"""Two runs at once: one goes on, the other says who has it, waits or takes over; whoever lost it changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import rooms
from rooms import Scene, SceneMaker
from runs.stands import OURS, standing
from runs.watching import at

from pipeline.errors import ExitCode, HeldError
from pipeline.execute.keeping import Keeper
from pipeline.model.ids import ImageId, RunId
from pipeline.model.leases import Lease, family_lease, fleet_lease
from pipeline.model.outcomes import RunResult
from pipeline.planning.leases import TERM
from pipeline.runs import plans
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.room import Room
from pipeline.runs.unlocking import unlock

WEB, FAMILY = fleet_lease("web-prod"), family_lease("web")
UNDER_WAY = "InProgress"


def rolling(make: SceneMaker) -> tuple[Scene, ImageId]:
    """Make a fleet of four on an old image, and a new image."""
    scene = make(rooms.fleet())
    scene.world.fleet("web-prod", scene.world.image("old", tags=OURS), size=4)
    return scene, ImageId(scene.world.image("new", tags=OURS))


def roll(room: Room, image: ImageId, *, patient: bool = False) -> tuple[ExitCode, RunResult]:
    """Roll the fleet."""
    plan = plans.for_roll(room, "web-prod", image=image)
    result = apply(room, plan, patient=patient)
    return exit_code(plan, result), result


def back(room: Room) -> ExitCode:
    """Roll it back."""
    plan = plans.for_rollback(room, "web-prod")
    return exit_code(plan, apply(room, plan))


def elsewhere(scene: Scene, **changes: object) -> Lease:
    """Make the lease of a run on another machine, which lives for the next five minutes."""
    now = scene.world.cloud.clock.now()
    values = {
        "name": WEB,
        "number": 1,
        "run": RunId("20261102T000000-dead"),
        "by": "root@elsewhere",
        "process": "",
        "urgent": False,
        "since": now,
        "until": now + TERM,
    }
    return Lease(**values | changes)


@dataclass(slots=True)
class Second:
    """Another run that begins in the middle of the first, and what came of it."""

    run: Callable[[], tuple[ExitCode, RunResult]]
    ended: list[tuple[ExitCode, RunResult]] = field(default_factory=list)

    def __call__(self) -> None:
        """Run."""
        self.ended.append(self.run())


def test_of_two_rolls_the_second_says_who_has_it(make: SceneMaker) -> None:
    """Code 6, with the run, its user and since when; nothing was changed by it, and the first one gets through."""
    scene, image = rolling(make)
    before: list[int] = []

    def other() -> tuple[ExitCode, RunResult]:
        before.append(len(scene.world.changed))
        ended = roll(scene.again(), image)
        before.append(len(scene.world.changed))
        return ended

    second = Second(other)
    began = scene.world.cloud.clock.now()
    code, _ = roll(at(scene, UNDER_WAY, second).again(), image)
    assert code is ExitCode.DONE
    ((held, result),) = second.ended
    assert held is ExitCode.HELD
    (lane,) = result.lanes
    assert isinstance(lane.stopped, HeldError)
    assert "The fleet web-prod is held by run 2026" in lane.stopped.message
    assert f"since {began:%Y-%m-%d %H:%M}" in lane.stopped.message
    assert "--wait" in lane.stopped.hint
    assert "rebake unlock --fleet web-prod" in lane.stopped.hint
    assert before[0] == before[1]


def test_of_two_bakes_the_second_waits_and_adopts_the_image(make: SceneMaker) -> None:
    """Held at once without --wait; with it, one image stands in the end, and both runs are content."""
    scene, _ = rolling(make)

    def bake(*, patient: bool) -> tuple[ExitCode, RunResult]:
        room = scene.again()
        plan = plans.for_bake(room, "web")
        result = apply(room, plan, patient=patient)
        return exit_code(plan, result), result

    second = Second(lambda: bake(patient=False))
    room = at(scene, "provisioning", second).again()
    plan = plans.for_bake(room, "web")
    again = plans.for_bake(scene.again(), "web")
    assert exit_code(plan, apply(room, plan)) is ExitCode.DONE
    ((held, result),) = second.ended
    assert held is ExitCode.HELD
    assert "family web is held by run" in str(result.stopped)
    assert apply(scene.again(), again, patient=True).last is not None
    assert len(scene.builder.built) == 1


def test_a_rollback_takes_over(make: SceneMaker) -> None:
    """The way back does not wait for anybody; the roll that lost the fleet changes nothing more and says so."""
    scene, image = rolling(make)
    during: list[int] = []

    def take_over() -> None:
        assert back(scene.again()) is ExitCode.DONE
        during.append(len(scene.world.changed))

    code, result = roll(at(scene, UNDER_WAY, take_over).again(), image)
    assert code in {ExitCode.HELD, ExitCode.ROLLED_BACK}
    assert not result.lanes[0].succeeded
    assert during == [len(scene.world.changed)]
    assert scene.world.versions("web-prod") == ["1"] * 4


def test_a_shift_that_lost_the_fleet_touches_no_weight(make: SceneMaker) -> None:
    """Blue-green: blue has everything again, and the rollout that soaked stops with code 6."""
    stand = standing(make)
    image = stand.image()
    during: list[int] = []

    def take_over() -> None:
        assert stand.back() is ExitCode.DONE
        during.append(len(stand.scene.world.changed))

    room = at(stand.scene, "50 % green", take_over).again()
    plan = plans.for_roll(room, "web-prod", image=image)
    result = apply(room, plan)
    assert exit_code(plan, result) is ExitCode.HELD
    assert isinstance(result.lanes[0].stopped, HeldError)
    assert during == [len(stand.scene.world.changed)]


def test_a_roll_does_not_take_over_from_a_rollback(make: SceneMaker) -> None:
    """Nor does a second rollback: whoever goes back first goes back."""
    scene, image = rolling(make)
    assert scene.room.tools.leases.create(elsewhere(scene, urgent=True))
    assert roll(scene.again(), image)[0] is ExitCode.HELD
    scene.world.wait(TERM.total_seconds() + 60)
    assert roll(scene.again(), image)[0] is ExitCode.DONE
    assert scene.room.tools.leases.create(elsewhere(scene, urgent=True, number=9))
    assert back(scene.again()) is ExitCode.HELD


def test_a_dead_holder_is_waited_for_or_let_go(make: SceneMaker) -> None:
    """A holder of another machine that says nothing for five minutes is dead; somebody who knows it lets go at once."""
    scene, image = rolling(make)
    leases = scene.room.tools.leases
    assert leases.create(elsewhere(scene))
    assert roll(scene.again(), image)[0] is ExitCode.HELD
    began = scene.world.cloud.clock.now()
    assert roll(scene.again(), image, patient=True)[0] is ExitCode.DONE
    assert scene.world.cloud.clock.now() - began >= TERM
    assert leases.create(elsewhere(scene, number=7))
    assert unlock(scene.again(), WEB).by == "root@elsewhere"
    assert back(scene.again()) is ExitCode.DONE


def test_a_run_that_was_unlocked_changes_nothing_more(make: SceneMaker) -> None:
    """It lives after all: it stops at its next look, and the fleet is left to whoever let go."""
    stand = standing(make)
    during: list[int] = []

    def let_go() -> None:
        unlock(stand.scene.again(), WEB)
        during.append(len(stand.scene.world.changed))

    room = at(stand.scene, "50 % green", let_go).again()
    plan = plans.for_roll(room, "web-prod", image=stand.image())
    assert exit_code(plan, apply(room, plan)) is ExitCode.HELD
    assert during == [len(stand.scene.world.changed)]


def test_a_run_that_slept_through_its_lease_changes_nothing_more(make: SceneMaker) -> None:
    """A laptop was closed for an hour: somebody else has the fleet by now."""
    stand = standing(make)
    world = stand.scene.world
    during: list[int] = []

    def asleep() -> None:
        world.wait(3600)
        room = stand.scene.again()
        Keeper(leases=room.tools.leases, clock=world.cloud.clock, run=room.run).take(WEB)
        during.append(len(world.changed))

    room = at(stand.scene, "10 % green", asleep).again()
    plan = plans.for_roll(room, "web-prod", image=stand.image())
    assert exit_code(plan, apply(room, plan)) is ExitCode.HELD
    assert during == [len(world.changed)]


def test_a_long_run_keeps_its_lease(make: SceneMaker) -> None:
    """Renewed every minute however long it waits, and let go at the end."""
    stand = standing(make, soak=timedelta(minutes=20))
    leases, clock = stand.scene.room.tools.leases, stand.scene.world.cloud.clock
    seen: list[timedelta] = []

    def look() -> timedelta:
        lease = leases.latest(WEB)
        if lease is not None and not lease.over:
            seen.append(lease.until - clock.now())
        return timedelta(seconds=30)

    clock.watch(look)
    assert stand.roll(stand.image())[0] is ExitCode.DONE
    assert len(seen) > 60
    assert min(seen) > timedelta(minutes=3)
    last = leases.latest(WEB)
    assert last is not None
    assert last.over


def test_a_parameter_store_that_is_down_does_not_keep_a_fleet_on_a_bad_image(make: SceneMaker) -> None:
    """The way back goes on without a lease; a roll waits until it has one."""
    stand = standing(make)
    assert stand.roll(stand.image())[0] is ExitCode.DONE
    room = stand.scene.again()
    plan = plans.for_rollback(room, "web-prod")
    stand.scene.world.cloud.faults.fail("ssm:*Parameter*", "InternalServerError")
    assert exit_code(plan, apply(room, plan)) is ExitCode.DONE


def test_an_answer_that_was_lost_is_no_other_holder(make: SceneMaker) -> None:
    """Our own lease was written and we were not told: it is ours."""
    scene, _ = rolling(make)
    room = scene.again()
    keeper = Keeper(leases=room.tools.leases, clock=scene.world.cloud.clock, run=room.run)
    assert room.tools.leases.create(elsewhere(scene, run=room.run))
    keeper.take(WEB)
    assert keeper.holds(WEB)


def test_what_somebody_wrote_by_hand_is_passed(make: SceneMaker) -> None:
    """It is no lease, but its number is taken."""
    scene, image = rolling(make)
    scene.world.ssm.put_parameter(Name=f"/rebake/leases/{WEB}/4", Value="mine!", Type="String")
    assert roll(scene.again(), image)[0] is ExitCode.DONE
    latest = scene.room.tools.leases.latest(WEB)
    assert latest is not None
    assert (latest.number, latest.over) == (5, True)


def test_only_the_last_lease_is_kept(make: SceneMaker) -> None:
    """However many runs there were."""
    scene, _ = rolling(make)
    leases = scene.room.tools.leases
    for number in range(1, 6):
        assert leases.create(elsewhere(scene, number=number))
        assert not leases.create(replace(elsewhere(scene, number=number), by="somebody else"))
    names = scene.world.ssm.get_parameters_by_path(Path="/rebake/leases", Recursive=True)["Parameters"]
    assert [name["Name"].rpartition("/")[2] for name in names] == ["5"]
