"""Building images with Packer: the port ``pipeline.ports.builder.Builder``."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TextIO, TypeVar

from pipeline.errors import ConfigError, Interrupted, StepFailed, TimedOut, ToolMissing
from pipeline.model.ids import BakeKey
from pipeline.model.masking import Masker, credentials
from pipeline.model.packages import Package, Survey
from pipeline.model.settings import Family
from pipeline.packer import tools
from pipeline.packer.artifacts import built_image, package_lists
from pipeline.packer.client import PLUGINS_SINCE, PackerClient, allowed_environment, signed
from pipeline.packer.diagnosis import NoCapacity
from pipeline.packer.recipe import render_recipe, render_survey
from pipeline.packer.running import Running
from pipeline.packer.surveys import read_survey
from pipeline.packer.templates import builtin_templates
from pipeline.packer.variables import request_values
from pipeline.packer.workspace import Workspace, workspace
from pipeline.ports.builder import BuildProduct, BuildRequest, Rendered, SurveyRequest, ToolVersion

_SLOWEST_IMAGE_SECONDS = 2 * 60 * 60
_POLL_SECONDS = 15

_Left = TypeVar("_Left")


class PackerBuilder:
    """Builds with the Packer executable it finds, in a folder of its own for each build.

    ``root`` is the project's folder (its ``.tools`` is searched), ``logs`` is where the masked logs are kept,
    ``endpoint`` stands in for all of AWS (a sandbox). ``grace`` is how long Packer may clean up when cancelled.
    ``credentials`` answers the environment variables to sign with, asked anew for each build; without any Packer finds
    its own.
    """

    def __init__(
        self,
        *,
        root: Path,
        logs: Path,
        region: str,
        environment: Mapping[str, str],
        credentials: Callable[[], Mapping[str, str]] = dict,
        endpoint: str | None = None,
        executable: str | None = None,
        templates: Path | None = None,
        grace: timedelta = timedelta(minutes=5),
    ) -> None:
        self._root = root
        self._logs = logs
        self._region = region
        self._environment = environment
        self._credentials = credentials
        self._endpoint = endpoint
        self._executable = executable
        self._templates = templates or builtin_templates()
        self._grace = grace

    def render(self, family: Family, install: tuple[Package, ...] | None = None) -> Rendered:
        """Render the family's template and gather its provisioning files; calls nothing outside the disk.

        Raises:
            ConfigError: a template, script or variable is missing.
        """
        return render_recipe(family, builtins=self._templates, install=install)

    def survey(self, request: SurveyRequest, on_line: Callable[[str], None]) -> Survey:
        """Boot the source image as a build does, ask its package manager what is on offer, and make no image.

        Raises:
            ConfigError: the family's template is one that cannot survey.
            NotPossible: the image's operating system is not one whose patches can be judged.
            StepFailed, TimedOut, Interrupted, ToolMissing: as for `build`.
        """
        bare = BuildRequest(
            family=replace(request.family, variables={}, provision=()),
            rendered=render_survey(request.family, builtins=self._templates),
            source=request.source,
            key=BakeKey(""),
            run=request.run,
            image_name="",
            tags=request.tags,
        )
        return self._on_any_type(
            bare, on_line, lambda _, place: read_survey(place.survey, image=request.source.id, at=request.at)
        )

    def validate(self, request: BuildRequest) -> None:
        """Let Packer check the template without building.

        Raises:
            ConfigError: Packer refuses it; its words are in the message.
            ToolMissing: there is no Packer, or a plugin is missing.
        """
        with self._prepared(request, request.family.build.instance_types[0]) as (client, _, masker):
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
        return self._on_any_type(request, on_line, self._built)

    def _built(self, run: Running, place: Workspace) -> BuildProduct:
        return BuildProduct(
            image=built_image(run.kept, manifest=place.manifest, region=self._region),
            lists=package_lists(place.packages_before, place.packages_after),
            log=Path(run.log.name),
        )

    def _on_any_type(
        self, request: BuildRequest, on_line: Callable[[str], None], left: Callable[[Running, Workspace], _Left]
    ) -> _Left:
        """Run Packer on the first instance type that can be launched, and answer what ``left`` makes of its folder."""
        self._check_tunnel(request)
        *others, last = request.family.build.instance_types
        ends = time.monotonic() + request.family.build.timeout.total_seconds()
        with self._log(request) as log:
            for instance_type in others:
                try:
                    return self._attempt(request, instance_type, on_line, log, ends, left)
                except NoCapacity as lack:
                    on_line(f"AWS has no {instance_type} to launch here ({lack.code}); trying the next type")
            return self._attempt(request, last, on_line, log, ends, left)

    def tools(self) -> tuple[ToolVersion, ...]:
        """Report Packer's and its plugins' versions."""
        try:
            executable = tools.find_packer(self._executable, environment=self._environment, root=self._root)
        except ToolMissing as missing:
            return (ToolVersion(name="packer", version="", fault=missing.message, hint=missing.hint),)
        client = PackerClient(executable, folder=self._root, environment=self._packer_environment(executable))
        return tools.report(client, executable)

    @contextmanager
    def _log(self, request: BuildRequest) -> Iterator[TextIO]:
        path = self._logs / f"{request.run}-{request.family.name}.log"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            log = path.open("a", encoding="utf-8")
        except OSError as error:
            raise StepFailed(
                f"the build's log {path} cannot be written: {error.strerror}",
                hint="check the folder's permissions, or set XDG_STATE_HOME to another folder",
            ) from error
        with log:
            yield log

    def _attempt(
        self,
        request: BuildRequest,
        instance_type: str,
        on_line: Callable[[str], None],
        log: TextIO,
        ends: float,
        left: Callable[[Running, Workspace], _Left],
    ) -> _Left:
        with self._prepared(request, instance_type) as (client, place, masker):
            run = Running(
                child=client.build(place.output, held=place.lock),
                log=log,
                masker=masker,
                on_line=on_line,
                variables=place.variables,
            )
            self._watch(run, request, ends)
            if run.diagnosis.cancelled:
                raise _interrupted()
            if run.child.exit_status():
                raise run.diagnosis.failure(log.name)
            return left(run, place)

    def _watch(self, run: Running, request: BuildRequest, ends: float) -> None:
        """See a build through, or cancel it; it never outlives this call."""
        grace, budget = self._grace.total_seconds(), request.family.build.timeout.total_seconds()
        run.child.start()
        try:
            run.follow(ends - time.monotonic())
        except TimeoutError:
            run.stop(grace)
            where = run.diagnosis.whereabouts()
            hint = f"raise families.{request.family.name}.build.timeout; the whole log is in {run.log.name}"
            raise TimedOut(f"the build took longer than {budget:g} s and was cancelled{where}", hint=hint) from None
        except KeyboardInterrupt:
            run.stop(grace)
            raise _interrupted() from None
        except BaseException:
            run.stop(grace, aloud=False)  # on_line itself may be what failed
            raise

    @contextmanager
    def _prepared(self, request: BuildRequest, instance_type: str) -> Iterator[tuple[PackerClient, Workspace, Masker]]:
        executable = tools.find_packer(self._executable, environment=self._environment, root=self._root)
        environment = self._packer_environment(executable)
        version = PackerClient(executable, folder=self._root, environment=environment).version()
        known = tools.check_version(version, executable)
        values = request_values(request, region=self._region, endpoint=self._endpoint, instance_type=instance_type)
        environment = signed(environment, self._credentials())
        seen = credentials(request.family.variables, self._environment, environment)
        with workspace(request.rendered.files, values, version=known) as place:
            # Packer's temporary files hold variables, secrets among them: they go when the folder goes.
            scratch = {"TMPDIR": str(place.folder / "tmp"), "PACKER_CACHE_DIR": str(place.folder / "cache")}
            client = PackerClient(
                executable, folder=place.folder, environment=environment | scratch, var_file=place.variables
            )
            if known >= PLUGINS_SINCE:
                client.init()
            yield client, place, Masker((*request.secrets.values(), *seen))

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
