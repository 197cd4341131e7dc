"""A shell on an instance, by SSM Run Command, that keeps every byte and the exit status.

GetCommandInvocation returns text only, and only the first 24,000 characters of it. So output is compressed, encoded
and, where it is long, left in a file on the instance and fetched piece by piece. One command whose output
fits is one Run Command call: each costs one to two seconds on AWS.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from pipeline.errors import StepFailed, TimedOut
from pipeline.model.ids import InstanceId
from pipeline.ports.instances import RunCommand

PIECE = 16_500  # bytes; 22,000 characters of base64, which leaves room for the header
_PIECES_MAX = 64
_GZIP = zlib.MAX_WBITS | 16

_WRAPPER = """\
PATH="$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"; export PATH
d=$(mktemp -d) || exit 1
sh -c {command} </dev/null >"$d/out" 2>"$d/err"
r=$?
echo "rebake $r $(($(wc -c <"$d/out"))) $(cat "$d/out" "$d/err" | gzip -c >"$d/all"; wc -c <"$d/all") $d"
head -c {piece} "$d/all" | base64 -w 0
rm -f "$d/out" "$d/err"
[ "$(wc -c <"$d/all")" -gt {piece} ] || rm -rf "$d"
"""
_HEADER = re.compile(r"rebake (\d+) (\d+) +(\d+) (/\S+)\n(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What a command left."""

    status: int
    stdout: bytes
    stderr: bytes


class RemoteShell:
    """Runs commands as root on one instance; ``remaining`` tells how much of the time budget is left."""

    def __init__(self, commands: RunCommand, instance: InstanceId, remaining: Callable[[], timedelta]) -> None:
        self._commands = commands
        self._instance = instance
        self._remaining = remaining

    def run(self, command: str) -> Output:
        """Run a shell command with no input.

        Raises:
            StepFailed: the instance could not run it, or its output is longer than about a megabyte compressed.
            TimedOut: the time budget is spent.
        """
        said = self._call(_WRAPPER.format(command=shlex.quote(command), piece=PIECE))
        match = _HEADER.fullmatch(said)
        if not match:
            raise StepFailed(f"{self._instance} answered without the command's result: {said[:200]!r}.")
        status, first, size, folder, head = int(match[1]), int(match[2]), int(match[3]), match[4], match[5]
        pieces = [head, *self._rest(folder, size)]
        try:
            both = zlib.decompress(b"".join(base64.b64decode(piece, validate=True) for piece in pieces), _GZIP)
        except (binascii.Error, zlib.error) as error:
            raise StepFailed(f"{self._instance} answered with damaged output: {error}.") from error
        return Output(status=status, stdout=both[:first], stderr=both[first:])

    def _rest(self, folder: str, size: int) -> list[str]:
        if size > PIECE * _PIECES_MAX:
            self._call(f"rm -rf {shlex.quote(folder)}")
            raise StepFailed(
                f"the command's output is too long ({size} bytes compressed).",
                hint="select what the test needs on the instance, with grep or head",
            )
        pieces = []
        for start in range(PIECE, size, PIECE):
            fetch = f"tail -c +{start + 1} {shlex.quote(folder)}/all | head -c {PIECE} | base64 -w 0"
            last = start + PIECE >= size
            pieces.append(self._call(f"{fetch}; rm -rf {shlex.quote(folder)}" if last else fetch))
        return pieces

    def _call(self, script: str) -> str:
        left = self._remaining()
        if left <= timedelta():
            raise TimedOut("the time budget for smoke tests is spent.", hint="raise smoke.timeout")
        result = self._commands.run(self._instance, script, timeout=left)
        if result.status != "Success":
            raise StepFailed(
                f"Run Command ended as {result.status} on {self._instance}: {result.stderr[-500:].strip()}"
            )
        return result.stdout
