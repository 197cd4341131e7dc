"""Images as folders: each holds what its machine changed, and names the images it stands on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from pathlib import Path

from pipeline.sandbox.machines import FreezeState

_CHAIN = "chain.json"
_DISK = "disk"


class Images:
    """The images below one folder, found again by the next sandbox that opens it.

    An image that is not here is one of the base images the sandbox started with: nothing is on top of it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._states: dict[str, FreezeState] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for file in folder.glob(f"*/{_CHAIN}"):
            image = file.parent.name
            self._chains[image] = tuple(json.loads(file.read_text()))
            self._states[image] = FreezeState.AVAILABLE

    def state(self, image: str) -> FreezeState:
        """Tell how far an image is."""
        return self._states.get(image, FreezeState.AVAILABLE)

    def layers(self, image: str) -> tuple[Path, ...]:
        """Tell the folders of an image, oldest first; none for a base image."""
        return tuple(self._folder / one / _DISK for one in self._chains.get(image, ()))

    def begin(self, image: str) -> Path:
        """Announce an image; answer the folder to copy its disk to."""
        with self._lock:
            self._states[image] = FreezeState.PENDING
        target = self._folder / image / _DISK
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def complete(self, image: str, below: str) -> None:
        """Note that an image's disk is copied; ``below`` is the image its machine booted from."""
        with self._lock:
            chain = (*self._chains.get(below, ()), image)
            self._chains[image] = chain
            # Written last: a folder without it is a copy that was cut short, and no image.
            (self._folder / image / _CHAIN).write_text(json.dumps(chain))
            self._states[image] = FreezeState.AVAILABLE

    def fail(self, image: str) -> None:
        """Note that an image could not be made."""
        with self._lock:
            self._states[image] = FreezeState.FAILED

    def forget(self, image: str) -> None:
        """Drop an image; its folder stays while others stand on it."""
        with self._lock:
            self._states.pop(image, None)
            self._chains.pop(image, None)
            (self._folder / image / _CHAIN).unlink(missing_ok=True)

    def unused(self, in_use: Iterable[Path]) -> tuple[Path, ...]:
        """List the folders that no image and none of these layers needs."""
        with self._lock:
            needed = {self._folder / one for chain in self._chains.values() for one in chain}
            needed |= {layer.parent for layer in in_use}
            needed |= {self._folder / one for one, state in self._states.items() if state is FreezeState.PENDING}
            return tuple(one for one in self._folder.iterdir() if one not in needed)
