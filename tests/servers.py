"""Servers on the loopback that behave as told."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

HOME = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Talk = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(talk: Talk, *, certificate: Path | None = None) -> Iterator[int]:
    """Serve each connection with a function, over TLS with a certificate; answer the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # The client may hang up whenever it likes.
            with contextlib.suppress(OSError), secured(self.request, certificate) as line:
                talk(line)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server((HOME, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield int(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()


def secured(line: socket.socket, certificate: Path | None) -> socket.socket:
    """Wrap a connection in TLS."""
    if not certificate:
        return line
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context.wrap_socket(line, server_side=True)


def heard(line: socket.socket) -> bytes:
    """Read one request with its body; nothing when the client hung up."""
    text = b""
    while b"\r\n\r\n" not in text:
        piece = line.recv(65536)
        if not piece:
            return b""
        text += piece
    head, _, body = text.partition(b"\r\n\r\n")
    for field in head.split(b"\r\n"):
        name, _, value = field.partition(b": ")
        while name.lower() == b"content-length" and len(body) < int(value):
            body += line.recv(65536)
    return head + b"\r\n\r\n" + body


def says(*answers: bytes, seen: list[bytes] | None = None) -> Talk:
    """Answer the requests of one connection in turn, then hang up."""

    def talk(line: socket.socket) -> None:
        for answer in answers:
            request = heard(line)
            if not request:
                return
            if seen is not None:
                seen.append(request)
            line.sendall(answer)

    return talk
