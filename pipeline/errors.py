"""Every error this project raises: one sentence with the cause, a hint with the next step, an exit code.

    RebakeError
    |-- UsageError            wrong words on the command line or in a file          exit 64
    |   `-- ConfigError       faults of rebake.yaml, all of them at once
    |-- NotPossible           the request contradicts what stands in AWS            exit 1
    |   |-- NotFound          an image, group, template or parameter does not exist
    |   `-- NotOurs           it exists, but this project did not make it
    |-- RefusedError          a gate or a guard said no                             exit 3
    |-- HeldError             another run has it                                    exit 6
    |-- Unavailable           AWS, Packer or credentials cannot be used now         exit 69
    |   |-- AccessDenied      an IAM action is missing; it is named
    |   |-- CredentialsError  no credentials, or expired ones
    |   |-- Throttled         AWS kept throttling past the retry budget
    |   `-- ToolMissing       Packer or a plugin is missing or too old
    |-- StepFailed            a step was tried and failed                           exit 1
    |   `-- TimedOut          it did not finish within its budget
    |-- Defect                something happened that this project did not foresee  exit 1
    `-- Interrupted           a signal asked us to stop                             exit 130

Transient errors (``transient = True``) may succeed when the same command is run again unchanged; the others
need the reader to change something first. Passing ones (``passing = True``) may pass while a run waits.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a finished command tells its caller; docs/exit-codes.md says what stands afterwards."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    REFUSED = 3
    ROLLED_BACK = 4
    PARTIAL = 5
    HELD = 6
    USAGE = 64
    UNAVAILABLE = 69
    INTERRUPTED = 130


class RebakeError(Exception):
    """The root: a sentence for the reader, and what to do next: a clause in lower case, as it follows an arrow."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    transient: ClassVar[bool] = False
    passing: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message

    @property
    def whole(self) -> str:
        """The sentence and its hint in one line."""
        return f"{self.message} -> {self.hint}" if self.hint else self.message


class UsageError(RebakeError):
    """The command line or a file says something that has no meaning."""

    exit_code = ExitCode.USAGE


class ConfigError(UsageError):
    """All faults of a configuration file, one line each (``rebake.yaml:14: fleets.web.…: …``)."""

    def __init__(self, faults: tuple[str, ...], *, hint: str = "") -> None:
        super().__init__("\n".join(faults), hint=hint)
        self.faults = faults


class NotPossible(RebakeError):
    """The request contradicts what stands in AWS; nothing was changed."""


class NotFound(NotPossible):
    """Something that was named does not exist."""


class NotOurs(NotPossible):
    """It exists, but this project did not make it and will not touch it."""


class RefusedError(RebakeError):
    """A gate or a guard refused the step; everything before it stands."""

    exit_code = ExitCode.REFUSED


class HeldError(RebakeError):
    """Another run works on it."""

    exit_code = ExitCode.HELD
    transient = True


class Unavailable(RebakeError):
    """AWS, Packer or the credentials cannot be used; run again to go on."""

    exit_code = ExitCode.UNAVAILABLE
    transient = True
    passing = True


class AccessDenied(Unavailable):
    """The caller lacks an IAM action."""

    transient = False
    passing = False

    def __init__(self, action: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.action = action


class CredentialsError(Unavailable):
    """There are no credentials, or they have expired."""

    passing = False


class Throttled(Unavailable):
    """AWS kept throttling until the retry budget was spent."""


class ToolMissing(Unavailable):
    """Packer, or a plugin of it, is missing or too old."""

    transient = False
    passing = False


class StepFailed(RebakeError):
    """A step was tried and failed; the message says what was put back."""


class TimedOut(StepFailed):
    """It did not finish within its time budget."""

    transient = True


class Defect(RebakeError):
    """A fault of this project's own, met while a fleet was being replaced."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"Something unforeseen happened: {type(cause).__name__}: {cause}.",
            hint="this is a fault of rebake itself: please report it, with what -v says",
        )
        self.__cause__ = cause


class Interrupted(RebakeError):
    """A signal asked us to stop; what was under way was put back."""

    exit_code = ExitCode.INTERRUPTED
    transient = True
