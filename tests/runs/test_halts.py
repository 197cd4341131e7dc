from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import rooms
from rooms import Scene, SceneMaker
from runs.watching import at

from pipeline.errors import ExitCode, NotFound, UsageError
from pipeline.model.ids import ImageId
from pipeline.model.images import Stage
from pipeline.model.names import TAG_FAMILY, TAG_STAGE
from pipeline.model.outcomes import Halted, RunResult
from pipeline.model.strategies import OnHalt
from pipeline.runs import plans, signals
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.status import status

OURS = {TAG_FAMILY: "web", TAG_STAGE: Stage.TESTED.value}


def two_fleets(make: SceneMaker, on_halt: OnHalt = OnHalt.ROLL_BACK) -> Scene:
    """Make two fleets of a family, on the same old image."""
    fleets = [
        replace(rooms.fleet(name, min_healthy=90, max_healthy=100), on_halt=on_halt, patch_group="prod")
        for name in ("web-a", "web-b")
    ]
    scene = make(*fleets)
    image = scene.world.image("old", tags=OURS)
    for fleet in fleets:
        scene.world.fleet(fleet.name, image)
    return scene


def roll(scene: Scene, fleet: str, image: ImageId) -> tuple[ExitCode, RunResult]:
    """Roll a fleet."""
    room = scene.again()
    plan = plans.for_roll(room, fleet, image=image)
    result = apply(room, plan)
    return exit_code(plan, result), result


def pull(scene: Scene, scope: str) -> Callable[[], object]:
    """Pull a cord, on another machine."""
    return lambda: signals.halt(scene.again(), scope, "5xx are rising")


@pytest.mark.parametrize(
    ("how", "status_then", "versions"),
    [(OnHalt.ROLL_BACK, "RollbackSuccessful", {"1"}), (OnHalt.CANCEL, "Cancelled", {"1", "2"})],
)
def test_a_halt_stops_a_refresh_under_way(make: SceneMaker, how: OnHalt, status_then: str, versions: set[str]) -> None:
    """The running roll sees the cord, AWS rolls back or cancels as configured, and the code is 6."""
    scene = two_fleets(make, how)
    image = ImageId(scene.world.image("new", tags=OURS))
    code, result = roll(at(scene, "InProgress 25", pull(scene, "all")), "web-a", image)
    assert code is ExitCode.HELD
    outcome = result.lanes[0].outcome
    assert isinstance(outcome, Halted)
    assert "5xx are rising" in outcome.reason
    assert scene.world.refresh("web-a")["Status"] == status_then
    assert set(scene.world.versions("web-a")) == versions


def test_a_halted_fleet_that_is_left_goes_on_in_aws(make: SceneMaker) -> None:
    """on_halt: leave begins nothing further, and takes nothing back."""
    scene = two_fleets(make, OnHalt.LEAVE)
    image = ImageId(scene.world.image("new", tags=OURS))
    assert roll(at(scene, "InProgress 0", pull(scene, "fleet-web-a")), "web-a", image)[0] is ExitCode.HELD
    scene.world.wait(1200)
    assert set(scene.world.versions("web-a")) == {"2"}


def test_a_cord_that_is_pulled_lets_nothing_begin(make: SceneMaker) -> None:
    """No version, no refresh; after unhalt the same command goes on."""
    scene = two_fleets(make)
    image = ImageId(scene.world.image("new", tags=OURS))
    pull(scene, "group-prod")()
    scene.world.cloud.calls.clear()
    assert roll(scene, "web-a", image)[0] is ExitCode.HELD
    assert not scene.world.changed
    signals.unhalt(scene.again(), "group-prod")
    assert roll(scene, "web-a", image)[0] is ExitCode.DONE


def test_a_cord_stops_only_its_scope(make: SceneMaker) -> None:
    """Another fleet's cord is none of ours."""
    scene = two_fleets(make)
    image = ImageId(scene.world.image("new", tags=OURS))
    pull(scene, "fleet-web-b")()
    assert roll(scene, "web-a", image)[0] is ExitCode.DONE
    assert roll(scene, "web-b", image)[0] is ExitCode.HELD


def test_halt_stops_what_a_dead_run_has_left_running(make: SceneMaker) -> None:
    """Nobody watches this refresh any more: the command itself has AWS roll it back."""
    scene = two_fleets(make)
    fleet = scene.world.group("web-a")
    template = fleet["LaunchTemplate"]["LaunchTemplateId"]
    number = scene.world.version(template, ImageId=scene.world.image("new", tags=OURS))
    scene.world.autoscaling.start_instance_refresh(
        AutoScalingGroupName="web-a",
        DesiredConfiguration={"LaunchTemplate": {"LaunchTemplateId": template, "Version": str(number)}},
    )
    scene.world.wait(10)
    dry = signals.halt(scene.again(), "all", "test", dry_run=True)
    assert [(one.fleet, "would be stopped" in one.text) for one in dry] == [("web-a", True), ("web-b", False)]
    told = signals.halt(scene.again(), "all", "test")
    assert "is being rolled back" in told[0].text
    assert told[1].text == "no refresh is under way"
    scene.world.wait(600)
    assert scene.world.refresh("web-a")["Status"] == "RollbackSuccessful"


def test_a_refresh_that_cannot_be_rolled_back_is_cancelled(make: SceneMaker) -> None:
    """One that somebody started without a desired configuration has no way back, and is stopped all the same."""
    scene = two_fleets(make)
    scene.world.autoscaling.start_instance_refresh(AutoScalingGroupName="web-a")
    scene.world.wait(10)
    assert "is cancelled" in signals.halt(scene.again(), "fleet-web-a", "test")[0].text
    scene.world.wait(600)
    assert scene.world.refresh("web-a")["Status"] == "Cancelled"


def test_a_cord_pulled_by_hand_stops_everything(make: SceneMaker) -> None:
    """Whatever stands in the parameter: in doubt nothing rolls."""
    scene = two_fleets(make)
    scene.world.ssm.put_parameter(Name="/rebake/andon/all", Value="stop it", Type="String")
    image = ImageId(scene.world.image("new", tags=OURS))
    code, result = roll(scene, "web-a", image)
    assert code is ExitCode.HELD
    assert "stop it" in str(result.lanes[0].outcome)


def test_status_shows_who_halted(make: SceneMaker) -> None:
    """Whoever looks sees the cord, its reason and since when."""
    scene = two_fleets(make)
    pull(scene, "fleet-web-a")()
    (family,) = status(scene.again())
    assert [bool(fleet.halted) for fleet in family.fleets] == [True, False]
    assert "5xx are rising" in family.fleets[0].halted


def test_a_cord_that_is_not_pulled_cannot_be_let_go(make: SceneMaker) -> None:
    """It says which are."""
    scene = two_fleets(make)
    pull(scene, "group-prod")()
    with pytest.raises(NotFound, match="all is not pulled") as caught:
        signals.unhalt(scene.again(), "all")
    assert "group-prod" in caught.value.hint


@pytest.mark.parametrize(
    ("fleet", "group", "everything", "said"),
    [
        (None, None, False, "exactly one"),
        ("web-a", None, True, "exactly one"),
        ("web-x", None, False, "no fleet named web-x"),
        (None, "dev", False, "no patch group named dev"),
    ],
)
def test_a_scope_is_one_thing_that_exists(
    make: SceneMaker, fleet: str | None, group: str | None, said: str, *, everything: bool
) -> None:
    """Neither nothing nor two things, and no misspelt name: a halt that halts nobody is dangerous."""
    with pytest.raises(UsageError, match=said):
        signals.scope_of(two_fleets(make).room, fleet=fleet, group=group, everything=everything)


def test_scopes_have_names(make: SceneMaker) -> None:
    """One parameter each."""
    room = two_fleets(make).room
    named = [
        signals.scope_of(room, fleet="web-a", group=None, everything=False),
        signals.scope_of(room, fleet=None, group="prod", everything=False),
        signals.scope_of(room, fleet=None, group=None, everything=True),
    ]
    assert named == ["fleet-web-a", "group-prod", "all"]


def test_the_cord_is_read_no_faster_than_the_waits(make: SceneMaker) -> None:
    """One call in fifteen seconds, however many steps and fleets there are."""
    scene = two_fleets(make)
    image = ImageId(scene.world.image("new", tags=OURS))
    began = scene.world.cloud.clock.now()
    scene.world.cloud.calls.clear()
    roll(scene, "web-a", image)
    calls = scene.world.cloud.calls.matching("ssm:GetParametersByPath")
    asked = [call.at for call in calls if call.parameters["Path"].endswith("/andon")]
    took = scene.world.cloud.clock.now() - began
    assert len(asked) <= took / timedelta(seconds=15) + 1


def test_a_way_back_is_not_halted(make: SceneMaker) -> None:
    """Going back is what one does while the cord is pulled."""
    scene = two_fleets(make)
    image = ImageId(scene.world.image("new", tags=OURS))
    assert roll(scene, "web-a", image)[0] is ExitCode.DONE
    pull(scene, "all")()
    room = scene.again()
    plan = plans.for_rollback(room, "web-a")
    assert exit_code(plan, apply(room, plan)) is ExitCode.DONE
    assert set(scene.world.versions("web-a")) == {"1"}
