"""Probes of a gate, from here: the port `pipeline.ports.judging.Prober`."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta

from pipeline.model.gates import Answers
from pipeline.probing.web import Line

PATIENCE = 5.0  # seconds for one request


class HttpProber:
    """Asks over one connection where the server allows it, as a client behind a load balancer would."""

    def ask(self, url: str, *, status: int, requests: int) -> Answers:
        """Send requests one after the other; only answers that are as they should be have a latency."""
        faults: list[str] = []
        latencies: list[timedelta] = []
        with closing(Line(url, seconds=PATIENCE)) as line:
            for _ in range(requests):
                began = time.monotonic()
                if fault := line.get(status=status):
                    faults.append(fault)
                else:
                    latencies.append(timedelta(seconds=time.monotonic() - began))
        return Answers(
            requests=requests,
            failed=len(faults),
            latencies=tuple(latencies),
            fault=faults[0] if faults else "",
        )
