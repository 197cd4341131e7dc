from __future__ import annotations

from dataclasses import replace
from typing import Any

import nouns
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import HeldError, NotPossible
from pipeline.model.fleets import RefreshStatus, TemplateRef
from pipeline.model.gates import AlarmGate, TargetGate
from pipeline.model.ids import ImageId
from pipeline.model.refs import Baked, Created
from pipeline.model.rollouts import (
    AwaitRefresh,
    CancelRefresh,
    CheckGate,
    CreateTemplateVersion,
    HoldZones,
    PutBack,
    StartRefresh,
    UpdateStack,
)
from pipeline.model.strategies import ChannelOnly, OnBusy, StackUpdate
from pipeline.model.views import FleetView
from pipeline.planning.fleets import describe_members
from pipeline.planning.roll import plan_roll


def test_a_fleet_on_an_old_image_is_rolled() -> None:
    """A new template version from the pinned one, then a refresh to it, then the wait."""
    steps = [planned.step for planned in plan_roll(nouns.fleet_view(nouns.OLD, nouns.OLD), nouns.NEW).steps]
    strategy = nouns.REFRESH
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
        AwaitRefresh(fleet="web-prod", group=view.group.name, strategy=nouns.REFRESH, refresh=nouns.refresh().id)
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
        ({"mixed": True, "override_templates": True}, "overrides with other launch templates"),
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


def test_supersede_cancels_a_refresh_that_goes_elsewhere() -> None:
    """The user chose: cancel, wait for its end, then go on; what goes the right way is still adopted."""
    elsewhere = nouns.fleet_view(nouns.OLD, refreshes=(nouns.refresh(),), goals={nouns.refresh().id: ImageId("ami-x")})
    steps = [planned.step for planned in plan_roll(elsewhere, nouns.NEW, supersede=True).steps]
    assert [type(step) for step in steps] == [CancelRefresh, CreateTemplateVersion, StartRefresh, AwaitRefresh]
    right = replace(elsewhere, goals={nouns.refresh().id: nouns.NEW})
    assert [type(planned.step) for planned in plan_roll(right, nouns.NEW, supersede=True).steps] == [AwaitRefresh]


def in_zones(**strategy: Any) -> FleetView:
    """Make a fleet with a member in each of two zones, rolled zone by zone."""
    view = nouns.fleet_view(nouns.OLD, nouns.OLD)
    first, second = view.group.members
    members = (replace(first, zone="b"), replace(second, zone="a"))
    settings = nouns.fleet(zone_by_zone=True, protected=OnBusy.IGNORE, **strategy)
    return replace(view, group=replace(view.group, members=members), settings=settings)


def test_zone_by_zone_holds_all_zones_but_one() -> None:
    """Zones in order; from the second on AWS's own way back leads nowhere, so that undoing is cancelling."""
    steps = [planned.step for planned in plan_roll(in_zones(), nouns.NEW).steps]
    assert [type(step) for step in steps] == [
        CreateTemplateVersion,
        *[HoldZones, StartRefresh, AwaitRefresh] * 2,
        PutBack,
    ]
    assert [step.zone for step in steps if isinstance(step, HoldZones)] == ["a", "b"]
    starts = [step for step in steps if isinstance(step, StartRefresh)]
    assert [start.auto_rollback for start in starts] == [True, False]
    assert [start.saved for start in starts] == [1, Created(fleet="web-prod")]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"target_groups": ("tg",)}, "load balancer"),
        ({}, "no mixed-instances policy"),
        ({"mixed": True, "override_images": (nouns.OLD, None)}, "names no image"),
        ({"mixed": True}, "names no image"),
    ],
)
def test_root_volumes_are_replaced_only_where_aws_can(changes: dict[str, Any], said: str) -> None:
    """Each requirement that is not met refuses the plan, with the strategy that works."""
    view = nouns.fleet_view(nouns.OLD, settings=nouns.fleet(root_volume=True))
    with pytest.raises(NotPossible, match=said) as caught:
        plan_roll(replace(view, group=replace(view.group, **changes)), nouns.NEW)
    assert "replace_root_volume" in caught.value.hint


def test_overrides_that_name_images_are_given_the_new_one() -> None:
    """The refresh carries the image for them."""
    view = nouns.fleet_view(nouns.OLD)
    group = replace(view.group, mixed=True, override_images=(nouns.OLD,))
    start = plan_roll(replace(view, group=group), nouns.NEW).steps[1].step
    assert isinstance(start, StartRefresh)
    assert start.image == nouns.NEW


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"aws:cloudformation:stack-name": "web"}, "CloudFormation stack web"),
        ({"managed-by": "Terraform"}, "channel_only"),
        ({"terraform": "true"}, "channel_only"),
        ({"owner": "platform"}, ""),
    ],
)
def test_whose_group_it_is_is_said_with_what_avoids_drift(tags: dict[str, str], said: str) -> None:
    """A group that code owns is rolled, and the reader learns what will show drift and what would not."""
    view = nouns.fleet_view(nouns.OLD)
    notes = plan_roll(replace(view, group=replace(view.group, tags=tags)), nouns.NEW).notes
    assert any(said in note.text for note in notes) if said else not notes


def test_a_stack_changes_its_group_itself() -> None:
    """One step: the image goes to a parameter of the stack that the group's own tag names."""
    view = nouns.fleet_view(nouns.OLD, settings=replace(nouns.fleet(), strategy=StackUpdate(parameter="ImageId")))
    owned = replace(view, group=replace(view.group, tags={"aws:cloudformation:stack-name": "web"}))
    (planned,) = plan_roll(owned, nouns.NEW).steps
    assert isinstance(planned.step, UpdateStack)
    assert (planned.step.stack, planned.step.parameter) == ("web", "ImageId")
    with pytest.raises(NotPossible, match="no tag of a CloudFormation stack"):
        plan_roll(view, nouns.NEW)


def test_a_channel_alone_is_followed_by_somebody_else() -> None:
    """Nothing is planned for such a fleet; it says what it runs."""
    view = nouns.fleet_view(nouns.OLD, settings=replace(nouns.fleet(), strategy=ChannelOnly()))
    plan = plan_roll(view, nouns.NEW)
    assert plan.empty
    assert "only the channel is moved" in plan.notes[0].text


def test_gates_frame_a_refresh() -> None:
    """Alarms before it begins, all of them while it runs, and a last word after it."""
    gates = (AlarmGate(alarms=("web-5xx",)), TargetGate())
    view = nouns.fleet_view(nouns.OLD, settings=replace(nouns.fleet(), gates=gates))
    asked = [
        step.gates for p in plan_roll(view, nouns.NEW).steps if isinstance(step := p.step, AwaitRefresh | CheckGate)
    ]
    assert asked == [gates[:1], gates, gates]


def test_members_are_counted_by_image() -> None:
    """The plan's reader sees what runs now."""
    assert describe_members(nouns.fleet_view(nouns.OLD, nouns.NEW, nouns.OLD)) == "2 on ami-0old, 1 on ami-0new"


@given(on_new=st.integers(0, 6), on_old=st.integers(0, 6), template_new=st.booleans())
def test_a_plan_is_empty_exactly_when_the_fleet_is_there(on_new: int, on_old: int, *, template_new: bool) -> None:
    """Whatever the mix, there is nothing to do if and only if template and all instances are on the image."""
    saved = nouns.version(1, nouns.NEW if template_new else nouns.OLD)
    view = nouns.fleet_view(*([nouns.NEW] * on_new + [nouns.OLD] * on_old), saved=saved)
    assert plan_roll(view, nouns.NEW).empty == (template_new and on_old == 0)
