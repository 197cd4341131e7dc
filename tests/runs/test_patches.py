"""Patches before a bake: surveyed, judged, installed exactly; SSM's copies of baselines."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import nouns
import pytest
from rooms import Scene, SceneMaker

from pipeline.errors import ExitCode, NotPossible, StepFailed, UsageError
from pipeline.model.baselines import ApprovalRule, PatchBaseline, Property, SsmBaseline, Verdict
from pipeline.model.outcomes import RunResult
from pipeline.model.packages import OperatingSystem, Package, Patch
from pipeline.model.settings import PatchGroup, PredefinedBaseline
from pipeline.model.steps import BuildImage, Plan, WriteBaseline
from pipeline.observe.patches import FRESH
from pipeline.runs import check, plans
from pipeline.runs.apply import apply, exit_code
from pipeline.runs.baselines import for_baselines, patches
from pipeline.runs.room import Room

DAY = timedelta(days=1)
OURS = PatchBaseline(name="ours", rules=(ApprovalRule(after=7 * DAY),), rejected=("tzdata",))


def ruled(make: SceneMaker, baseline: Any = OURS, **more: Any) -> Scene:
    """Make a scene whose family has a baseline of rules, and three patches on offer: one old, one new, one rejected."""
    scene = make(families={"web": replace(nouns.family(), baseline=baseline)}, **more)
    now = scene.room.tools.clock.now()
    for name, days in (("nginx", 1), ("openssl", 30), ("tzdata", 30)):
        scene.builder.offered.append(
            Patch(name=name, version="2", installed="1", security=True, released=now - days * DAY)
        )
    return scene


def release(room: Room, within: timedelta | None = FRESH) -> tuple[Plan, RunResult]:
    """Release the family."""
    plan = plans.for_release(room, ("web",), survey_within=within)
    return plan, apply(room, plan)


def test_a_bake_installs_what_the_plan_says(make: SceneMaker) -> None:
    """The plan carries the packages, tells what is left out, and the build gets exactly those."""
    scene = ruled(make)
    plan, result = release(scene.room)
    assert exit_code(plan, result) is ExitCode.DONE, result.last
    step = next(planned for planned in plan.steps if isinstance(planned.step, BuildImage))
    assert isinstance(step.step, BuildImage)
    assert step.step.install == (Package(name="openssl", version="2"),)
    assert "1 packages to install, 1 held back, 1 rejected" in step.why
    (built,) = scene.builder.built
    assert b"openssl=2" in built.rendered.files.values()


def test_the_same_approvals_bake_once_and_the_next_day_of_a_delay_bakes_anew(make: SceneMaker) -> None:
    """Nothing to do while what is approved stays the same; due again when a delay is over, without a new survey."""
    scene = ruled(make)
    release(scene.room)
    assert plans.for_release(scene.again(), ("web",)).empty
    scene.world.cloud.clock.advance(5 * DAY)
    assert plans.for_release(scene.again(), ("web",)).empty
    scene.world.cloud.clock.advance(1 * DAY)
    plan = plans.for_bake(scene.again(), "web")
    assert [str(p) for s in plan.steps if isinstance(s.step, BuildImage) for p in s.step.install or ()] == [
        "nginx=2",
        "openssl=2",
    ]
    assert "what is approved, changed" in plan.steps[0].why
    assert len(scene.builder.surveyed) == 1


def test_other_rules_that_approve_the_same_bake_nothing(make: SceneMaker) -> None:
    """What is hashed is what is installed, not how it was decided."""
    scene = ruled(make)
    release(scene.room)
    room = scene.again()
    other = replace(OURS, rules=(ApprovalRule(filters={Property.NAME: ("openssl",)}),), rejected=())
    family = replace(room.settings.families["web"], baseline=other)
    assert plans.for_release(replace(room, settings=replace(room.settings, families={"web": family}))).empty


def test_a_survey_is_taken_when_the_kept_one_is_too_old(make: SceneMaker) -> None:
    """A bake goes by a survey of half a day; a plan boots nothing, however old it is."""
    scene = ruled(make)
    with pytest.raises(NotPossible, match="was never surveyed here") as told:
        plans.for_bake(scene.room, "web")
    assert told.value.hint.endswith("rebake patches web --survey")
    for wait, count in ((timedelta(), 1), (FRESH - timedelta(minutes=1), 1), (timedelta(minutes=1), 2)):
        scene.world.cloud.clock.advance(wait)
        plans.for_bake(scene.again(), "web", survey_within=FRESH)
        assert len(scene.builder.surveyed) == count
    scene.world.cloud.clock.advance(30 * DAY)
    plans.for_bake(scene.again(), "web")
    assert len(scene.builder.surveyed) == 2


def test_what_was_planned_is_built_although_a_delay_ends_meanwhile(make: SceneMaker) -> None:
    """A plan that was approved is carried out as it was shown."""
    scene = ruled(make)
    plan = plans.for_bake(scene.room, "web", survey_within=FRESH)
    scene.world.cloud.clock.advance(10 * DAY)
    result = apply(scene.room, plan)
    assert exit_code(plan, result) is ExitCode.DONE, result.last
    assert b"openssl=2" in scene.builder.built[0].rendered.files.values()


def test_patches_are_told_with_their_reasons(make: SceneMaker) -> None:
    """Approved, held back until a moment, rejected; a baseline of one word has nothing to tell."""
    scene = ruled(make)
    found = patches(scene.room, "web", survey_within=timedelta())
    by_name = {one.patch.name: one for one in found.decisions}
    assert by_name["openssl"].verdict is Verdict.APPROVED
    assert by_name["tzdata"].verdict is Verdict.REJECTED
    now = scene.room.tools.clock.now()
    assert by_name["nginx"].until is not None
    assert by_name["nginx"].until - now == 6 * DAY
    with pytest.raises(UsageError, match="The baseline of web is security"):
        patches(make().room, "web")
    with pytest.raises(UsageError, match="no family named wep"):
        patches(scene.room, "wep")


def test_predefined_and_ssm_baselines_are_judged_alike(make: SceneMaker) -> None:
    """The predefined one of the surveyed system; SSM's by id, by patch group, or its default."""
    scene = ruled(make, PredefinedBaseline())
    assert patches(scene.room, "web", survey_within=FRESH).baseline == "AWS-DebianDefaultPatchBaseline"
    baselines = scene.room.tools.baselines
    mine = PatchBaseline(name="x", rules=(ApprovalRule(),))
    id_ = baselines.write(None, "theirs", mine, OperatingSystem.DEBIAN, "t")
    baselines.register(id_, "prod", OperatingSystem.DEBIAN)
    for choice in (SsmBaseline(id=id_), SsmBaseline(patch_group="prod")):
        found = patches(ruled(make, choice).room, "web", survey_within=FRESH)
        assert (found.baseline, len(found.install)) == (f"ssm:{id_}", 3)
    assert patches(ruled(make, SsmBaseline()).room, "web", survey_within=FRESH).baseline.startswith("ssm:pb-")


def test_a_survey_that_fails_leaves_everything_as_it_was(make: SceneMaker) -> None:
    """Nothing is planned on half a survey, and none is kept."""
    scene = ruled(make)
    scene.builder.failure_of_survey = StepFailed("apt could not reach its mirror")
    with pytest.raises(StepFailed):
        plans.for_release(scene.room, ("web",), survey_within=FRESH)
    source = scene.room.source("web")
    assert scene.room.tools.evidence.survey(source.id) is None


def test_baselines_are_written_once(make: SceneMaker) -> None:
    """Made and given to its patch group, then left alone; what somebody changed in SSM is brought back."""
    mine = replace(OURS, rules=(ApprovalRule(),))
    groups = {"prod": PatchGroup(name="prod", wave=1, baseline="ours")}
    scene = ruled(make, mine, baselines={"ours": mine}, patch_groups=groups)
    plan = for_baselines(scene.room)
    assert exit_code(plan, apply(scene.room, plan)) is ExitCode.DONE
    baselines = scene.room.tools.baselines
    id_ = baselines.find("rebake-ours-debian")
    assert id_ is not None
    assert baselines.chosen("prod", OperatingSystem.DEBIAN) == id_
    assert for_baselines(scene.again()).empty
    baselines.write(id_, "rebake-ours-debian", replace(mine, rejected=()), OperatingSystem.DEBIAN, "u")
    (planned,) = for_baselines(scene.again(), "ours").steps
    assert isinstance(planned.step, WriteBaseline)
    assert (planned.step.content, planned.step.patch_groups) == (True, ())
    apply(scene.again(), for_baselines(scene.again()))
    assert baselines.get(id_, OperatingSystem.DEBIAN).rejected == ("tzdata",)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (ApprovalRule(after=7 * DAY), "knows no dates and would approve rule 1 at once"),
        (ApprovalRule(filters={Property.NAME: tuple(map(str, range(21)))}), "more than 4 keys, or 20 values"),
    ],
)
def test_what_ssm_cannot_say_is_not_written(make: SceneMaker, rule: ApprovalRule, fault: str) -> None:
    """A delay on Debian would be no delay there: two baselines of one name that say different things."""
    mine = replace(OURS, rules=(rule,))
    scene = ruled(make, mine, baselines={"ours": mine})
    with pytest.raises(NotPossible, match=fault):
        for_baselines(scene.room)


def test_a_baseline_that_nobody_uses_has_no_system(make: SceneMaker) -> None:
    """Which patches it means is not known."""
    with pytest.raises(UsageError, match="uses baseline ours"):
        for_baselines(make(baselines={"ours": OURS}).room)


def test_check_needs_no_survey(make: SceneMaker) -> None:
    """A preflight boots nothing: the recipe is checked with an empty list, a baseline in SSM is read."""
    scene = ruled(make, SsmBaseline())
    findings = check.live(scene.room, ())
    told = [finding.text for finding in findings if finding.check == "family web" and finding.ok]
    assert "Packer accepts the template" in told
    assert any(text.startswith("baseline ssm:pb-") for text in told)
    assert scene.builder.surveyed == []
