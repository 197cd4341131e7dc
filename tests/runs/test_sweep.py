from __future__ import annotations

from dataclasses import replace

import pytest
import rooms
from hypothesis import given, settings
from hypothesis import strategies as st
from rooms import Scene, SceneMaker
from runs.foreigners import MAKERS, TAGS, Maker
from runs.packing import CALLS, DyingBuilder
from runs.sweeping import LATER, everything, sweep
from runs.watching import KilledError
from world import World

from pipeline.aws.session import Clients
from pipeline.errors import ExitCode
from pipeline.model.steps import Plan
from pipeline.runs import plans
from pipeline.runs.apply import apply
from pipeline.sandbox.clock import ManualClock
from pipeline.sandbox.cloud import Cloud

FINISHED = 7
"""After so many calls of a build its image is tagged: a candidate, and no leftover."""


def bake(scene: Scene, lives: int) -> None:
    """Bake until Packer and we are killed."""
    builder = DyingBuilder(world=scene.world, lives=lives)
    room = replace(scene.room, tools=replace(scene.room.tools, builder=builder))
    with pytest.raises(KilledError):
        apply(room, plans.for_bake(room, "web", force=True))


@pytest.mark.parametrize("lives", range(1, CALLS + 1))
def test_whatever_a_killed_bake_leaves_is_swept_a_day_later(make: SceneMaker, lives: int) -> None:
    """Killed after each of its calls: not within the day, then all of it but an image that is finished."""
    scene = make()
    before = everything(scene.world)
    bake(scene, lives)
    left = everything(scene.world)
    assert sweep(scene)[1].empty
    assert everything(scene.world) == left
    scene.world.wait(LATER)
    code, plan, result = sweep(scene)
    assert code is ExitCode.DONE, result.results
    after = everything(scene.world)
    made = {kind: after[kind] - before[kind] for kind in after if after[kind] != before[kind]}
    assert set(made) == ({"images", "snapshots"} if lives >= FINISHED else set()), plan
    assert sweep(scene)[1] == Plan()


@given(
    others=st.lists(st.tuples(st.sampled_from(MAKERS), st.sampled_from(TAGS)), min_size=1, max_size=5),
    lives=st.integers(1, CALLS),
)
@settings(max_examples=12)
def test_what_others_made_is_never_touched(
    clients: Clients, tmp_path_factory: pytest.TempPathFactory, others: list[tuple[Maker, dict[str, str]]], lives: int
) -> None:
    """However alike it is, and among leftovers of a bake that was killed anywhere."""
    with Cloud(clock=ManualClock()).in_process() as cloud:
        scene = rooms.scene(World(cloud), clients, tmp_path_factory.mktemp("state"))
        for number, (make, tags) in enumerate(others):
            make(scene.world, f"other-{number}", tags)
        before = everything(scene.world)
        bake(scene, lives)
        scene.world.wait(LATER)
        assert sweep(scene)[0] is ExitCode.DONE
        after = everything(scene.world)
        assert all(before[kind] <= after[kind] for kind in before)
        assert lives >= FINISHED or after == before
