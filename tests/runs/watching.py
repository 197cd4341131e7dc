"""Things that happen in the middle of a run, at the words that tell of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rooms import Scene

from pipeline.ports.progress import Event


class KilledError(BaseException):
    """Stands for SIGKILL: nothing catches it, nothing is cleaned up."""


class At:
    """Does something at the first event whose text has these words."""

    def __init__(self, words: str, what: Callable[[], object]) -> None:
        self._words = words
        self._what: Callable[[], object] | None = what

    def emit(self, event: Event) -> None:
        """Look for the words."""
        if self._what is not None and self._words in f"{event.target}: {event.text}":
            what, self._what = self._what, None
            what()

    def close(self) -> None:
        """Nothing is kept open."""


def at(scene: Scene, words: str, what: Callable[[], object]) -> Scene:
    """Let something happen in the middle of the next run in a scene."""
    tools = replace(scene.room.tools, progress=At(words, what))
    return replace(scene, room=replace(scene.room, tools=tools))


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt("SIGINT")


def kill() -> None:
    """Do as SIGKILL does."""
    raise KilledError
