"""The door between the process that runs a suite and this one, which alone may speak to AWS.

The child gets no credentials, only the path of a Unix socket in a folder of mode 0700. Each line on it is JSON:
``{"command": "…"}`` one way, ``{"status": 0, "stdout": "<base64>", "stderr": "<base64>"}`` or ``{"error": "…"}`` back.
"""

from __future__ import annotations

import base64
import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import RebakeError, Unavailable
from pipeline.probing.remote import RemoteShell

ADDRESS = "REBAKE_BRIDGE"


class Bridge(socketserver.ThreadingUnixStreamServer):
    """Answers the child's commands through a shell."""

    daemon_threads = True

    def __init__(self, address: str, shell: RemoteShell) -> None:
        super().__init__(address, _Conversation)
        self.shell = shell
        self.fault: Exception | None = None

    def answer(self, command: str) -> dict[str, int | str]:
        """Run a command; a failure is told to the test, and kept when it says nothing about the candidate."""
        try:
            output = self.shell.run(command)
        except RebakeError as error:
            if isinstance(error, Unavailable):
                self.fault = error
            return {"error": str(error)}
        except Exception as error:  # noqa: BLE001 - it goes on in the thread that waits for the child, see `check`
            self.fault = error
            return {"error": repr(error)}
        stdout, stderr = (base64.b64encode(data).decode() for data in (output.stdout, output.stderr))
        return {"status": output.status, "stdout": stdout, "stderr": stderr}

    def check(self) -> None:
        """Raise what stopped us rather than the candidate: lost credentials must not make an image a bad one."""
        if self.fault:
            raise self.fault


class _Conversation(socketserver.StreamRequestHandler):
    server: Bridge

    def handle(self) -> None:
        for line in self.rfile:
            reply = self.server.answer(json.loads(line)["command"])
            self.wfile.write(json.dumps(reply).encode() + b"\n")


@contextmanager
def bridge(shell: RemoteShell) -> Iterator[Bridge]:
    """Listen on a socket that only this user can reach, until the context ends."""
    # Not below the work folder: a Unix socket's path may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="rebake-") as folder, Bridge(str(Path(folder) / "s"), shell) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
