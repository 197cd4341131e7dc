from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sandbox.real.balancer.http1 import (
    BadMessageError,
    ChunkedBody,
    EndlessBody,
    FixedBody,
    answer,
    parse_head,
    request_body,
    response_body,
)


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=6), cut=st.integers(1, 30), rest=st.binary(max_size=9)
)
def test_a_chunked_body_ends_where_it_ends_however_it_is_cut(chunks: list[bytes], cut: int, rest: bytes) -> None:
    """Wherever the network cuts it, exactly the message's own bytes are taken."""
    whole = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(c), c) for c in chunks) + b"0\r\nTrailer: x\r\n\r\n"
    stream = whole + rest
    body, taken = ChunkedBody(), 0
    while taken < len(stream) and not body.done:
        taken += body.feed(stream[taken : taken + cut])
    assert body.done
    assert taken == len(whole)


def test_a_chunk_without_a_size_is_refused() -> None:
    """Bytes that are no chunk cannot be forwarded."""
    with pytest.raises(BadMessageError, match="without a size"):
        ChunkedBody().feed(b"zz\r\n")


def test_a_fixed_body_takes_its_length_only() -> None:
    """What follows belongs to the next message."""
    body = FixedBody(3)
    assert body.feed(b"ab") == 2
    assert not body.done
    assert body.feed(b"cdef") == 1
    assert body.done


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\nnonsense", b"GET / HTTP/1.1\r\nContent-Length: x"])
def test_a_head_that_makes_no_sense_is_refused(raw: bytes) -> None:
    """Guessing at framing is how requests get smuggled."""
    with pytest.raises(BadMessageError):
        parse_head(raw)


@pytest.mark.parametrize(
    ("raw", "close"),
    [
        (b"GET / HTTP/1.1", False),
        (b"GET / HTTP/1.1\r\nConnection: Close", True),
        (b"GET / HTTP/1.0", True),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive", False),
    ],
)
def test_a_connection_ends_by_version_and_header(raw: bytes, close: bool) -> None:
    """HTTP/1.1 stays open unless told otherwise, HTTP/1.0 closes unless told otherwise."""
    assert parse_head(raw).close is close


def test_headers_between_two_hops_are_not_passed_on() -> None:
    """Connection headers speak of this hop only; the host is read without its port."""
    head = parse_head(b"GET / HTTP/1.1\r\nHost: Web.Example:80\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nX-A: 1")
    assert head.lines == [b"Host: Web.Example:80", b"X-A: 1"]
    assert head.host == "web.example"


@pytest.mark.parametrize(
    ("raw", "status", "to_head", "kind"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5", 200, False, FixedBody),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", 200, False, ChunkedBody),
        (b"HTTP/1.1 200 OK", 200, False, EndlessBody),
        (b"HTTP/1.1 204 No Content", 204, False, FixedBody),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", 200, True, FixedBody),
    ],
)
def test_the_body_of_a_response_follows_its_head(raw: bytes, status: int, to_head: bool, kind: type) -> None:
    """RFC 9112 section 6.3, in its order."""
    assert isinstance(response_body(parse_head(raw), status=status, to_head=to_head), kind)


def test_a_request_without_a_length_has_no_body() -> None:
    """Unlike a response, whose end may be the connection's end."""
    assert request_body(parse_head(b"GET / HTTP/1.1")).done
    assert isinstance(request_body(parse_head(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked")), ChunkedBody)


def test_an_answer_of_its_own_carries_its_length() -> None:
    """A fixed response is a whole message."""
    text = answer(418, "short", close=True)
    assert text.startswith(b"HTTP/1.1 418 ")
    assert b"Content-Length: 5\r\n" in text
    assert text.endswith(b"Connection: close\r\n\r\nshort")
