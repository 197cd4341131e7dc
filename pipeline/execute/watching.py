"""What is looked at while new instances come: enough to give up long before AWS would."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pipeline.execute.tools import Workbench
from pipeline.model.fleets import Group
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.strategies import Patience
from pipeline.planning.patience import Condition, RefreshSight, condition, fault_of, give_up


@dataclass(slots=True, kw_only=True)
class Watch:
    """What was seen of a group's new instances so far; ``image`` is what they boot."""

    image: ImageId | None
    began: datetime
    seen: dict[InstanceId, Condition] = field(default_factory=dict)

    def trouble(self, bench: Workbench, group: Group, patience: Patience) -> str | None:
        """Look once, and say why to give up; None: go on."""
        now = bench.tools.clock.now()
        new = [member for member in group.standing if member.image is not None and member.image == self.image]
        fleets = bench.tools.fleets
        targets = [health for arn in group.target_groups for health in bench.tools.traffic.health(arn)]
        for member in new:
            self.seen[member.id] = condition(self.seen.get(member.id), fault_of(member, group, targets), now)
        sight = RefreshSight(
            group=group,
            image=self.image,
            seen=self.seen,
            activities=[one for one in fleets.activities(group.name) if one.at >= self.began],
            targets=targets,
            impaired=fleets.impaired([member.id for member in new]),
        )
        return give_up(sight, patience, now)
