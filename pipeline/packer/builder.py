"""Building images with Packer: the port ``pipeline.ports.builder.Builder``."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TextIO

from pipeline.errors import ConfigError, Interrupted, StepFailed, TimedOut, ToolMissing
from pipeline.model.settings import Family
from pipeline.packer import tools
from pipeline.packer.artifacts import built_image, packages
from pipeline.packer.child import Child
from pipeline.packer.client import PLUGINS_SINCE, PackerClient, allowed_environment
from pipeline.packer.diagnosis import Diagnosis
from pipeline.packer.events import Masker, PackerEvent, parse
from pipeline.packer.recipe import render_recipe
from pipeline.packer.templates import builtin_templates
from pipeline.packer.variables import request_values
from pipeline.packer.workspace import Workspace, workspace
from pipeline.ports.builder import BuildProduct, BuildRequest, Rendered, ToolVersion

_KEPT = {"artifact"}
_SLOWEST_IMAGE_SECONDS = 2 * 60 * 60
_POLL_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A build under way and those who listen to it."""

    child: Child
    log: TextIO
    masker: Masker
    on_line: Callable[[str], None]
    diagnosis: Diagnosis
    kept: list[PackerEvent]

    def follow(self, seconds: float, *, aloud: bool = True) -> None:
        """Pass lines on until the end, or raise TimeoutError after so many seconds."""
        for line in self.child.lines(deadline=time.monotonic() + seconds):
            event = parse(line)
            event = PackerEvent(target=event.target, type=event.type, data=tuple(map(self.masker.mask, event.data)))
            self.diagnosis.listen(event)
            if event.type in _KEPT:
                self.kept.append(event)
            for text in filter(str.strip, event.text.splitlines()):
                self.log.write(text + "\n")
                self.log.flush()
                if aloud:
                    self.on_line(text)

    def stop(self, grace: float, *, aloud: bool = True) -> None:
        """Let Packer clean up; kill it when that takes longer than the grace, or when even this is interrupted."""
        self.child.ask_to_end()
        try:
            with contextlib.suppress(TimeoutError):
                self.follow(grace, aloud=aloud)
        finally:
            self.child.kill()
        self.follow(0, aloud=aloud)  # it has ended: this is what it said last


class PackerBuilder:
    """Builds with the Packer executable it finds, in a folder of its own for each build.

    ``root`` is the project's folder (its ``.tools`` is searched), ``logs`` is where the masked logs are kept,
    ``endpoint`` stands in for all of AWS (a sandbox). ``grace`` is how long Packer may clean up when cancelled.
    """

    def __init__(
        self,
        *,
        root: Path,
        logs: Path,
        region: str,
        environment: Mapping[str, str],
        endpoint: str | None = None,
        executable: str | None = None,
        templates: Path | None = None,
        grace: timedelta = timedelta(minutes=5),
    ) -> None:
        self._root = root
        self._logs = logs
        self._region = region
        self._environment = environment
        self._endpoint = endpoint
        self._executable = executable
        self._templates = templates or builtin_templates()
        self._grace = grace

    def render(self, family: Family) -> Rendered:
        """Render the family's template and gather its provisioning files; calls nothing outside the disk.

        Raises:
            ConfigError: a template, script or variable is missing.
        """
        return render_recipe(family, builtins=self._templates)

    def validate(self, request: BuildRequest) -> None:
        """Let Packer check the template without building.

        Raises:
            ConfigError: Packer refuses it; its words are in the message.
            ToolMissing: there is no Packer, or a plugin is missing.
        """
        with self._prepared(request) as (client, _):
            masker = Masker(request.secrets.values())
            try:
                client.validate()
            except ConfigError as error:
                raise ConfigError(tuple(map(masker.mask, error.faults)), hint=error.hint) from None

    def build(self, request: BuildRequest, on_line: Callable[[str], None]) -> BuildProduct:
        """Build the image; ``on_line`` gets each line of progress as it comes, secrets masked.

        Raises:
            StepFailed: Packer failed; the message is the cause in one sentence.
            TimedOut: the build outlived ``family.build.timeout`` and was cancelled cleanly.
            Interrupted: KeyboardInterrupt (however it was raised) cancelled it; Packer cleaned up.
            ToolMissing: there is no Packer, or a plugin is missing.
        """
        self._check_tunnel(request)
        path = self._logs / f"{request.run}-{request.family.name}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with self._prepared(request) as (client, place), path.open("a", encoding="utf-8") as log:
            run = _Run(
                child=client.build(place.output),
                log=log,
                masker=Masker(request.secrets.values()),
                on_line=on_line,
                diagnosis=Diagnosis(),
                kept=[],
            )
            self._watch(run, request, path)
            if run.diagnosis.cancelled:
                raise _interrupted()
            if run.child.exit_status():
                raise StepFailed(run.diagnosis.cause(), hint=f"the whole log is in {path}")
            return BuildProduct(
                image=built_image(run.kept, manifest=place.manifest, region=self._region),
                before=packages(place.packages_before),
                after=packages(place.packages_after),
                log=path,
            )

    def tools(self) -> tuple[ToolVersion, ...]:
        """Report Packer's and its plugins' versions."""
        try:
            executable = tools.find_packer(self._executable, environment=self._environment, root=self._root)
        except ToolMissing as missing:
            return (ToolVersion(name="packer", version="", fault=missing.message, hint=missing.hint),)
        client = PackerClient(executable, folder=self._root, environment=self._packer_environment(executable))
        return tools.report(client, executable)

    def _watch(self, run: _Run, request: BuildRequest, log: Path) -> None:
        """See a build through, or cancel it; it never outlives this call."""
        grace, budget = self._grace.total_seconds(), request.family.build.timeout.total_seconds()
        run.child.start()
        try:
            run.follow(budget)
        except TimeoutError:
            run.stop(grace)
            where = run.diagnosis.whereabouts()
            hint = f"raise families.{request.family.name}.build.timeout; the whole log is in {log}"
            raise TimedOut(f"the build took longer than {budget:g} s and was cancelled{where}", hint=hint) from None
        except KeyboardInterrupt:
            run.stop(grace)
            raise _interrupted() from None
        except BaseException:
            run.stop(grace, aloud=False)  # on_line itself may be what failed
            raise

    @contextmanager
    def _prepared(self, request: BuildRequest) -> Iterator[tuple[PackerClient, Workspace]]:
        executable = tools.find_packer(self._executable, environment=self._environment, root=self._root)
        environment = self._packer_environment(executable)
        version = PackerClient(executable, folder=self._root, environment=environment).version()
        known = tools.check_version(version, executable)
        values = request_values(request, region=self._region, endpoint=self._endpoint)
        with workspace(request.rendered.files, values, version=known) as place:
            # Packer's temporary files hold variables, secrets among them: they go when the folder goes.
            scratch = {"TMPDIR": str(place.folder / "tmp"), "PACKER_CACHE_DIR": str(place.folder / "cache")}
            client = PackerClient(
                executable, folder=place.folder, environment=environment | scratch, var_file=place.variables
            )
            if known >= PLUGINS_SINCE:
                client.init()
            yield client, place

    def _packer_environment(self, executable: Path) -> dict[str, str]:
        given = allowed_environment(self._environment)
        delay = given.get("AWS_POLL_DELAY_SECONDS", "")
        # Packer's own patience is ten minutes, and images have taken 53 (hashicorp/packer#8415).
        attempts = _SLOWEST_IMAGE_SECONDS // max(1, int(delay) if delay.isdecimal() else _POLL_SECONDS)
        polling = {"AWS_POLL_DELAY_SECONDS": str(_POLL_SECONDS), "AWS_MAX_ATTEMPTS": str(attempts)}
        elsewhere = {"AWS_ENDPOINT_URL": self._endpoint} if self._endpoint else {}
        return {**polling, **elsewhere, **tools.plugin_path(executable, given), **given}

    def _check_tunnel(self, request: BuildRequest) -> None:
        tunnels = any(
            b'"session_manager"' in content for path, content in request.rendered.files.items() if path.suffix == ".hcl"
        )
        if tunnels and not shutil.which("session-manager-plugin", path=self._environment.get("PATH")):
            raise ToolMissing(
                "connect: session-manager needs AWS's session-manager-plugin, which is not installed",
                hint="install it, or set build.connect to private-ip or public-ip with a source_cidr",
            )


def _interrupted() -> Interrupted:
    return Interrupted(
        "the build was interrupted, and Packer has cleaned up", hint="run the same command again to build the image"
    )
