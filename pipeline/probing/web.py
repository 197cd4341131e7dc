"""HTTP from here, with the standard library: no proxy, no redirect followed, certificates checked."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

_KEPT = 65_536  # bytes of an answer's body; the rest is read and thrown away
_LATE = 0.01  # seconds after the end, so that what then breaks is told from what broke by itself
FAULTS = (OSError, http.client.HTTPException)


class Line:
    """One connection for requests to one URL, one after the other, kept where the server keeps it."""

    def __init__(self, url: str, *, seconds: float) -> None:
        parts = urlsplit(url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port or kind.default_port, timeout=seconds)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._seconds = seconds
        self._keeps = True

    def get(self, *, status: int) -> str:
        """Send one request and tell what is wrong with the answer."""
        try:
            answer, _ = self.send("GET")
        except FAULTS as error:
            place = f"{self._connection.host}:{self._connection.port}"
            return f"no answer from {place} ({str(error) or type(error).__name__})"
        if answer.status == status:
            return ""
        elsewhere = answer.getheader("Location")
        return f"answered {answer.status}, not {status}" + (f" (to {elsewhere})" if elsewhere else "")

    def send(self, method: str, body: bytes | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        """Send one request and read its answer to the end; of a long body, the first 64 KiB are handed back.

        Raises:
            OSError, http.client.HTTPException: there was no whole answer in time.
        """
        kept = self._connection.sock is not None
        try:
            return self._exchange(method, body)
        except (ConnectionError, ssl.SSLEOFError):
            if not kept:
                raise
            # The server may have hung up before this request came. That is forgiven once: from now on each request has
            # a connection of its own, so that a service which dies of requests is not taken for one that hangs up.
            self._keeps = False
            return self._exchange(method, body)
        finally:
            if not self._keeps:
                self.close()

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _exchange(self, method: str, body: bytes | None) -> tuple[http.client.HTTPResponse, bytes]:
        ends = time.monotonic() + self._seconds
        kind = {"Content-Type": "application/json"} if body else {}
        try:
            if self._connection.sock is None:
                self._connection.connect()
            with _cut(self._connection.sock, ends):
                self._connection.request(method, self._target, body, {"User-Agent": "rebake", **kind})
                answer = self._connection.getresponse()
                said = answer.read(_KEPT)
                while answer.read(_KEPT):
                    pass
            if answer.length:
                raise http.client.IncompleteRead(said, answer.length)
            if time.monotonic() >= ends:
                raise TimeoutError
        except FAULTS as error:
            self.close()
            if time.monotonic() < ends:
                raise
            raise TimeoutError(f"not within {self._seconds:.0f} s") from error
        return answer, said


@contextlib.contextmanager
def _cut(line: socket.socket, ends: float) -> Iterator[None]:
    """Break a connection off when the time is up: its own timeout begins anew with each byte that drips in."""

    def cut() -> None:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(line, socket.SHUT_RDWR)  # TLS's own shutdown would take the reader's state away

    watch = threading.Timer(max(ends - time.monotonic(), 0) + _LATE, cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
