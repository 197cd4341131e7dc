from __future__ import annotations

import nouns
import pytest

from pipeline.errors import ExitCode, NotFound, NotOurs, NotPossible, RebakeError, RefusedError
from pipeline.model.ids import ImageId
from pipeline.model.images import Image, Stage
from pipeline.model.steps import BuildImage, MoveChannel, Plan, SmokeTestImage
from pipeline.model.views import FamilyView
from pipeline.planning.bake import newest_proven, plan_bake, plan_promote, plan_smoke, require_proven

OTHER_KEY = "0" * 64


def kinds(plan: Plan) -> list[str]:
    """Name a plan's steps."""
    return [type(planned.step).__name__ for planned in plan.steps]


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (nouns.family_view(), "never baked"),
        (nouns.family_view(nouns.image(key=OTHER_KEY)), "the recipe changed since ami-0new"),
        (
            nouns.family_view(
                nouns.image(key=OTHER_KEY), source=nouns.image("ami-0newer", stage=None, key=None, family=None)
            ),
            "newer source image: ami-0source -> ami-0newer",
        ),
        (nouns.family_view(nouns.image(state="failed")), "the recipe changed since"),
    ],
)
def test_a_bake_is_planned_where_no_image_has_its_key(view: FamilyView, why: str) -> None:
    """A new source image, a changed recipe, or nothing baked yet plans a bake and says which it is."""
    plan = plan_bake(view)
    assert kinds(plan) == ["BuildImage"]
    assert plan.steps[0].step == BuildImage(family="web", bake_key=view.key, source_image=view.source.id)
    assert why in plan.steps[0].why


@pytest.mark.parametrize(
    ("stage", "said", "blocked"),
    [
        (Stage.TESTED, "is tested", None),
        (Stage.CANDIDATE, "waits for its smoke test", None),
        (Stage.REJECTED, "was rejected", ExitCode.REFUSED),
    ],
)
def test_an_image_of_the_same_key_is_not_baked_again(stage: Stage, said: str, blocked: ExitCode | None) -> None:
    """What was baked from exactly this is found by its key; a rejected one blocks."""
    plan = plan_bake(nouns.family_view(nouns.image(stage=stage)))
    assert plan.empty
    assert said in plan.notes[0].text
    assert plan.notes[0].blocked is blocked


def test_a_bake_that_was_cut_short_is_finished() -> None:
    """An image without what a bake writes last is no finished one; a rejected one is left as it is."""
    plan = plan_bake(nouns.family_view(nouns.image(stage=Stage.CANDIDATE, imds_v2=False)))
    assert kinds(plan) == ["BuildImage"]
    assert "cut short" in plan.steps[0].why
    assert plan_bake(nouns.family_view(nouns.image(stage=Stage.REJECTED, imds_v2=False))).steps == ()


def test_force_bakes_although_nothing_changed() -> None:
    """--force plans a bake whatever stands."""
    assert kinds(plan_bake(nouns.family_view(nouns.image()), force=True)) == ["BuildImage"]


def test_the_best_proven_image_of_a_key_counts() -> None:
    """Of several images with one key, a tested one outranks a rejected one (a forced second bake)."""
    view = nouns.family_view(nouns.image("ami-b", stage=Stage.REJECTED), nouns.image("ami-a"))
    assert view.current is not None
    assert view.current.id == "ami-a"


def test_a_smoke_test_boots_like_the_fleet() -> None:
    """The candidate is booted from the fleet's own template and subnet, on the build's first type by default."""
    view = nouns.family_view(nouns.image(stage=Stage.CANDIDATE))
    step = plan_smoke(view, image=None, like=nouns.fleet_view(nouns.OLD)).steps[0].step
    assert step == SmokeTestImage(
        family="web",
        image=nouns.NEW,
        instance_types=("t3.small",),
        template=nouns.TEMPLATE,
        version="1",
        subnet="subnet-1",
    )


def test_a_smoke_test_without_a_fleet_boots_bare() -> None:
    """A family that no fleet runs yet is tested without a launch template."""
    planned = plan_smoke(nouns.family_view(nouns.image()), image=nouns.NEW, like=None).steps[0]
    assert isinstance(planned.step, SmokeTestImage)
    assert planned.step.template is None
    assert "booted bare" in planned.why


def test_without_a_candidate_there_is_nothing_to_test() -> None:
    """A tested image is not tested again by default: a flaky test would reject what runs in production."""
    assert plan_smoke(nouns.family_view(nouns.image()), image=None, like=None).empty


def test_a_candidate_that_turned_out_failed_is_passed_over() -> None:
    """An AMI that AWS could not finish must not keep the one before it from being tested."""
    failed, waiting = (
        nouns.image(name, stage=Stage.CANDIDATE, state=state)
        for name, state in (("ami-f", "failed"), ("ami-w", "available"))
    )
    step = plan_smoke(nouns.family_view(failed, waiting), image=None, like=None).steps[0].step
    assert isinstance(step, SmokeTestImage)
    assert step.image == "ami-w"


def test_a_rejected_image_is_not_washed_clean() -> None:
    """No second smoke test makes a rejected image rollable."""
    with pytest.raises(RefusedError, match="stays so"):
        plan_smoke(nouns.family_view(nouns.image(stage=Stage.REJECTED)), image=nouns.NEW, like=None)


def test_an_image_that_cannot_be_launched_counts_for_nothing() -> None:
    """A disabled image of the key is baked anew."""
    assert kinds(plan_bake(nouns.family_view(nouns.image(state="disabled")))) == ["BuildImage"]


def test_promotion_moves_the_channel() -> None:
    """Promoting a tested image points the family's parameter at it and names what it pointed to."""
    plan = plan_promote(nouns.family_view(nouns.image(), channel=nouns.OLD), nouns.NEW)
    assert plan.steps[0].step == MoveChannel(
        family="web", channel="stable", parameter="/rebake/web/stable", image=nouns.NEW, previous=nouns.OLD
    )


def test_promotion_of_what_is_promoted_is_nothing_to_do() -> None:
    """A channel that points there already is left alone: every write is a version of its history."""
    assert plan_promote(nouns.family_view(nouns.image(), channel=nouns.NEW), nouns.NEW).empty


def test_promotion_of_a_strange_image_is_refused() -> None:
    """An image that is not among the family's own cannot be promoted."""
    with pytest.raises(NotOurs, match="ami-strange"):
        plan_promote(nouns.family_view(nouns.image()), ImageId("ami-strange"))


@pytest.mark.parametrize(
    ("image", "error"),
    [
        (nouns.image(family=None), NotOurs),
        (nouns.image(stage=None), NotOurs),
        (nouns.image(family="db"), NotPossible),
        (nouns.image(state="disabled"), NotPossible),
        (nouns.image(stage=Stage.REJECTED), RefusedError),
        (nouns.image(stage=Stage.CANDIDATE), RefusedError),
    ],
)
def test_only_proven_images_pass(image: Image, error: type[RebakeError]) -> None:
    """Foreign, unlaunchable, rejected and untested images are refused, each with a next step."""
    with pytest.raises(error) as caught:
        require_proven(image, family="web")
    assert caught.value.hint


def test_the_newest_tested_image_is_found() -> None:
    """Candidates and rejected images are passed over."""
    view = nouns.family_view(nouns.image("ami-c", stage=Stage.CANDIDATE), nouns.image("ami-t"), nouns.image("ami-u"))
    assert newest_proven(view).id == "ami-t"


def test_no_tested_image_is_said_so() -> None:
    """A family without a tested image has nothing to promote."""
    with pytest.raises(NotFound, match="no image that passed"):
        newest_proven(nouns.family_view(nouns.image(stage=Stage.CANDIDATE)))
