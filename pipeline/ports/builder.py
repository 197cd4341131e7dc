"""Building images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath
from typing import Protocol

from pipeline.model.ids import BakeKey, ImageId, RunId
from pipeline.model.images import Image
from pipeline.model.packages import Package, PackageLists, Survey
from pipeline.model.settings import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """Everything a build reads, by relative path: templates and provisioning files. Same input, same bytes.

    ``recipe`` names the template in words for the reader.
    """

    recipe: str
    files: Mapping[PurePath, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """One build. ``secrets`` are resolved variables that may enter no log; ``tags`` go on everything made."""

    family: Family
    rendered: Rendered
    source: Image
    key: BakeKey
    run: RunId
    image_name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyRequest:
    """A look at what a source image could be updated to. ``at`` is the moment that the survey will carry."""

    family: Family
    source: Image
    run: RunId
    at: datetime
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProduct:
    """What a successful build left: the AMI's id, package lists, the log's path."""

    image: ImageId
    lists: PackageLists = field(default_factory=PackageLists)
    log: PurePath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolVersion:
    """A program that builds need: name, version (empty: missing), and what is wrong with it, if anything."""

    name: str
    version: str
    fault: str = ""
    hint: str = ""


class Builder(Protocol):
    """Packer."""

    def render(self, family: Family, install: tuple[Package, ...] | None = None) -> Rendered:
        """Render the family's template and gather its provisioning files; calls nothing outside the disk.

        ``install`` are the exact packages that a baseline of rules came to.

        Raises:
            ConfigError: a template, script or variable is missing.
        """
        ...

    def survey(self, request: SurveyRequest, on_line: Callable[[str], None]) -> Survey:
        """Boot the source image as a build does, ask its package manager what is on offer, and make no image.

        Raises:
            ConfigError: the family's template is one that cannot survey.
            NotPossible: the image's operating system is not one whose patches can be judged.
            StepFailed, TimedOut, Interrupted, ToolMissing: as for `build`.
        """
        ...

    def validate(self, request: BuildRequest) -> None:
        """Let Packer check the template without building.

        Raises:
            ConfigError: Packer refuses it; its words are in the message.
        """
        ...

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> BuildProduct:
        """Build the image; ``on_line`` gets each line of progress as it comes, secrets masked.

        Raises:
            StepFailed: Packer failed; the message is the cause in one sentence.
            TimedOut: the build outlived ``family.build.timeout`` and was cancelled cleanly.
            Interrupted: a signal cancelled it; Packer cleaned up.
        """
        ...

    def tools(self) -> tuple[ToolVersion, ...]:
        """Report Packer's and its plugins' versions."""
        ...
