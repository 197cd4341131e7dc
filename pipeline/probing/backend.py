"""In the child: testinfra's connection ``ssm``, which asks the parent over its bridge."""

from __future__ import annotations

import base64
import json
import os
import socket
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult

from pipeline.probing.bridge import ADDRESS


class SsmBackend(BaseBackend):  # type: ignore[misc]  # mypy does not follow testinfra's own types
    """Runs commands as root through SSM Run Command."""

    NAME = "ssm"

    def __init__(self, hostname: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(hostname, *args, **kwargs)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(os.environ[ADDRESS])
        self._stream = self._socket.makefile("rwb")

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Run a shell command; testinfra's modules call nothing else.

        Raises:
            RuntimeError: the command could not be run; the message says why.
        """
        text = self.get_command(command, *args)
        self._stream.write(json.dumps({"command": text}).encode() + b"\n")
        self._stream.flush()
        line = self._stream.readline()
        reply = json.loads(line) if line else {"error": "rebake went away"}
        if "error" in reply:
            raise RuntimeError(reply["error"])
        stdout, stderr = (base64.b64decode(reply[name]) for name in ("stdout", "stderr"))
        return self.result(reply["status"], self.encode(text), stdout, stderr)

    def get_encoding(self) -> str:
        """Say UTF-8: asking the instance, as testinfra would, costs two more commands."""
        return "UTF-8"

    def close(self) -> None:
        """Hang up."""
        self._stream.close()
        self._socket.close()
