"""Which port a service really opens: ordinary users may not bind the privileged ones."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_SHIFT = 8000
_FIRST_FREE = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@cache
def _first_open() -> int:
    if os.geteuid() == 0:
        return 0
    return int(_FIRST_FREE.read_text()) if _FIRST_FREE.exists() else 1024


def open_port(port: int) -> int:
    """Map a port to one that this user may bind: below the system's limit, 80 becomes 8080 and 443 becomes 8443."""
    return port if port >= _first_open() else port + _SHIFT
