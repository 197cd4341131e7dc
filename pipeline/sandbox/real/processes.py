"""Tier B: an instance is one HTTP process on a loopback address of its own.

Real: addresses, TCP, HTTP, health, start and end. Not real: the operating system. A command is run by this machine's
own ``sh``, as the user who runs the sandbox, in a scratch folder that stands for the instance's disk; it sees this
machine's files and packages, so patching with it would patch the machine you sit at. There is no sshd, and user data is
not run. An image is a copy of the scratch folder.

``sandbox:behaviour`` in the tags chooses how an instance does: ``healthy`` (the default), ``sick`` (answers 500),
``dead`` (listens on nothing), ``slow:<s>`` (serves only s seconds after its boot), ``turns-sick-after:<s>`` and
``fails-under-traffic:<n>`` (sick once it has answered n requests, health checks aside); seconds are sandbox time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.sandbox.machines import MachineSpec, MachineState, Tier
from pipeline.sandbox.real import serving
from pipeline.sandbox.real.children import end
from pipeline.sandbox.real.commands import Invocation
from pipeline.sandbox.real.house import Box, Disk
from pipeline.sandbox.real.ports import open_port

BEHAVIOUR = "sandbox:behaviour"
_HTTP = 80


class Processes:
    """The house of tier B."""

    def __init__(self, *, speed: float) -> None:
        self._speed = speed

    @property
    def tier(self) -> Tier:
        """Tier B."""
        return Tier.PROCESS

    def layers(self, frozen: Sequence[Path]) -> tuple[Path, ...]:
        """Tell the newest frozen folder: each is a whole copy."""
        return tuple(frozen[-1:])

    def start(self, spec: MachineSpec, disk: Disk) -> Box:
        """Start the process; a first boot finds the image's files in its scratch folder."""
        if disk.first_boot:
            for layer in disk.layers:
                self.copy(layer, disk.folder)
        disk.folder.mkdir(parents=True, exist_ok=True)
        words = (spec.address, spec.instance, spec.image, spec.tags.get(BEHAVIOUR, "healthy"), self._speed)
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", serving.__file__, *map(str, words), str(open_port(_HTTP))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=disk.folder,
            text=True,
            start_new_session=True,
        )
        return _Process(process, spec, disk.folder)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a scratch folder, links as links."""
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)

    def remove(self, folder: Path) -> None:
        """Remove a scratch folder."""
        shutil.rmtree(folder, ignore_errors=True)


class _Process:
    def __init__(self, process: subprocess.Popen[str], spec: MachineSpec, folder: Path) -> None:
        self._process = process
        self._spec = spec
        self._folder = folder

    def wait(self, given_up: Callable[[], bool]) -> MachineState:
        """Wait for the word that its sockets are open, or never will be."""
        del given_up  # it speaks or ends within milliseconds
        word = self._process.stdout.readline().strip() if self._process.stdout is not None else ""
        return {"up": MachineState.RUNNING, "dead": MachineState.IMPAIRED}.get(word, MachineState.FAILED)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Tell the usual cause: it has no console, and nothing else can go wrong with it."""
        return "its address or port is taken"

    def serve(self, port: int) -> None:
        """Have it listen on one more port."""
        if self._process.stdin is not None and self.alive():
            self._process.stdin.write(f"{open_port(port)}\n")
            self._process.stdin.flush()

    def invocation(self, script: str) -> Invocation:
        """Run on this very machine, in the scratch folder."""
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder),
            "SANDBOX_INSTANCE": self._spec.instance,
            "SANDBOX_ADDRESS": self._spec.address,
        }
        return Invocation(argv=("sh", "-c", script), cwd=self._folder, env=env)

    def end(self) -> None:
        """End the process."""
        end(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()
