"""How traffic comes to a blue-green fleet, and what groups it has beside its own."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import NotFound, NotPossible
from pipeline.model.fleets import Group, TemplateVersion
from pipeline.model.names import Role
from pipeline.model.settings import FleetSettings, GroupByName
from pipeline.model.strategies import BlueGreen
from pipeline.model.traffic import Route
from pipeline.model.views import Side, TrafficView
from pipeline.ports.fleets import Fleets, Templates
from pipeline.ports.groups import Copies
from pipeline.ports.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficObserver:
    """Observes routes, target groups and the other groups of blue-green fleets."""

    fleets: Fleets
    templates: Templates
    traffic: Traffic
    copies: Copies

    def groups(self, fleet: FleetSettings, strategy: BlueGreen) -> tuple[Group, tuple[Group, ...]]:
        """Find the fleet's own group, and those beside it that take part in a rollout or wait for the next.

        Of two standing groups, the fleet's own is the one that the route prefers; in the middle of a rollout, whose
        weights say nothing yet, the one that is neither green nor kept as blue.

        Raises:
            NotFound: there is no such group.
            NotPossible: a fleet with a standing partner does not name its group.
        """
        if strategy.partner is None:
            own = self.fleets.find(fleet.group)
            near = self.fleets.siblings(own)
            return own, tuple(group for group in near if group.role in {Role.GREEN, Role.BLUE})
        if not isinstance(fleet.group, GroupByName):
            raise NotPossible(
                f"Fleet {fleet.name} has a standing partner and finds its group by tags.",
                hint="name the group: group: web-a",
            )
        route = self.traffic.route(strategy.route)
        first, second = self.fleets.named(fleet.group.name, strategy.partner)
        if _aside(first) is not _aside(second):
            turned = _aside(first)
        else:
            turned = _weight(route, second) > _weight(route, first)
        return (second, (first,)) if turned else (first, (second,))

    def observe(
        self, group: Group, others: tuple[Group, ...], strategy: BlueGreen, *, copyable: bool
    ) -> TrafficView | None:
        """Observe the traffic of a group; None for one that has not just one target group."""
        if len(group.target_groups) != 1:
            return None
        targets = group.target_groups[0]
        copies = copyable and strategy.partner is None
        return TrafficView(
            route=self.traffic.route(strategy.route),
            targets=targets,
            others=tuple(self._side(other) for other in others),
            elsewhere=self.traffic.elsewhere(targets, route=strategy.route) if copyable else (),
            obstacles=self.copies.obstacles(group.name) if copies else (),
        )

    def _side(self, group: Group) -> Side:
        return Side(
            group=group,
            targets=group.target_groups[0] if group.target_groups else None,
            version=self._version(group),
        )

    def _version(self, group: Group) -> TemplateVersion | None:
        if group.template is None:
            return None
        try:
            return self.templates.version(group.template.id, group.template.version)
        except NotFound:
            return None


def _aside(group: Group) -> bool:
    return group.role in {Role.GREEN, Role.BLUE}


def _weight(route: Route, group: Group) -> int:
    return max((route.weights.get(arn, 0) for arn in group.target_groups), default=0)
