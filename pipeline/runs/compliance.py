"""Compliance of every instance of every fleet, and its copy in Systems Manager."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.errors import NotFound, NotPossible
from pipeline.model.compliance import ComplianceReport, InstanceCompliance
from pipeline.model.ids import InstanceId
from pipeline.observe.estate import EstateObserver
from pipeline.planning.compliance import judge
from pipeline.runs.room import Room


def report(room: Room) -> ComplianceReport:
    """Observe all fleets and judge them."""
    tools = room.tools
    observer = EstateObserver(
        settings=room.settings,
        fleets=tools.fleets,
        templates=tools.templates,
        images=tools.images,
        channels=tools.channels,
        nodes=tools.nodes,
        findings=tools.findings,
    )
    return judge(observer.observe(room.preflight.caller().account, tools.clock.now()), room.settings)


def publishable(found: ComplianceReport) -> Sequence[InstanceCompliance]:
    """List the instances that can have compliance items: those that Systems Manager manages."""
    return [row for row in found.instances if row.managed]


def publish(room: Room, found: ComplianceReport) -> dict[InstanceId, str]:
    """Write the compliance items of every managed instance; answer why of those that were refused.

    Raises:
        AccessDenied: the caller may not; errors of the moment likewise. What was written stays, and is right.
    """
    failed = dict[InstanceId, str]()
    for row in publishable(found):
        try:
            room.tools.nodes.publish(row, found.at, room.run)
        except (NotFound, NotPossible) as error:  # it was terminated meanwhile, say
            failed[row.instance] = error.message
    return failed
