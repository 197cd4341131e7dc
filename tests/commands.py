"""The whole command as its user meets it: words in; exit code, stdout and stderr out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    def complaint(self) -> tuple[str, str]:
        """Take the one sentence and its hint from the end of stderr."""
        *_, sentence, hint = self.err.splitlines()
        assert sentence.startswith("rebake: "), self.err
        assert hint.startswith("  -> "), self.err
        assert "Traceback" not in self.err
        return sentence.removeprefix("rebake: "), hint.removeprefix("  -> ")


Command = Callable[..., Answer]
Project = Callable[..., Path]
