"""The one door to the heavy rooms: nothing behind it is imported before a verb needs it.

`rebake --help` must answer in a quarter of a second; botocore alone takes longer than that to import.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from pipeline.cli.options import Common
from pipeline.errors import Interrupted

if TYPE_CHECKING:
    from types import ModuleType

    from pipeline.records.events import Recorder
    from pipeline.runs.room import Room

_AGAIN = "run the same command again"


@contextmanager
def open_room(common: Common) -> Iterator[tuple[Room, Recorder]]:
    """Read the configuration, connect, and show progress until the block ends.

    Raises:
        Interrupted: a signal came.
    """
    wiring = import_module("pipeline.wiring")
    live = import_module("pipeline.cli.live")
    recorder: Recorder = import_module("pipeline.records.events").Recorder()
    progress = live.display(verbose=common.verbose, recorder=recorder)
    opened: Room | None = None
    try:
        opened = wiring.open_room(common.config, region=common.region, profile=common.profile, progress=progress)
        yield opened, recorder
    except KeyboardInterrupt as signal:  # while a plan is carried out, the executor deals with it
        when = "before anything was changed"
        if opened is not None and opened.journal.begun:
            when = f"in the middle of {common.verb}: what it had done stays"
        raise Interrupted(f"Stopped by {str(signal) or 'SIGINT'} {when}.", hint=_AGAIN) from None
    finally:
        progress.close()


def room(name: str) -> ModuleType:
    """Import a room by name (``pipeline.config``)."""
    return import_module(name)
