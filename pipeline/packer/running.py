"""Following one build: what it says goes to the log, to the listener and to the diagnosis, secrets masked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from pipeline.model.masking import Masker
from pipeline.packer.child import Child
from pipeline.packer.diagnosis import Diagnosis
from pipeline.packer.events import PackerEvent, parse

_KEPT = {"artifact"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A build under way and those who listen to it. ``variables`` is the file with its values, secrets among them."""

    child: Child
    log: TextIO
    masker: Masker
    on_line: Callable[[str], None]
    variables: Path
    diagnosis: Diagnosis = field(default_factory=Diagnosis)
    kept: list[PackerEvent] = field(default_factory=list)

    def follow(self, seconds: float, *, aloud: bool = True) -> None:
        """Pass lines on until the end, or raise TimeoutError after so many seconds."""
        for line in self.child.lines(deadline=time.monotonic() + seconds):
            event = parse(line)
            if event.type == "ui" and event.data[0] == "say":
                # Packer has something to say once it has read its variables; what is gone cannot be left behind.
                self.variables.unlink(missing_ok=True)
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
