"""A sandbox in the background: up, down, status, logs, findings. Its state and log are in the user's state folder."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

from pipeline.errors import HeldError, NotFound, StepFailed, TimedOut, UsageError
from pipeline.sandbox.machines import Tier

_REGION = "us-east-1"
_UP_WITHIN = 300.0
_DOWN_WITHIN = 20.0
_PAUSE = 0.05
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}
"""Sandboxes that this process started: a child that has ended looks alive until it is waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxStatus:
    """A sandbox that is up. ``reason`` says why it is of this tier.

    ``origin`` is when its time was the real time, in seconds since 1970.
    """

    endpoint: str
    tier: Tier
    speed: float
    origin: float
    pid: int
    reason: str = ""

    @property
    def environment(self) -> Mapping[str, str]:
        """What to export, so that boto3, Packer, the aws CLI and rebake itself use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": _REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "REBAKE_TIME_SCALE": f"{self.speed:g}",
            "REBAKE_TIME_ORIGIN": f"{self.origin:.3f}",
            "AWS_POLL_DELAY_SECONDS": "1",  # Packer's own pace, 15 seconds, is that of images on AWS
        }


def folder() -> Path:
    """Tell where the sandbox keeps its state: ``$XDG_STATE_HOME/rebake/sandbox``."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "rebake" / "sandbox"


def _state_file() -> Path:
    return folder() / "sandbox.json"


def _log_file() -> Path:
    return folder() / "sandbox.log"


def up(tier: str | None = None, speed: float = 20.0, port: int = 0, *, die_with_parent: bool = False) -> SandboxStatus:
    """Start a sandbox in the background and wait until it answers.

    With ``die_with_parent`` it ends when the thread that calls this ends.

    Raises:
        HeldError: one is up already.
        StepFailed: it ended before it answered; the message is its last word.
        TimedOut: it did not answer in time and was ended.
    """
    if standing := status():
        raise HeldError(
            f"A sandbox is up already (process {standing.pid}, tier {standing.tier}).",
            hint="use it, or end it with: rebake sandbox down",
        )
    folder().mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pipeline.sandbox.server"]
    command += ["--port", str(port), "--state", str(_state_file()), "--speed", f"{speed:g}"]
    command += ["--tier", tier] if tier else []
    command += ["--die-with", str(os.getpid())] if die_with_parent else []
    with _log_file().open("wb") as log:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    _CHILDREN[server.pid] = server
    until = time.monotonic() + _UP_WITHIN
    while time.monotonic() < until:
        if server.poll() is not None:
            last = (logs().strip().splitlines() or ["it said nothing"])[-1]
            raise StepFailed(f"The sandbox did not come up: {last}", hint="see the whole log: rebake sandbox logs")
        if found := status():
            return found
        time.sleep(_PAUSE)
    server.terminate()
    server.wait()
    raise TimedOut(f"The sandbox did not answer within {_UP_WITHIN:g} seconds.", hint="see: rebake sandbox logs")


def status() -> SandboxStatus | None:
    """Tell which sandbox is up; None when none is. What a dead one left is removed."""
    try:
        kept = json.loads(_state_file().read_text())
    except FileNotFoundError:
        return None
    found = SandboxStatus(**{**kept, "tier": Tier(kept["tier"])})
    if _lives(found.pid) and _answers(found.endpoint):
        return found
    _state_file().unlink(missing_ok=True)
    return None


def down() -> bool:
    """End the sandbox with everything in it; False when none was up."""
    standing = status()
    if standing is None:
        return False
    os.kill(standing.pid, signal.SIGTERM)
    until = time.monotonic() + _DOWN_WITHIN
    while _lives(standing.pid) and time.monotonic() < until:
        time.sleep(_PAUSE)
    if _lives(standing.pid):
        os.kill(standing.pid, signal.SIGKILL)
    _state_file().unlink(missing_ok=True)
    return True


def find(image: str, vulnerability: str, what: str) -> None:
    """Tag an image with a vulnerability in the sandbox that is up, and enable Inspector there; errors as for `tag`."""
    endpoint = tag(image, {f"sandbox:cve:{vulnerability}": what})
    _call(endpoint, "inspector2", "/enable", json.dumps({"resourceTypes": ["EC2"]}).encode())


def tag(resource: str, tags: Mapping[str, str]) -> str:
    """Tag an image or instance in the sandbox that is up; answer its endpoint.

    Raises:
        NotFound: no sandbox is up.
        UsageError: it has no such image or instance.
    """
    standing = status()
    if standing is None:
        raise NotFound("No sandbox is up.", hint="start one with: rebake sandbox up")
    asked = {"Action": "CreateTags", "Version": "2016-11-15", "ResourceId.1": resource}
    for number, (key, value) in enumerate(tags.items(), 1):
        asked |= {f"Tag.{number}.Key": key, f"Tag.{number}.Value": value}
    try:
        _call(standing.endpoint, "ec2", "/", urlencode(asked).encode())
    except HTTPError as error:
        words = re.sub(r"<[^>]*>", " ", error.read().decode())
        raise UsageError(f"The sandbox refuses it: {' '.join(words.split())}", hint="name what it has") from error
    return standing.endpoint


def _call(endpoint: str, service: str, path: str, body: bytes) -> None:
    scope = f"Credential=sandbox/20260101/{_REGION}/{service}/aws4_request"
    kind = "application/json" if body.startswith(b"{") else "application/x-www-form-urlencoded"
    headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0", "Content-Type": kind}
    urlopen(Request(endpoint + path, data=body, headers=headers), timeout=60).close()  # noqa: S310 - loopback, our own


def logs() -> str:
    """Read the log of the sandbox that is or was up; empty when there was none."""
    return _log_file().read_text(errors="replace") if _log_file().exists() else ""


def _lives(pid: int) -> bool:
    if pid in _CHILDREN and _CHILDREN[pid].poll() is not None:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _answers(endpoint: str) -> bool:
    url = urlsplit(endpoint)
    try:
        socket.create_connection((url.hostname or "", url.port or 0), timeout=2).close()
    except OSError:
        return False
    return True
