"""Evidence in files: ``packages.json``, ``survey.json`` and ``smoke-<instance>.xml`` in ``<folder>/<image>/``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import NotPossible
from pipeline.model.ids import ImageId
from pipeline.model.masking import Masker
from pipeline.model.outcomes import SmokeReport
from pipeline.model.packages import Package, Survey
from pipeline.records import surveys
from pipeline.records.places import write_whole


class FileEvidence:
    """The port `pipeline.ports.progress.Evidence` on a folder of this machine; what tests print is masked."""

    def __init__(self, folder: Path, masker: Masker | None = None) -> None:
        self._folder = folder
        self._masker = masker or Masker()

    def keep_packages(self, image: ImageId, *, before: tuple[Package, ...], after: tuple[Package, ...]) -> None:
        """Keep the package lists from before and after patching.

        Raises:
            StepFailed: the disk is full, or the folder cannot be written.
        """
        lists = {"before": _pairs(before), "after": _pairs(after)}
        write_whole(self._packages(image), json.dumps(lists, indent=1) + "\n")

    def packages(self, image: ImageId) -> tuple[tuple[Package, ...], tuple[Package, ...]] | None:
        """Fetch the lists (before, after); None when none were kept.

        Raises:
            NotPossible: the file is there, but it is not one that `keep_packages` wrote.
        """
        path = self._packages(image)
        try:
            lists = json.loads(path.read_bytes())
            return _packages(lists["before"]), _packages(lists["after"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotPossible(f"{path} cannot be read as package lists: {error}.", hint="remove that file") from error

    def keep_survey(self, survey: Survey) -> None:
        """Keep the newest survey of an image; errors as for `keep_packages`."""
        write_whole(self._survey(survey.image), surveys.written(survey))

    def survey(self, image: ImageId) -> Survey | None:
        """Fetch it; None when none was kept, or by a release of ours that wrote it otherwise: it is taken anew then."""
        try:
            return surveys.read(self._survey(image).read_text(encoding="utf-8"))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep_smoke(self, report: SmokeReport) -> str:
        """Keep a smoke report's JUnit XML and answer its path.

        Raises:
            StepFailed: the disk is full, or the folder cannot be written.
        """
        path = self._folder / report.image / f"smoke-{report.instance}.xml"
        write_whole(path, self._masker.mask(report.junit))
        return str(path)

    def _survey(self, image: ImageId) -> Path:
        return self._folder / image / "survey.json"

    def _packages(self, image: ImageId) -> Path:
        return self._folder / image / "packages.json"


def _pairs(packages: tuple[Package, ...]) -> list[list[str]]:
    return [[package.name, package.version] for package in packages]


def _packages(pairs: Any) -> tuple[Package, ...]:
    return tuple(Package(name=str(name), version=str(version)) for name, version in pairs)
