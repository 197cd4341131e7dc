"""What a family's baseline approves of what its source image could be updated to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pipeline.errors import NotPossible
from pipeline.model.baselines import PatchBaseline, Resolution, SsmBaseline
from pipeline.model.ids import RunId
from pipeline.model.images import Image
from pipeline.model.packages import OperatingSystem, Survey
from pipeline.model.settings import Family, PredefinedBaseline, RuledBaseline, Settings
from pipeline.planning.patching import require_judgeable, resolve
from pipeline.planning.predefined import PREDEFINED
from pipeline.ports.baselines import Baselines
from pipeline.ports.builder import Builder, SurveyRequest
from pipeline.ports.clock import Clock
from pipeline.ports.evidence import Evidence
from pipeline.ports.progress import Event, EventKind, Progress

FRESH = timedelta(hours=12)
"""How old a survey may be that a bake goes by; repositories publish a few times a day at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchObserver:
    """Observes patches: takes surveys or reads kept ones, reads baselines, and judges."""

    settings: Settings
    builder: Builder
    baselines: Baselines
    evidence: Evidence
    clock: Clock
    run: RunId
    progress: Progress

    def observe(
        self, family: Family, baseline: RuledBaseline, source: Image, *, within: timedelta | None
    ) -> Resolution:
        """Judge the survey of a source image as things are now.

        ``within``: boot the image for a new survey unless one that old is kept; None: boot nothing.

        Raises:
            NotPossible: none is kept and none may be taken, or the baseline asks what this operating system cannot say.
            NotFound: the baseline does not exist in SSM.
            StepFailed, TimedOut, Interrupted, ToolMissing, ConfigError: as for `Builder.survey`.
        """
        survey = self._survey(family, source, within)
        chosen = self.baseline(baseline, survey.system)
        require_judgeable(chosen, survey.system)
        return resolve(survey, chosen, self.clock.now())

    def baseline(self, baseline: RuledBaseline, system: OperatingSystem) -> PatchBaseline:
        """Read a baseline, wherever it stands; errors as for `observe`."""
        match baseline:
            case PatchBaseline():
                return baseline
            case PredefinedBaseline():
                return PREDEFINED[system]
            case SsmBaseline(id=id_, patch_group=group):
                return self.baselines.get(id_ or self.baselines.chosen(group, system), system)

    def _survey(self, family: Family, source: Image, within: timedelta | None) -> Survey:
        kept = self.evidence.survey(source.id)
        if kept is not None and (within is None or self.clock.now() - kept.at < within):
            return kept
        if within is None:
            raise NotPossible(
                f"What {source.id}, the source image of {family.name}, could be updated to was never surveyed here.",
                hint=f"survey it (boots an instance for a few minutes) with: rebake patches {family.name} --survey",
            )
        self._say(family, f"surveying {source.id}: which patches are on offer for it", EventKind.PROGRESS)
        request = SurveyRequest(
            family=family, source=source, run=self.run, at=self.clock.now(), tags=self.settings.tags
        )
        survey = self.builder.survey(request, lambda line: self._say(family, line, EventKind.LINE))
        self.evidence.keep_survey(survey)
        return survey

    def _say(self, family: Family, text: str, kind: EventKind) -> None:
        self.progress.emit(Event(at=self.clock.now(), kind=kind, target=family.name, text=text))
