"""Things that happen in the middle of a run, at the words that tell of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rooms import Scene

from pipeline.ports.progress import Event, Progress


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing is cleaned up."""


class At:
    """Does something at the first event whose text has these words; of several, told one after the other, the last."""

    def __init__(self, words: Sequence[str], what: Callable[[], object], *, others: Progress) -> None:
        self._awaited = list(words)
        self._what = what
        self._others = others

    def emit(self, event: Event) -> None:
        """Look for the words."""
        self._others.emit(event)
        if self._awaited and self._awaited[0] in f"{event.target}: {event.text}":
            del self._awaited[0]
            if not self._awaited:
                self._what()

    def close(self) -> None:
        """Let the others go."""
        self._others.close()


def at(scene: Scene, words: str | Sequence[str], what: Callable[[], object]) -> Scene:
    """Let something happen in the middle of the next run in a scene."""
    awaited = [words] if isinstance(words, str) else words
    tools = replace(scene.room.tools, progress=At(awaited, what, others=scene.room.tools.progress))
    return replace(scene, room=replace(scene.room, tools=tools))


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt("SIGINT")


def kill() -> None:
    """Do as SIGKILL does."""
    raise KilledError


def fail() -> None:
    """Fail as code with a fault does."""
    raise ZeroDivisionError("division by zero")
