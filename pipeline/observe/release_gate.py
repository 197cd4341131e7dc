"""What a release gate may ask of images: their channels, descent, provenance and findings."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pipeline.model.findings import Scan
from pipeline.model.ids import ImageId
from pipeline.model.images import Image
from pipeline.model.names import channel_parameter
from pipeline.model.release_rules import NoFindings, Promoted, Proven, flat
from pipeline.model.settings import Settings
from pipeline.model.views import FleetView
from pipeline.observe.findings import observe_findings
from pipeline.planning.lineage import ancestors, lost
from pipeline.planning.release_gate import ImageFacts
from pipeline.ports.channels import Channels
from pipeline.ports.evidence import Evidence
from pipeline.ports.findings import Findings
from pipeline.ports.images import Images


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseObserver:
    """Observes images for the release gate; only what its rules ask for is read."""

    settings: Settings
    images: Images
    channels: Channels
    findings: Findings
    evidence: Evidence

    def observe(
        self, known: Mapping[ImageId, Image], now: datetime, fleets: Iterable[FleetView] = ()
    ) -> dict[ImageId, ImageFacts]:
        """Gather the facts of images, in calls for all of them where AWS has such; ``fleets`` run them."""
        rules = tuple(flat(self.settings.release_gate))
        family = self._climbed(known)
        scanned = any(isinstance(rule, NoFindings) for rule in rules)
        scan = observe_findings(self.findings, fleets, known, now=now) if scanned else Scan()
        proven = any(isinstance(rule, Proven) for rule in rules)
        named = {rule.channel for rule in rules if isinstance(rule, Promoted)}
        facts = {}
        for image in known.values():
            facts[image.id] = ImageFacts(
                image=image,
                channel=self._own_channel(image),
                channels=self._channels(image, named),
                ancestors=ancestors(image, family),
                lost=lost(image, family, self.settings.families),
                provenance=self.evidence.provenance(image) if proven else None,
                findings=tuple(finding for finding in scan.findings if finding.image == image.id),
                unscanned=scan.unknown.get(image.id, ""),
            )
        return facts

    def _climbed(self, known: Mapping[ImageId, Image]) -> dict[ImageId, Image]:
        """Fetch what images were baked from, and that in turn, a generation in a call."""
        family, asked = dict(known), set(known)
        while parents := {one.source_image for one in family.values() if one.source_image} - asked:
            asked |= parents
            family |= self.images.get(sorted(parents))
        return family

    def _own_channel(self, image: Image) -> str:
        family = self.settings.families.get(image.family or "")
        return family.channel if family else ""

    def _channels(self, image: Image, named: Collection[str]) -> dict[str, tuple[ImageId, ...]]:
        """Read where channels of the image's family pointed, newest first; without a name it is the family's own."""
        if image.family is None:
            return {}
        read = {name or self._own_channel(image) for name in named} - {""}
        prefix = self.settings.channel_prefix
        return {
            name: tuple(entry.image for entry in self.channels.history(channel_parameter(prefix, image.family, name)))
            for name in sorted(read)
        }
