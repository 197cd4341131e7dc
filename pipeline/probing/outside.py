"""Probes from here to the candidate, tried until they pass or their time is up."""

from __future__ import annotations

import socket
from contextlib import closing
from datetime import datetime, timedelta

from tenacity import RetryCallState, Retrying, retry_if_result, wait_fixed

from pipeline.model.outcomes import TestResult, Verdict
from pipeline.model.settings import HttpProbe, Probe
from pipeline.ports.clock import Clock
from pipeline.probing.prober import PATIENCE
from pipeline.probing.web import Line

_PAUSE = 1.0  # seconds between attempts


def probe(what: Probe, address: str, *, clock: Clock, deadline: datetime) -> TestResult:
    """Probe an address until it answers as it should, ``within`` is over, or the deadline for all tests has come."""
    is_http = isinstance(what, HttpProbe)
    name = f"probe http :{what.port}{what.path}" if isinstance(what, HttpProbe) else f"probe tcp :{what.port}"
    if not address:
        return TestResult(name=name, verdict=Verdict.ERROR, message="the instance has no address to probe")
    began = clock.now()
    until = min(deadline, began + what.within)
    attempt = _until(clock, until)
    fault = attempt(_http, what, address) if is_http else attempt(_tcp, what, address)
    return TestResult(
        name=name,
        verdict=Verdict.FAILED if fault else Verdict.PASSED,
        took=clock.now() - began,
        message=f"{fault}, tried for {(clock.now() - began).total_seconds():.0f} s" if fault else "",
    )


def _until(clock: Clock, until: datetime) -> Retrying:
    """Retry while there is a fault to tell; at the end, answer the last one."""

    def last(state: RetryCallState) -> str:
        return str(state.outcome.result()) if state.outcome else ""

    def sleep(seconds: float) -> None:
        clock.sleep(timedelta(seconds=seconds))

    def over(_: RetryCallState) -> bool:
        return clock.now() >= until

    return Retrying(
        sleep=sleep, stop=over, wait=wait_fixed(_PAUSE), retry=retry_if_result(bool), retry_error_callback=last
    )


def _http(what: HttpProbe, address: str) -> str:
    with closing(Line(f"http://{address}:{what.port}{what.path}", seconds=PATIENCE)) as line:
        return line.get(status=what.status)


def _tcp(what: Probe, address: str) -> str:
    try:
        socket.create_connection((address, what.port), timeout=PATIENCE).close()
    except OSError as error:
        return f"no connection to {address}:{what.port} ({error})"
    return ""
