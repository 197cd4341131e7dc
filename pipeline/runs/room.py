"""Where a run works: the configuration, the ports, the observers."""

from __future__ import annotations

import difflib
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pipeline.errors import NotPossible, UsageError
from pipeline.execute.keeping import Keeper, KeepingClock
from pipeline.execute.tools import Tools, Workbench
from pipeline.model.ids import RunId
from pipeline.model.images import Image
from pipeline.model.settings import GroupByName, Settings
from pipeline.model.steps import Plan
from pipeline.model.strategies import BlueGreen
from pipeline.model.views import FamilyImages, FamilyView, FleetView
from pipeline.model.windows import Standing
from pipeline.observe.families import FamilyObserver
from pipeline.observe.fleets import FleetObserver
from pipeline.observe.patches import PatchObserver
from pipeline.observe.timing import observe_standing
from pipeline.observe.traffic import TrafficObserver
from pipeline.ports.journal import Journal
from pipeline.ports.preflight import Preflight


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Everything a verb needs."""

    settings: Settings
    tools: Tools
    preflight: Preflight
    journal: Journal
    run: RunId

    def family(self, name: str, *, survey_within: timedelta | None = None) -> FamilyView:
        """Observe a family by name; ``survey_within`` as for `FamilyObserver.observe`.

        Raises:
            UsageError: the configuration has no such family.
        """
        require_known("family", name, self.settings.families)
        return self._families().observe(name, survey_within=survey_within)

    def source(self, name: str) -> Image:
        """Resolve a family's source image now; errors as for `FamilyObserver.source`."""
        return self._families().source(self.settings.families[name])

    def images_of(self, name: str) -> FamilyImages:
        """Observe what was baked of a family, without its recipe or source image; errors as for `family`."""
        require_known("family", name, self.settings.families)
        return self._families().observe_images(name)

    def fleet(self, name: str, *, copyable: bool = True) -> FleetView:
        """Observe a fleet by name; ``copyable``: whether a blue-green fleet's group can be copied, too.

        Raises:
            UsageError: the configuration has no such fleet.
        """
        require_known("fleet", name, self.settings.fleets)
        tools = self.tools
        traffic = TrafficObserver(
            fleets=tools.fleets, templates=tools.templates, traffic=tools.traffic, copies=tools.copies
        )
        observer = FleetObserver(
            settings=self.settings,
            fleets=tools.fleets,
            refreshes=tools.refreshes,
            templates=tools.templates,
            images=tools.images,
            traffic=traffic,
            ledgers=tools.ledgers,
        )
        return observer.observe(name, copyable=copyable)

    def fleets_of(self, family: str) -> tuple[str, ...]:
        """Name the fleets that run a family, in order of their names."""
        return tuple(sorted(name for name, fleet in self.settings.fleets.items() if fleet.family == family))

    def _families(self) -> FamilyObserver:
        tools = self.tools
        return FamilyObserver(
            settings=self.settings,
            images=tools.images,
            channels=tools.channels,
            builder=tools.builder,
            patches=self.patches(),
        )

    def patches(self) -> PatchObserver:
        """Observe patches."""
        tools = self.tools
        return PatchObserver(
            settings=self.settings,
            builder=tools.builder,
            baselines=tools.baselines,
            evidence=tools.evidence,
            clock=tools.clock,
            run=self.run,
            progress=tools.progress,
        )

    def sizes(self) -> dict[str, int]:
        """Tell the desired capacity of every configured fleet, in one listing; one that cannot be found counts 0."""
        by_name = self.tools.fleets.sizes()
        found = {}
        for name, fleet in self.settings.fleets.items():
            turning = isinstance(fleet.strategy, BlueGreen)  # whose name may be another group's by now
            if isinstance(fleet.group, GroupByName) and fleet.group.name in by_name and not turning:
                found[name] = by_name[fleet.group.name]
                continue
            try:
                found[name] = self.tools.fleets.find(fleet.group).desired
            except NotPossible:
                found[name] = 0
        return found

    def standing(self, fleet: str) -> Standing:
        """Tell whether a fleet may be rolled now.

        Raises:
            NotPossible: its window or a calendar cannot be read.
        """
        return observe_standing(self.settings.timing(fleet), self.tools.windows, self.tools.clock.now())

    def bench(self, plan: Plan, *, patient: bool = False) -> Workbench:
        """Set up the execution of a plan; ``patient``: it waits for whoever holds what it needs."""
        keeper = Keeper(leases=self.tools.leases, clock=self.tools.clock, run=self.run, patient=patient)
        return Workbench(
            tools=replace(self.tools, clock=KeepingClock(self.tools.clock, keeper)),
            settings=self.settings,
            run=self.run,
            keeper=keeper,
            radius=plan.radius,
            windows=plan.windows,
        )


def new_run(at: datetime) -> RunId:
    """Name a run: UTC time stamp and four random letters, so that two machines never agree by chance."""
    letters = "".join(secrets.choice(string.ascii_lowercase) for _ in range(4))
    return RunId(f"{at.astimezone(UTC):%Y%m%dT%H%M%S}-{letters}")


def require_known(kind: str, name: str, names: Iterable[str]) -> None:
    """Let only names pass that are known.

    Raises:
        UsageError: it is not; the nearest name, or all of them, are in the hint.
    """
    listed = sorted(names)
    if name in listed:
        return
    close = difflib.get_close_matches(name, listed, n=1)
    guess = f"did you mean {close[0]}?" if close else f"known: {', '.join(listed) or 'none'}"
    raise UsageError(f"The configuration has no {kind} named {name}.", hint=guess)
