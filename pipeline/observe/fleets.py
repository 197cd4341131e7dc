"""What stands of a fleet."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.errors import NotFound
from pipeline.model.fleets import Group, Refresh, TemplateRef, TemplateVersion
from pipeline.model.ids import ImageId, RefreshId
from pipeline.model.images import Image
from pipeline.model.settings import Settings
from pipeline.model.strategies import BlueGreen
from pipeline.model.views import FleetView
from pipeline.observe.traffic import TrafficObserver
from pipeline.ports.fleets import Fleets, Refreshes, Templates
from pipeline.ports.good import Ledgers
from pipeline.ports.images import Images


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetObserver:
    """Observes fleets: group, launch template, refreshes, the images in use, and how traffic comes to it."""

    settings: Settings
    fleets: Fleets
    refreshes: Refreshes
    templates: Templates
    images: Images
    traffic: TrafficObserver
    ledgers: Ledgers

    def observe(self, name: str, *, copyable: bool = True) -> FleetView:
        """Observe one fleet in four or five calls; a blue-green one in some more.

        ``copyable``: find out, too, what stands against a copy of a blue-green fleet's group, and what else would lose
        its traffic with the first.

        Raises:
            NotFound: its group or the group's launch template does not exist.
        """
        configured = self.settings.fleets[name]
        strategy = configured.strategy
        others: tuple[Group, ...] = ()
        if isinstance(strategy, BlueGreen):
            group, others = self.traffic.groups(configured, strategy)
        else:
            group = self.fleets.find(configured.group)
        refreshes = self.refreshes.listed(group.name)
        saved, versions = self._templates(group)
        traffic = None
        if isinstance(strategy, BlueGreen):
            traffic = self.traffic.observe(group, others, strategy, copyable=copyable)
        sides = [side.version for side in traffic.others if side.version] if traffic else []
        in_use = {member.image for member in group.members if member.image}
        in_use |= {ImageId(version.image) for version in (*versions, *sides) if version.image.startswith("ami-")}
        return FleetView(
            settings=configured,
            group=group,
            version=saved,
            versions=versions,
            refreshes=refreshes,
            goals=_goals(group, refreshes, versions),
            images=self._images(in_use),
            traffic=traffic,
            good=self.ledgers.of(name) if configured.keep_good else (),
        )

    def _templates(self, group: Group) -> tuple[TemplateVersion | None, tuple[TemplateVersion, ...]]:
        ref = group.template
        if ref is None:
            return None, ()
        versions = self.templates.versions(ref.id)
        saved = _find(versions, ref)
        if saved is None:
            raise NotFound(
                f"Group {group.name} is set to version {ref.version} of {ref.id}, which does not exist.",
                hint="set the group to a version that exists; until then it cannot launch anything",
            )
        return saved, versions

    def _images(self, ids: set[ImageId]) -> dict[ImageId, Image]:
        return dict(self.images.get(sorted(ids))) if ids else {}


def _find(versions: tuple[TemplateVersion, ...], ref: TemplateRef) -> TemplateVersion | None:
    match ref.version:
        case "$Latest":
            return versions[0] if versions else None
        case "$Default" | "":
            return next((version for version in versions if version.default), None)
        case number:
            return next((version for version in versions if str(version.number) == number), None)


def _goals(
    group: Group, refreshes: tuple[Refresh, ...], versions: tuple[TemplateVersion, ...]
) -> dict[RefreshId, ImageId]:
    goals: dict[RefreshId, ImageId] = {}
    for refresh in refreshes:
        desired = refresh.desired
        # A version number says nothing of another template's versions.
        if desired is None or group.template is None or desired.id != group.template.id:
            continue
        if version := _find(versions, desired):
            goals[refresh.id] = ImageId(version.image)
    return goals
