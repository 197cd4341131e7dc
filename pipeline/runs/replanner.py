"""Planning in the middle of a run: what was planned hours ago is planned again when its turn comes."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import NotPossible, RefusedError
from pipeline.model.ids import ImageId
from pipeline.model.rollouts import CancelRefresh
from pipeline.model.steps import Lane, Plan, PlannedStep
from pipeline.model.strategies import OnHalt
from pipeline.model.windows import Standing
from pipeline.planning.fleets import stale_members
from pipeline.planning.recovery import plan_recovery
from pipeline.planning.roll import plan_roll
from pipeline.runs.room import Room


@dataclass(frozen=True, slots=True)
class Replanner:
    """The port `pipeline.execute.lanes.Planner` over a room."""

    room: Room

    def renewal(self, lane: Lane, image: ImageId) -> tuple[PlannedStep, ...]:
        """Plan the lane again, unless its image was rejected or revoked, or its channel was moved in the meantime."""
        tools = self.room.tools
        again = f"roll it by hand if it is wanted all the same: rebake roll {lane.fleet} --image {image}"
        found = tools.images.get([image]).get(image)
        if found is None or found.barred:
            text = f"{image} was {found.barred if found else 'removed'} while {lane.fleet} waited."
            raise RefusedError(text, hint=f"see what there is instead: rebake history {lane.fleet}")
        if lane.channel and (current := tools.channels.current(lane.channel)) != image:
            raise RefusedError(f"{lane.channel} was moved from {image} to {current} in the meantime.", hint=again)
        supersede = any(isinstance(planned.step, CancelRefresh) for planned in lane.steps)
        return plan_roll(self.room.fleet(lane.fleet), image, supersede=supersede).steps

    def standing(self, fleet: str) -> Standing:
        """Tell whether a fleet may be rolled now; where that cannot be read, it may not."""
        try:
            return self.room.standing(fleet)
        except NotPossible as error:
            return Standing(open=False, begin=False, why=error.whole)

    def strayed(self, lane: Lane, image: ImageId) -> str | None:
        """Say how many instances of a fleet are on something else, a roll-back say."""
        view = self.room.fleet(lane.fleet, copyable=False)
        # An instance that EC2 does not show yet says nothing.
        stale = sum(one.image is not None for one in stale_members(view, image))
        return f"{stale} of {len(view.group.standing)} instances of {lane.fleet} left {image} again" if stale else None

    def recovery(self, fleet: str, how: OnHalt, *, away: ImageId | None, begun: bool, failed: bool) -> Plan:
        """Plan what puts a fleet back."""
        view = self.room.fleet(fleet, copyable=False)
        return plan_recovery(view, how, away=away, begun=begun, failed=failed)
