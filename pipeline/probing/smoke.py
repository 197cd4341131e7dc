"""All smoke tests on one instance: the port `pipeline.ports.smoke.SmokeRunner`."""

from __future__ import annotations

import tempfile
import time
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

from pipeline.errors import ToolMissing
from pipeline.model.outcomes import SmokeReport
from pipeline.model.settings import SmokeSettings
from pipeline.ports.clock import Clock
from pipeline.ports.instances import Instance, RunCommand
from pipeline.probing import junit, outside, suites
from pipeline.probing.bridge import bridge
from pipeline.probing.remote import RemoteShell

HYGIENE = Path(__file__).parent / "hygiene" / "test_hygiene.py"


class SmokeTests:
    """Runs probes first, for they wait until the instance serves, then the hygiene suite, then the user's suites."""

    def __init__(self, commands: RunCommand, clock: Clock, workdir: Path) -> None:
        self._commands = commands
        self._clock = clock
        self._workdir = workdir

    def run(self, settings: SmokeSettings, instance: Instance) -> SmokeReport:
        """Run everything that the settings name; failures are in the report.

        Raises:
            ToolMissing: pytest or testinfra is not installed.
            Unavailable: AWS could not be used, which says nothing about the image.
        """
        paths = [*([HYGIENE] if settings.hygiene else []), *map(Path, settings.suites)]
        if paths and not (find_spec("pytest") and find_spec("testinfra")):
            raise ToolMissing("Smoke suites need pytest and testinfra.", hint="pip install 'rebake[smoke]'")
        ends = time.monotonic() + settings.timeout.total_seconds()
        deadline = self._clock.now() + settings.timeout
        probed = [outside.probe(one, instance.address, clock=self._clock, deadline=deadline) for one in settings.probes]
        elements = [junit.suite("probes", probed)] if probed else []
        elements += self._suites(paths, settings, instance, ends)
        return SmokeReport(
            image=instance.image,
            instance=instance.id,
            instance_type=instance.instance_type,
            tests=tuple(result for element in elements for result in junit.results(element)),
            junit=junit.merged(elements),
        )

    def _suites(self, paths: list[Path], settings: SmokeSettings, instance: Instance, ends: float) -> list[ET.Element]:
        def remaining() -> timedelta:
            # Real time, for the processes are real even where a sandbox's clock runs twenty times as fast.
            return timedelta(seconds=ends - time.monotonic())

        shell = RemoteShell(self._commands, instance.id, remaining)
        elements = []
        self._workdir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with bridge(shell) as door:
            for path in paths:
                suite = suites.Suite(
                    path=path,
                    instance=instance.id,
                    address=str(door.server_address),
                    services=settings.services if path == HYGIENE else (),
                )
                with tempfile.TemporaryDirectory(prefix="smoke-", dir=self._workdir) as scratch:
                    elements.append(suites.run(suite, scratch=Path(scratch), budget=remaining()))
                door.check()
        return elements
