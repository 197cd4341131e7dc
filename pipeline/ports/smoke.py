"""Testing a booted candidate."""

from __future__ import annotations

from typing import Protocol

from pipeline.model.outcomes import SmokeReport
from pipeline.model.settings import SmokeSettings
from pipeline.ports.instances import Instance


class SmokeRunner(Protocol):
    """The user's pytest-testinfra suites and the built-in hygiene suite, on one instance."""

    def run(self, settings: SmokeSettings, instance: Instance) -> SmokeReport:
        """Run all suites through SSM Run Command and all probes from here; failures are in the report."""
        ...
