"""Run the balancer: ``python -m pipeline.sandbox.real.balancer SPEED``, JSON lines on stdin and stdout."""

from __future__ import annotations

import asyncio
import contextlib
import sys

from pipeline.sandbox.real.balancer.serve import run


def main() -> None:
    """Serve until stdin ends; connections under way are dropped, for nobody is left to answer to."""
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(run(float(sys.argv[1])))


if __name__ == "__main__":
    main()
