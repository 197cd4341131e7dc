"""The sandbox as a process: ``python -m pipeline.sandbox.server``. It binds to 127.0.0.1 and to nothing else."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import RebakeError
from pipeline.sandbox.clock import WallClock
from pipeline.sandbox.cloud import Cloud
from pipeline.sandbox.tiers import choose, machines_of

_PR_SET_PDEATHSIG = 1
_AWAKE = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m pipeline.sandbox.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; 0: any free one")
    parser.add_argument("--state", type=Path, required=True, help="the file that says that the sandbox is up")
    parser.add_argument("--tier", help="A, B or C; default: the most real one that works here")
    parser.add_argument("--speed", type=float, default=1.0, help="seconds of sandbox time in one real second")
    parser.add_argument("--die-with", type=int, default=0, metavar="PID", help="end when this parent ends")
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.die_with:
        die_with(options.die_with)
    try:
        serve(options.state, tier=options.tier, speed=options.speed, port=options.port, ended=ended)
    except RebakeError as error:
        say(error.whole)
        return int(error.exit_code)
    return 0


def serve(state: Path, *, tier: str | None, speed: float, port: int, ended: threading.Event) -> None:
    """Bring a cloud up, say so in the state file, and serve until ``ended``.

    Raises:
        RebakeError: the tier is unknown, or cannot be had here.
    """
    chosen, reason = choose(tier)
    say(f"tier {chosen}: {reason}")
    work = state.parent / "machines"
    work.mkdir(parents=True, exist_ok=True)
    machines = machines_of(chosen, state_dir=work, speed=speed, on_line=say)
    clock = WallClock(speed)
    cloud = Cloud(clock=clock, machines=machines)
    with cloud.serve(port) as endpoint:
        say(f"up at {endpoint}, {speed:g} times as fast as real time")
        entry = {"endpoint": endpoint, "tier": chosen, "speed": speed, "origin": clock.origin.timestamp()}
        entry |= {"pid": os.getpid(), "reason": reason}
        draft = state.with_suffix(".new")
        draft.write_text(json.dumps(entry))
        draft.replace(state)
        # The kernel may hand the signal to any thread, and only the main one, awake, runs the handler.
        while not ended.wait(_AWAKE):
            continue
    state.unlink(missing_ok=True)
    say("down")


def die_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent ends; a parent that has ended already counts too."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def say(line: str) -> None:
    """Write a line of the log."""
    sys.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
