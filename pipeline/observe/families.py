"""What stands of an image family."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.errors import NotFound, NotPossible, RefusedError
from pipeline.model.ids import ImageId
from pipeline.model.images import Architecture, Image
from pipeline.model.names import channel_parameter
from pipeline.model.settings import Family, Settings
from pipeline.model.sources import SourceChannel, SourceOwned, SourceParameter, SourcePinned, SourceRule
from pipeline.model.views import FamilyImages, FamilyView
from pipeline.observe.patches import PatchObserver
from pipeline.planning.bake_key import family_key
from pipeline.ports.builder import Builder
from pipeline.ports.channels import Channels
from pipeline.ports.images import Images


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyObserver:
    """Observes families: finds the source image, judges its patches, renders the recipe, looks for what was baked."""

    settings: Settings
    images: Images
    channels: Channels
    builder: Builder
    patches: PatchObserver

    def observe_images(self, name: str) -> FamilyImages:
        """Observe what was baked of a family and what its channel points to, in two calls; its recipe is not read."""
        family = self.settings.families[name]
        parameter = channel_parameter(self.settings.channel_prefix, name, family.channel)
        return FamilyImages(
            family=family,
            baked=self.images.baked(family=name),
            parameter=parameter,
            history=self.channels.history(parameter),
        )

    def observe(self, name: str, *, survey_within: timedelta | None = None) -> FamilyView:
        """Observe one family with its recipe in three or four calls.

        Where its baseline has rules, a survey of its source image that is older than ``survey_within`` is taken anew.

        Raises:
            NotFound: its source rule matches no image.
            ConfigError: its recipe cannot be rendered.
            NotPossible: its baseline has rules, and there is no survey of its source image.
        """
        family = self.settings.families[name]
        source = self.source(family)
        ruled = family.ruled
        patches = None if ruled is None else self.patches.observe(family, ruled, source, within=survey_within)
        rendered = self.builder.render(family, None if patches is None else patches.install)
        known = self.observe_images(name)
        return FamilyView(
            family=family,
            recipe=rendered.recipe,
            source=source,
            key=family_key(family, rendered.files, source.id),
            baked=known.baked,
            parameter=known.parameter,
            history=known.history,
            patches=patches,
        )

    def source(self, family: Family) -> Image:
        """Resolve the family's source rule to the image it means now.

        Raises:
            NotFound: nothing matches.
            NotPossible: the image is of another architecture, or cannot be launched.
            RefusedError: it is an image of ours that was rejected.
        """
        image = self._resolve(family.source, family.architecture)
        if image is None:
            raise NotFound(
                f"Family {family.name}: no image matches its source rule ({describe_rule(family.source)}).",
                hint="check owner, name, architecture and region of the rule",
            )
        if image.architecture != family.architecture:
            raise NotPossible(
                f"Family {family.name} is {family.architecture}, but its source {image.id} is {image.architecture}.",
                hint="correct `architecture` or the source rule",
            )
        if image.barred:
            raise RefusedError(
                f"The source image {image.id} of family {family.name} was {image.barred}.",
                hint=f"promote a proven one with: rebake promote {image.family}",
            )
        if image.state != "available":
            raise NotPossible(
                f"The source image {image.id} of family {family.name} is {image.state}.", hint="choose another image"
            )
        return image

    def _resolve(self, rule: SourceRule, architecture: Architecture) -> Image | None:
        match rule:
            case SourceOwned(owner=owner, name=name):
                return self.images.newest(owner=owner, name=name, architecture=architecture)
            case SourcePinned(image=image):
                return self._get(image)
            case SourceParameter(parameter=parameter):
                return self._get(self.channels.current(parameter))
            case SourceChannel(family=family, channel=channel):
                parameter = channel_parameter(self.settings.channel_prefix, family, channel)
                return self._get(self.channels.current(parameter))

    def _get(self, image: ImageId | None) -> Image | None:
        return None if image is None else self.images.get([image]).get(image)


def describe_rule(rule: SourceRule) -> str:
    """Put a source rule into words."""
    match rule:
        case SourceOwned(owner=owner, name=name):
            return f"owner {owner}, name {name}"
        case SourcePinned(image=image):
            return str(image)
        case SourceParameter(parameter=parameter):
            return f"parameter {parameter}"
        case SourceChannel(family=family, channel=channel):
            return f"channel {channel} of family {family}"
