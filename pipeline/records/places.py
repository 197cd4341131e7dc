"""Where files are kept, and how they are written: whole or not at all, for the owner's eyes only."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from pipeline.errors import StepFailed


def state_dir() -> Path:
    """Tell where records live: ``$XDG_STATE_HOME/rebake``, by default ``~/.local/state/rebake``."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".local" / "state") / "rebake"


def write_whole(path: Path, text: str) -> None:
    """Write a file (mode 0600, in folders of mode 0700) so that readers see the old text or the new, never half.

    Raises:
        StepFailed: it could not be written; what stood there before still stands.
    """
    scratch = ""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(scratch).replace(path)
    except OSError as error:
        if scratch:
            Path(scratch).unlink(missing_ok=True)
        raise StepFailed(f"{path} could not be written: {error.strerror}.", hint=_hint(error)) from error


def _hint(error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return (
            "free some space there, or set XDG_STATE_HOME to a folder on another disk, and run the same command again"
        )
    return "check the folder's permissions, or set XDG_STATE_HOME to another folder, and run the same command again"
