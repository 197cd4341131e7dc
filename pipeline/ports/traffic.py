"""Load balancers: routes with weights, and target groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pipeline.model.ids import TargetGroupArn
from pipeline.model.traffic import Route, TargetGroup, TargetHealth


class Traffic(Protocol):
    """Elastic Load Balancing, application and network load balancers alike."""

    def route(self, arn: str) -> Route:
        """Fetch the forward action of a listener rule, or of the default action of a listener.

        Raises:
            NotFound: there is no such listener or rule.
            NotPossible: it does not forward.
        """
        ...

    def weigh(self, route: Route, weights: Mapping[TargetGroupArn, int]) -> None:
        """Let the route forward with these weights, in one call; every other action of it is sent again whole.

        Raises:
            HeldError: the route's weights are no longer those of ``route``: somebody else changed them.
        """
        ...

    def elsewhere(self, target_group: TargetGroupArn, *, route: str) -> tuple[str, ...]:
        """List the listeners and rules, other than the route, that forward to the target group."""
        ...

    def forwarding(self, target_group: TargetGroupArn) -> Mapping[str, int]:
        """Tell which listeners and rules forward to a target group, each with its weight there.

        Raises:
            NotFound: it is gone.
        """
        ...

    def target_group(self, arn: TargetGroupArn) -> TargetGroup:
        """Fetch a target group.

        Raises:
            NotFound: there is none.
        """
        ...

    def clone(self, source: TargetGroupArn, *, name: str, tags: Mapping[str, str]) -> TargetGroupArn:
        """Make a target group of the same settings and attributes, or take on the one of that name, with these tags.

        Raises:
            NotOurs: a target group of that name exists and is of another fleet, or nobody's.
        """
        ...

    def delete(self, target_group: TargetGroupArn) -> None:
        """Delete a target group; one that is gone is no error.

        Raises:
            NotPossible: a listener or rule still forwards to it.
        """
        ...

    def health(self, target_group: TargetGroupArn) -> tuple[TargetHealth, ...]:
        """List the registered targets, draining ones too; empty for a target group that is gone."""
        ...
