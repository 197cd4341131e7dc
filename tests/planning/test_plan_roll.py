from __future__ import annotations

from dataclasses import replace
from typing import Any

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import HeldError, NotPossible
from pipeline.model.fleets import RefreshStatus, TemplateRef
from pipeline.model.ids import ImageId
from pipeline.model.refs import Baked, Created
from pipeline.model.rollouts import AwaitRefresh, CreateTemplateVersion, StartRefresh
from pipeline.model.strategies import OnBusy
from pipeline.model.views import FleetView
from pipeline.planning.roll import describe_members, plan_roll


def test_a_fleet_on_an_old_image_is_rolled() -> None:
    """A new template version from the pinned one, then a refresh to it, then the wait."""
    steps = [planned.step for planned in plan_roll(nouns.fleet_view(nouns.OLD, nouns.OLD), nouns.NEW).steps]
    strategy = nouns.fleet().strategy
    assert steps == [
        CreateTemplateVersion(
            fleet="web-prod", family="web", template=nouns.TEMPLATE, source_version=1, image=nouns.NEW
        ),
        StartRefresh(
            fleet="web-prod",
            group=nouns.group().name,
            template=nouns.TEMPLATE,
            saved=1,
            version=Created(fleet="web-prod"),
            strategy=strategy,
            auto_rollback=True,
        ),
        AwaitRefresh(fleet="web-prod", group=nouns.group().name, strategy=strategy),
    ]


def test_an_image_yet_to_be_baked_is_named_symbolically() -> None:
    """A plan made before the bake refers to the image that the bake will make."""
    step = plan_roll(nouns.fleet_view(nouns.OLD), Baked(family="web")).steps[0].step
    assert isinstance(step, CreateTemplateVersion)
    assert step.image == Baked(family="web")


def test_a_fleet_on_the_image_needs_nothing() -> None:
    """Template and every instance on the image: nothing to do."""
    assert plan_roll(nouns.fleet_view(nouns.NEW, nouns.NEW, saved=nouns.version(1, nouns.NEW)), nouns.NEW).empty


def test_stragglers_are_refreshed_to_the_saved_version() -> None:
    """Where the template is right and instances are not, no new version is made."""
    steps = plan_roll(nouns.fleet_view(nouns.NEW, nouns.OLD, saved=nouns.version(3, nouns.NEW)), nouns.NEW).steps
    assert isinstance(steps[0].step, StartRefresh)
    assert steps[0].step.version == 3
    assert "1 of 2" in steps[0].why


def test_size_zero_is_rolled_with_a_note() -> None:
    """A group at size 0 still gets the template, and the reader is told that nothing is replaced."""
    plan = plan_roll(nouns.fleet_view(), nouns.NEW)
    assert not plan.empty
    assert "size 0" in plan.notes[0].text
    assert "no instances" in plan.steps[1].why


def test_a_refresh_that_goes_there_is_adopted() -> None:
    """The same command run again while its refresh runs only waits for it."""
    view = nouns.fleet_view(nouns.OLD, refreshes=(nouns.refresh(),), goals={nouns.refresh().id: nouns.NEW})
    steps = plan_roll(view, nouns.NEW).steps
    assert [planned.step for planned in steps] == [
        AwaitRefresh(
            fleet="web-prod", group=view.group.name, strategy=view.settings.strategy, refresh=nouns.refresh().id
        )
    ]


@pytest.mark.parametrize(
    ("status", "desired", "to"),
    [
        (RefreshStatus.IN_PROGRESS, ImageId("ami-third"), 2),
        (RefreshStatus.IN_PROGRESS, None, None),
        (RefreshStatus.CANCELLING, nouns.NEW, 2),
        (RefreshStatus.ROLLBACK_IN_PROGRESS, nouns.NEW, 2),
    ],
)
def test_a_refresh_that_goes_elsewhere_holds_the_fleet(
    status: RefreshStatus, desired: ImageId | None, to: int | None
) -> None:
    """Another refresh under way is named, and how to wait or undo it."""
    goals = {nouns.refresh().id: desired} if desired else {}
    view = nouns.fleet_view(nouns.OLD, refreshes=(nouns.refresh(status, to=to),), goals=goals)
    with pytest.raises(HeldError, match="refresh-1") as caught:
        plan_roll(view, nouns.NEW)
    assert "rebake rollback web-prod" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"launch_configuration": "web-lc", "template": None}, "launch configuration web-lc"),
        ({"template": TemplateRef(id=nouns.TEMPLATE, version="$Latest")}, r"\$Latest"),
        ({"template": TemplateRef(id=nouns.TEMPLATE, version="$Default")}, r"\$Default"),
        ({"mixed": True, "override_templates": True}, "overrides with launch templates"),
        ({"mixed": True, "attribute_based": True}, "by attributes"),
        ({"suspended": ("AZRebalance", "Terminate")}, "suspended Terminate"),
        ({"suspended": ("AddToLoadBalancer",), "target_groups": ("tg",)}, "suspended AddToLoadBalancer"),
    ],
)
def test_groups_that_cannot_be_rolled_safely_are_refused(changes: dict[str, Any], said: str) -> None:
    """Each kind of unsuitable group has its own sentence and a next step."""
    view = nouns.fleet_view(nouns.OLD)
    unsuitable = FleetView(settings=view.settings, group=nouns.group(nouns.OLD, **changes), version=view.version)
    with pytest.raises(NotPossible, match=said) as caught:
        plan_roll(unsuitable, nouns.NEW)
    assert caught.value.hint


def test_an_image_alias_is_refused() -> None:
    """A template that resolves its image from a parameter could not be rolled back."""
    with pytest.raises(NotPossible, match="resolve:ssm:/web"):
        plan_roll(nouns.fleet_view(nouns.OLD, saved=nouns.version(1, "resolve:ssm:/web")), nouns.NEW)


def test_a_group_without_a_template_version_is_refused() -> None:
    """A group whose template cannot be known is not touched."""
    view = nouns.fleet_view(nouns.OLD)
    with pytest.raises(NotPossible, match="no launch template"):
        plan_roll(FleetView(settings=view.settings, group=view.group, version=None), nouns.NEW)


def test_members_that_will_not_be_replaced_are_not_waited_for() -> None:
    """What is terminating, and what the strategy leaves alone, makes no fleet look unfinished."""
    leaving, protected, standby = nouns.members(nouns.OLD, nouns.OLD, nouns.OLD)
    odd = (
        replace(leaving, lifecycle="Terminating:Wait"),
        replace(protected, protected=True),
        replace(standby, lifecycle="Standby"),
    )
    saved = nouns.version(1, nouns.NEW)
    view = nouns.fleet_view(nouns.NEW, saved=saved)
    group = replace(view.group, members=(*view.group.members, *odd))
    ignoring = nouns.fleet(protected=OnBusy.IGNORE, standby=OnBusy.IGNORE)
    assert plan_roll(replace(view, group=group, settings=ignoring), nouns.NEW).empty
    assert len(plan_roll(replace(view, group=group), nouns.NEW).steps) == 2


def test_members_are_counted_by_image() -> None:
    """The plan's reader sees what runs now."""
    assert describe_members(nouns.fleet_view(nouns.OLD, nouns.NEW, nouns.OLD)) == "2 on ami-0old, 1 on ami-0new"


@given(on_new=st.integers(0, 6), on_old=st.integers(0, 6), template_new=st.booleans())
def test_a_plan_is_empty_exactly_when_the_fleet_is_there(on_new: int, on_old: int, *, template_new: bool) -> None:
    """Whatever the mix, there is nothing to do if and only if template and all instances are on the image."""
    saved = nouns.version(1, nouns.NEW if template_new else nouns.OLD)
    view = nouns.fleet_view(*([nouns.NEW] * on_new + [nouns.OLD] * on_old), saved=saved)
    assert plan_roll(view, nouns.NEW).empty == (template_new and on_old == 0)
