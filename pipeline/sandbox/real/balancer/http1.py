"""HTTP/1.1 messages as far as a proxy must understand them: where a head ends, and where a body does (RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

HEAD_END = b"\r\n\r\n"
HEAD_MAX = 65536
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade"})


class BadMessageError(ValueError):
    """The peer does not speak HTTP/1.1; the connection cannot be kept."""


class Body(Protocol):
    """A body under way: it takes bytes and knows when it is complete."""

    done: bool

    def feed(self, data: bytes) -> int:
        """Take bytes; answer how many of them belong to this body."""
        ...


class FixedBody:
    """A body of a known length."""

    __slots__ = ("_left", "done")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0

    def feed(self, data: bytes) -> int:
        """Take bytes up to the length."""
        taken = min(self._left, len(data))
        self._left -= taken
        self.done = self._left == 0
        return taken


class ChunkedBody:
    """A chunked body with its trailer."""

    __slots__ = ("_left", "_line", "_trailer", "done")

    def __init__(self) -> None:
        self._left = 0
        self._line = b""
        self._trailer = False
        self.done = False

    def feed(self, data: bytes) -> int:
        """Take bytes up to the empty line after the last chunk.

        Raises:
            BadMessageError: a chunk has no size.
        """
        at = 0
        while at < len(data) and not self.done:
            if self._left:
                step = min(self._left, len(data) - at)
                self._left -= step
                at += step
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._line += data[at:]
                return len(data)
            self._take_line((self._line + data[at:end]).strip())
            self._line = b""
            at = end + 1
        return at

    def _take_line(self, line: bytes) -> None:
        if self._trailer:
            self.done = not line
            return
        try:
            size = int(line.partition(b";")[0], 16)
        except ValueError:
            raise BadMessageError("a chunk without a size") from None
        self._trailer = size == 0
        self._left = size + 2 if size else 0  # the data and the CRLF behind it


class EndlessBody:
    """A response body that ends when its connection does."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def feed(self, data: bytes) -> int:
        """Take everything."""
        return len(data)


@dataclass(slots=True, kw_only=True)
class Head:
    """A message's first line and its end-to-end header lines. ``close``: the connection ends with this message."""

    first: bytes
    lines: list[bytes]
    close: bool
    chunked: bool
    length: int | None
    host: str
    expects: bool


def parse_head(raw: bytes) -> Head:
    """Parse a head without its empty line.

    Raises:
        BadMessageError: a header line or Content-Length makes no sense.
    """
    first, *rest = raw.split(b"\r\n")
    head = Head(first=first, lines=[], close=b"HTTP/1.0" in first, chunked=False, length=None, host="", expects=False)
    for line in rest:
        name, colon, value = line.partition(b":")
        if not colon:
            raise BadMessageError(f"not a header line: {line[:40]!r}")
        _take_field(head, name.lower(), value, line)
    return head


def _take_field(head: Head, name: bytes, value: bytes, line: bytes) -> None:
    if name in _HOP_BY_HOP:
        if name == b"connection":
            head.close = b"close" in value.lower() or (head.close and b"keep-alive" not in value.lower())
        return
    if name == b"expect":
        head.expects = True
        return
    if name == b"content-length":
        if not value.strip().isdigit():
            raise BadMessageError("a Content-Length that is no number")
        head.length = int(value)
    elif name == b"transfer-encoding":
        head.chunked = b"chunked" in value.lower()
    elif name == b"host":
        head.host = value.strip().decode("latin-1").rpartition("@")[2].partition(":")[0].lower()
    head.lines.append(line)


def request_body(head: Head) -> Body:
    """Tell the body of a request: a request without a length has none."""
    return ChunkedBody() if head.chunked else FixedBody(head.length or 0)


def response_body(head: Head, *, status: int, to_head: bool) -> Body:
    """Tell the body of a response; ``to_head``: it answers a HEAD request."""
    if to_head or status in (204, 304):
        return FixedBody(0)
    if head.chunked:
        return ChunkedBody()
    return EndlessBody() if head.length is None else FixedBody(head.length)


def answer(status: int, body: str, *, close: bool) -> bytes:
    """Build a whole plain-text response of the balancer's own."""
    payload = body.encode()
    kept = b"close" if close else b"keep-alive"
    head = (
        b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b"Fixed")),
        b"Server: sandbox-elb",
        b"Content-Type: text/plain",
        b"Content-Length: %d" % len(payload),
        b"Connection: " + kept,
    )
    return b"\r\n".join(head) + HEAD_END + payload


_REASONS = {
    200: b"OK",
    400: b"Bad Request",
    404: b"Not Found",
    413: b"Content Too Large",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
