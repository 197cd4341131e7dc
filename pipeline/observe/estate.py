"""All fleets at once, in as few calls as there are pages: nothing is asked fleet by fleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.errors import AccessDenied, NotPossible, RebakeError
from pipeline.model.compliance import EstateView, Vulnerability
from pipeline.model.fleets import Group
from pipeline.model.ids import ImageId, InstanceId
from pipeline.model.names import channel_parameter
from pipeline.model.settings import Settings
from pipeline.planning.compliance import severities
from pipeline.ports.channels import Channels
from pipeline.ports.findings import Findings
from pipeline.ports.fleets import Fleets, Templates
from pipeline.ports.images import Images
from pipeline.ports.nodes import Nodes


@dataclass(frozen=True, slots=True, kw_only=True)
class EstateObserver:
    """Observes every instance of every fleet. What may not be asked of Systems Manager or Inspector is a value."""

    settings: Settings
    fleets: Fleets
    templates: Templates
    images: Images
    channels: Channels
    nodes: Nodes
    findings: Findings

    def observe(self, account: str, now: datetime) -> EstateView:
        """Observe groups, instances, images, channels, agents, patches and vulnerabilities."""
        found = self.fleets.every({name: fleet.group for name, fleet in self.settings.fleets.items()})
        groups = {fleet: one for fleet, one in found.items() if not isinstance(one, RebakeError)}
        members = [member for one in groups.values() for group in one for member in (*group.standing, *group.warm)]
        channels, unread = self._channels()
        in_use = {*(member.image for member in members if member.image), *channels.values()}
        view = EstateView(
            at=now,
            account=account,
            groups=groups,
            faults={fleet: one.message for fleet, one in found.items() if isinstance(one, RebakeError)},
            images=self.images.get(sorted(in_use)) if in_use else {},
            channels=channels,
            unread=unread,
            numbers=self.templates.aliases() if _follow(groups.values()) else {},
        )
        ids = sorted({member.id for member in members})
        return self._inspected(self._managed(view, ids), ids)

    def _channels(self) -> tuple[dict[str, ImageId], dict[str, str]]:
        found, unread = dict[str, ImageId](), dict[str, str]()
        for name in sorted({fleet.family for fleet in self.settings.fleets.values()}):
            parameter = channel_parameter(self.settings.channel_prefix, name, self.settings.families[name].channel)
            try:
                image = self.channels.current(parameter)
            except (AccessDenied, NotPossible) as error:
                unread[name] = error.message
                continue
            if image is None:
                unread[name] = f"nothing was promoted to its channel yet ({parameter})"
            else:
                found[name] = image
        return found, unread

    def _managed(self, view: EstateView, instances: list[InstanceId]) -> EstateView:
        try:
            agents = self.nodes.agents(instances)
            view = replace(view, agents=agents)
        except AccessDenied as error:
            return replace(view, blind={**view.blind, "agents": error.message, "patches": error.message})
        try:
            return replace(view, patches=self.nodes.patches(sorted(agents)))
        except AccessDenied as error:
            return replace(view, blind={**view.blind, "patches": error.message})

    def _inspected(self, view: EstateView, members: list[InstanceId]) -> EstateView:
        try:
            coverage = self.findings.coverage([], members)
            looked = {id_ for id_ in members if coverage[id_].known}
            if not looked:
                why = "; ".join(dict.fromkeys(one.why for one in coverage.values())) or "there is no instance"
                return replace(view, coverage=coverage, blind={**view.blind, "findings": why})
            of, known = self._vulnerable(looked)
        except AccessDenied as error:
            return replace(view, blind={**view.blind, "findings": error.message})
        return replace(view, coverage=coverage, vulnerable=of, vulnerabilities=known)

    def _vulnerable(
        self, looked: Iterable[InstanceId]
    ) -> tuple[Mapping[InstanceId, tuple[str, ...]], Mapping[str, Vulnerability]]:
        """Keep of each finding its CVE by instance: there may be more of them than fit into memory."""
        of, known = defaultdict[InstanceId, set[str]](set), dict[str, Vulnerability]()
        ours = frozenset(looked)
        for found in self.findings.fixable(severities(self.settings)):
            if found.instance is None or found.instance not in ours:
                continue
            new = Vulnerability(cve=found.cve, severity=found.severity, since=found.first_observed)
            before = known.get(found.cve, new)
            known[before.cve] = replace(
                before,
                severity=min(before.severity, new.severity, key=lambda one: one.rank),
                since=min(before.since, new.since),
            )
            of[found.instance].add(before.cve)  # one string for all instances
        return {instance: tuple(sorted(cves)) for instance, cves in of.items()}, known


def _follow(fleets: Iterable[tuple[Group, ...]]) -> bool:
    """Tell whether any group follows its template's newest or default version, whose number must then be asked."""
    refs = (group.template for groups in fleets for group in groups)
    return any(ref is not None and ref.number is None for ref in refs)
