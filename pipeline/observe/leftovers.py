"""What may be left behind, with who uses it and what traffic it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.errors import NotFound
from pipeline.model.ids import TargetGroupArn
from pipeline.model.leftovers import Kind, Resource
from pipeline.model.names import approval_path
from pipeline.model.settings import GroupByName, GroupSelector, Settings
from pipeline.model.strategies import BlueGreen
from pipeline.ports.leftovers import Leftovers
from pipeline.ports.signals import Signals
from pipeline.ports.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftoverObserver:
    """Observes whatever might be swept."""

    settings: Settings
    leftovers: Leftovers
    signals: Signals
    traffic: Traffic

    def observe(self) -> tuple[Resource, ...]:
        """List it; listeners and rules that give a group or target group traffic are among its holders."""
        found = self.leftovers.found(tuple(self._selectors()))
        return (*map(self._routed, found), *self._approvals())

    def _selectors(self) -> Iterator[GroupSelector]:
        for fleet in self.settings.fleets.values():
            yield fleet.group
            if isinstance(fleet.strategy, BlueGreen) and fleet.strategy.partner:
                yield GroupByName(name=fleet.strategy.partner)

    def _routed(self, one: Resource) -> Resource:
        if one.kind not in {Kind.GROUP, Kind.TARGET_GROUP}:
            return one
        arns = (one.id,) if one.kind is Kind.TARGET_GROUP else one.parts
        return replace(one, holders=(*one.holders, *(route for arn in arns for route in self._serving(arn))))

    def _serving(self, arn: str) -> tuple[str, ...]:
        try:
            forwarding = self.traffic.forwarding(TargetGroupArn(arn))
        except NotFound:  # a run that was killed had come so far
            return ()
        return tuple(route for route, weight in forwarding.items() if weight)

    def _approvals(self) -> Iterator[Resource]:
        path = approval_path(self.settings.channel_prefix)
        for run, signal in self.signals.under(path).items():
            yield Resource(kind=Kind.APPROVAL, id=f"{path}/{run}", name=run, created=signal.at)
