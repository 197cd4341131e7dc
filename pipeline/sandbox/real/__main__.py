"""Make the base image ahead of its first use: ``python -m pipeline.sandbox.real``; needs the standard library only."""

from __future__ import annotations

import sys

from pipeline.sandbox.machines import Tier
from pipeline.sandbox.real.userland.probe import probe
from pipeline.sandbox.real.userland.rootfs import cache_folder, obtain


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if probe().tier is Tier.USERLAND:
    obtain(cache_folder(), _tell)
