"""Packer's command line: python-packer's argument assembly, without its way of running.

python-packer runs Packer on a terminal through ``sh``: a dead parent then hangs it up and leaks what it made, `build`
passes a flag that is gone, and errors lose their text (ADR 0005). So the arguments are its, the processes are ours.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import packer

from pipeline.errors import ConfigError, TimedOut, ToolMissing
from pipeline.packer.child import Child
from pipeline.packer.events import parse

Version = tuple[int, int, int]

OLDEST: Version = (1, 6, 6)
PLUGINS_SINCE: Version = (1, 7, 0)
_VERSION = re.compile(r"Packer v(\d+)\.(\d+)\.(\d+)")
_QUICK_SECONDS = 60
_INIT_SECONDS = 600


class _Arguments(tuple[str, ...]):
    """Stands where python-packer expects a command of ``sh``: baking an option appends it."""

    __slots__ = ()

    def bake(self, option: str) -> _Arguments:
        return _Arguments((*self, option))


class PackerClient(packer.Packer):  # type: ignore[misc]  # python-packer has no types
    """One Packer executable at work in one folder."""

    def __init__(
        self, executable: Path, *, folder: Path, environment: Mapping[str, str], var_file: Path | None = None
    ) -> None:
        # Its own constructor refuses folders and wants `sh`; these are the attributes its argument assembly reads.
        self.exc: list[str] = []
        self.only: list[str] = []
        self.vars: dict[str, str] = {}
        self.var_file = str(var_file) if var_file else None
        self.packer_cmd = _Arguments()
        self._executable = executable
        self._folder = folder
        self._environment = environment

    def version(self) -> Version | None:
        """Ask for the version; None when the program is not HashiCorp's Packer (another one bears its name)."""
        try:
            done = self._run(("version",), seconds=_QUICK_SECONDS)
        except (OSError, TimedOut):
            return None
        found = _VERSION.search(done.stdout)
        return (int(found[1]), int(found[2]), int(found[3])) if found else None

    def init(self) -> None:
        """Install the plugins that the folder's templates require and that are missing.

        Raises:
            ToolMissing: one is neither installed nor to be had.
            TimedOut: it took longer than ten minutes.
        """
        done = self._run(("init", "."), seconds=_INIT_SECONDS)
        if done.returncode:
            raise ToolMissing(
                f"a plugin of Packer is missing: {_one_line(done.stdout)}",
                hint="run `packer init` where the network allows it, or scripts/build-packer in a checkout",
            )

    def plugins(self) -> str:
        """List the paths of the installed plugins, one a line (Packer 1.7 and later)."""
        return self._run(("plugins", "installed"), seconds=_QUICK_SECONDS).stdout

    def validate(self) -> None:
        """Check the folder's templates without building.

        Raises:
            ConfigError: Packer refuses them; its words are in the message.
            TimedOut: it took longer than a minute.
        """
        done = self._run(self._arguments("validate"), seconds=_QUICK_SECONDS)
        if done.returncode:
            said = "\n".join(filter(None, (parse(line).text for line in done.stdout.splitlines())))
            raise ConfigError(
                (f"Packer refuses the template: {said.strip()}",), hint="correct the template or its variables"
            )

    def build(self, output: Path, *, held: int | None = None) -> Child:
        """Prepare a build whose machine-readable output goes to a file; the caller starts it.

        ``held`` is a file that it keeps open as long as it lives.
        """
        return Child(
            [str(self._executable), *self._arguments("build", "-color=false", "-machine-readable")],
            folder=self._folder,
            environment=self._environment,
            output=output,
            held=held,
        )

    def _arguments(self, *options: str) -> tuple[str, ...]:
        self.packer_cmd = _Arguments()
        for option in options:
            self._add_opt(option)
        self._append_base_arguments()
        self._add_opt(".")
        return self.packer_cmd

    def _run(self, arguments: tuple[str, ...], *, seconds: float) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [str(self._executable), *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise TimedOut(
                f"`packer {arguments[0]}` did not end within {seconds:g} s",
                hint="see whether it gets through to AWS and to its plugins, and run the same command again",
            ) from None


def allowed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Keep what Packer, its plugins and the AWS SDK read; nothing else of ours is theirs to see."""
    kept = {name: value for name, value in environment.items() if _ALLOWED.fullmatch(name)}
    kept.setdefault("PATH", os.defpath)
    return kept | {"CHECKPOINT_DISABLE": "1", "PACKER_NO_COLOR": "1"}


def signed(environment: Mapping[str, str], credentials: Mapping[str, str]) -> dict[str, str]:
    """Put credentials into an environment in place of every other way to find some; none change nothing."""
    if not credentials:
        return dict(environment)
    return {name: value for name, value in environment.items() if name not in _CREDENTIALS} | dict(credentials)


_CREDENTIALS = {
    *(
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
    ),
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
}
_ALLOWED = re.compile(
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|SSL_CERT_(FILE|DIR)|(?i:https?|no|all)_(?i:proxy)"
    r"|AWS_\w+|PACKER_(PLUGIN_PATH|CONFIG_DIR|GITHUB_API_TOKEN)|ANSIBLE_\w+|SYSTEMROOT"
)


def _one_line(text: str) -> str:
    return " ".join(text.split())
