from __future__ import annotations

from dataclasses import replace
from typing import Any

import nouns
import pytest

from pipeline.errors import NotPossible
from pipeline.model.fleets import Refresh, RefreshStatus
from pipeline.model.ids import RefreshId
from pipeline.model.images import Stage
from pipeline.model.names import TAG_UNDO
from pipeline.model.rollouts import AwaitRefresh, CancelRefresh, PutBack, RollBackRefresh, StartRefresh
from pipeline.model.steps import TagImage
from pipeline.model.views import FleetView
from pipeline.planning.rollback import plan_rollback

BEFORE = nouns.version(1, nouns.OLD)
AFTER = nouns.version(2, nouns.NEW, source=1)


def rolled(**changes: Any) -> FleetView:
    """Make a fleet that was rolled from version 1 to version 2."""
    view = nouns.fleet_view(nouns.NEW, nouns.NEW, saved=AFTER, versions=(AFTER, BEFORE))
    images = {nouns.NEW: nouns.image(nouns.NEW), nouns.OLD: nouns.image(nouns.OLD)}
    return replace(view, **{"images": images} | changes)


def test_after_a_refresh_the_way_back_is_a_forward_refresh() -> None:
    """The version that the current one was made from is rolled to, without AWS's own roll-back to what is left."""
    steps = [planned.step for planned in plan_rollback(rolled()).steps]
    assert [type(step) for step in steps] == [StartRefresh, AwaitRefresh]
    assert isinstance(steps[0], StartRefresh)
    assert steps[0].version == 1
    assert steps[0].auto_rollback is False


def test_reject_marks_the_image_that_is_left() -> None:
    """--reject marks once the way back has begun: a mark that fails must not keep the fleet on the image."""
    steps = [planned.step for planned in plan_rollback(rolled(), reject=True).steps]
    assert [type(step) for step in steps] == [StartRefresh, TagImage, AwaitRefresh]
    assert steps[1] == TagImage(family="web", image=nouns.NEW, stage=Stage.REJECTED)


def test_without_reject_the_reader_is_told() -> None:
    """A plain roll-back says that the image it leaves is not rejected."""
    assert "--reject" in plan_rollback(rolled()).notes[0].text


def test_an_image_that_is_gone_is_not_marked() -> None:
    """A deregistered image needs no mark, and must not stop the way back."""
    steps = plan_rollback(rolled(images={nouns.OLD: nouns.image(nouns.OLD)}), reject=True).steps
    assert [type(planned.step) for planned in steps] == [StartRefresh, AwaitRefresh]


def stuck(status: RefreshStatus) -> FleetView:
    """Make a fleet whose refresh to version 2 did not get through: version 1 is still saved on the group."""
    view = nouns.fleet_view(nouns.OLD, nouns.NEW, saved=BEFORE, versions=(AFTER, BEFORE))
    ended = nouns.refresh(status)
    images = {nouns.NEW: nouns.image(nouns.NEW), nouns.OLD: nouns.image(nouns.OLD)}
    return replace(view, refreshes=(ended,), goals={ended.id: nouns.NEW}, images=images)


@pytest.mark.parametrize("status", [RefreshStatus.FAILED, RefreshStatus.CANCELLED, RefreshStatus.ROLLBACK_FAILED])
def test_after_a_refresh_that_got_stuck_the_saved_version_is_the_way_back(status: RefreshStatus) -> None:
    """AWS rewrites the group only on success, so what is saved is what stood before; the other image is rejected."""
    steps = [planned.step for planned in plan_rollback(stuck(status), reject=True).steps]
    assert isinstance(steps[0], StartRefresh)
    assert (steps[0].version, steps[0].undo) == (1, False)
    assert steps[1] == TagImage(family="web", image=nouns.NEW, stage=Stage.REJECTED)


def test_a_named_version_is_gone_back_to() -> None:
    """--to names any version of the template."""
    view = replace(rolled(), versions=(AFTER, BEFORE, nouns.version(7, nouns.OLD)))
    step = plan_rollback(view, to=7).steps[0].step
    assert isinstance(step, StartRefresh)
    assert step.version == 7


def test_being_there_already_is_nothing_to_do() -> None:
    """Rolling back to the version that everything runs on plans nothing."""
    plan = plan_rollback(rolled(), to=2)
    assert plan.empty
    assert "already" in plan.notes[0].text


def rolling(status: RefreshStatus = RefreshStatus.IN_PROGRESS, **changes: Any) -> FleetView:
    """Make a fleet that is being rolled from version 1, which is saved until the end, to version 2."""
    view = nouns.fleet_view(nouns.OLD, nouns.NEW, saved=BEFORE, versions=(AFTER, BEFORE))
    active = nouns.refresh(status)
    images = {nouns.NEW: nouns.image(nouns.NEW), nouns.OLD: nouns.image(nouns.OLD)}
    return replace(view, **{"refreshes": (active,), "goals": {active.id: nouns.NEW}, "images": images} | changes)


@pytest.mark.parametrize("status", [RefreshStatus.PENDING, RefreshStatus.IN_PROGRESS, RefreshStatus.BAKING])
def test_during_a_refresh_aws_rolls_it_back(status: RefreshStatus) -> None:
    """A refresh under way is rolled back by AWS, and its end is waited for."""
    steps = [planned.step for planned in plan_rollback(rolling(status)).steps]
    assert [type(step) for step in steps] == [RollBackRefresh, AwaitRefresh]
    assert isinstance(steps[1], AwaitRefresh)
    assert not steps[1].undo


def test_during_a_refresh_reject_marks_its_image() -> None:
    """--reject during a refresh rejects the image it goes to."""
    step = plan_rollback(rolling(), reject=True).steps[1].step
    assert step == TagImage(family="web", image=nouns.NEW, stage=Stage.REJECTED)


def test_a_rollback_under_way_is_only_waited_for() -> None:
    """The same command run again adopts the roll-back."""
    view = rolling(RefreshStatus.ROLLBACK_IN_PROGRESS)
    assert [type(planned.step) for planned in plan_rollback(view).steps] == [AwaitRefresh]


def test_a_way_back_under_way_is_adopted() -> None:
    """The refresh that brings a rolled fleet back is no refresh to be undone."""
    back = nouns.refresh(to=1)
    view = rolled(refreshes=(back,), goals={back.id: nouns.OLD})
    (step,) = [planned.step for planned in plan_rollback(view).steps]
    assert isinstance(step, AwaitRefresh)
    assert (step.refresh, step.undo) == (back.id, False)


def test_where_aws_would_go_forward_a_refresh_is_cancelled() -> None:
    """Zone by zone, the group is saved on the new version from the first zone on: the one written down is gone back to.

    So it is between two zones, when nothing runs, and where the refresh has no desired configuration.
    """
    zoned = replace(rolled().group, tags={TAG_UNDO: '{"run":"r","unprotect":true,"version":1}'})
    for view, first in (
        (rolled(group=zoned, refreshes=(nouns.refresh(),), goals={nouns.refresh().id: nouns.NEW}), [CancelRefresh]),
        (rolled(group=zoned), []),
    ):
        steps = [planned.step for planned in plan_rollback(view).steps]
        assert [type(step) for step in steps] == [*first, PutBack, StartRefresh, AwaitRefresh, PutBack]
        assert [step.returning for step in steps if isinstance(step, PutBack)] == [True, False]
        assert [step.version for step in steps if isinstance(step, StartRefresh)] == [1]
    bare = rolling(refreshes=(nouns.refresh(to=None),), goals={})
    assert [type(one.step) for one in plan_rollback(bare).steps] == [CancelRefresh, StartRefresh, AwaitRefresh]


def returned(*refreshes: Refresh) -> FleetView:
    """Make a fleet that is on version 1 after these refreshes, newest first."""
    view = nouns.fleet_view(nouns.OLD, nouns.OLD, saved=BEFORE, versions=(AFTER, BEFORE))
    images = {nouns.NEW: nouns.image(nouns.NEW), nouns.OLD: nouns.image(nouns.OLD)}
    goals = {one.id: nouns.NEW if one.desired == nouns.refresh().desired else nouns.OLD for one in refreshes}
    return replace(view, refreshes=refreshes, goals=goals, images=images)


UP = nouns.refresh(RefreshStatus.SUCCESSFUL, id=RefreshId("refresh-up"))
BACK = nouns.refresh(RefreshStatus.SUCCESSFUL, to=1, id=RefreshId("refresh-back"))
ROLLED_BACK = nouns.refresh(RefreshStatus.ROLLBACK_SUCCESSFUL)


@pytest.mark.parametrize("refreshes", [(ROLLED_BACK,), (BACK, UP)])
def test_a_rollback_run_again_goes_no_further(refreshes: tuple[Refresh, ...]) -> None:
    """Killed after it had arrived, or typed twice: it says so, and how to go further; the image can be rejected."""
    plan = plan_rollback(returned(*refreshes))
    assert plan.empty
    assert "already" in plan.notes[0].text
    assert "--to VERSION" in plan.notes[0].text
    (step,) = plan_rollback(returned(*refreshes), reject=True).steps
    assert step.step == TagImage(family="web", image=nouns.NEW, stage=Stage.REJECTED)


@pytest.mark.parametrize(
    "refreshes", [(), (BACK,), (UP, BACK), (BACK, BACK), (nouns.refresh(RefreshStatus.FAILED), UP)]
)
def test_only_a_way_back_that_came_last_counts(refreshes: tuple[Refresh, ...]) -> None:
    """What else happened before says nothing: version 1 was not made here, so that there is no way back from it."""
    with pytest.raises(NotPossible, match="was not made here"):
        plan_rollback(returned(*refreshes))


def test_a_refresh_that_is_being_cancelled_is_waited_for() -> None:
    """It leaves a mix, which a refresh of our own brings back."""
    steps = [planned.step for planned in plan_rollback(rolling(RefreshStatus.CANCELLING)).steps]
    assert [type(step) for step in steps] == [CancelRefresh, StartRefresh, AwaitRefresh]


@pytest.mark.parametrize(
    ("view", "said"),
    [
        (rolled(version=replace(AFTER, description="by hand")), "was not made here"),
        (rolled(versions=(AFTER,)), "Version 1 of lt-0web does not exist"),
        (rolled(images={}), "ami-0old of version 1 cannot be found"),
        (rolled(images={nouns.OLD: nouns.image(nouns.OLD, stage=Stage.REJECTED)}), "was rejected"),
        (rolled(images={nouns.OLD: nouns.image(nouns.OLD, state="disabled")}), "is disabled"),
    ],
)
def test_no_way_back_is_said_with_a_next_step(view: FleetView, said: str) -> None:
    """Each reason why there is no way back has its own sentence."""
    with pytest.raises(NotPossible, match=said) as caught:
        plan_rollback(view)
    assert caught.value.hint
