"""An instance of tier B: one small HTTP server, run as a script of its own so that it starts in milliseconds.

``serving.py ADDRESS INSTANCE IMAGE BEHAVIOUR SPEED PORT...``; more ports come as lines on stdin, and it ends with
stdin. It imports nothing of this project: a hundred of them start at once.
"""

from __future__ import annotations

import json
import math
import os
import selectors
import socket
import sys
import time


class Serving:
    """The server; `behaviour` says how well it does (see `pipeline.sandbox.real.processes`)."""

    def __init__(self, address: str, instance: str, image: str, behaviour: str, speed: float) -> None:
        if not address.startswith("127."):
            raise SystemExit(f"an instance listens on loopback only, and {address} is not")
        self._address = address
        self.kind, _, amount = behaviour.partition(":")
        self._turn = time.monotonic() + float(amount or 0) / speed
        self._healthy_answers = float(amount) if self.kind == "fails-under-traffic" else math.inf
        self._bodies = {
            status: json.dumps({"instance": instance, "image": image, "status": status}).encode() + b"\n"
            for status in (200, 500)
        }
        self._ports: set[int] = set()
        self._waiting: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._buffers: dict[socket.socket, bytes] = {}

    def open(self, port: int) -> None:
        """Listen on a port; a dead instance never does, and a slow one not yet."""
        if self.kind == "dead" or port in self._ports:
            return
        if self.kind == "slow" and time.monotonic() < self._turn:
            self._waiting.add(port)
            return
        listener = socket.create_server((self._address, port), backlog=1024)
        listener.setblocking(False)
        self._ports.add(port)
        self._selector.register(listener, selectors.EVENT_READ, self._accept)

    def run(self, orders: int) -> None:
        """Serve until a descriptor ends; each line that comes there is one more port."""
        self._selector.register(orders, selectors.EVENT_READ, None)
        words = b""
        while True:
            pause = max(0.0, self._turn - time.monotonic()) if self._waiting else None
            for key, _ in self._selector.select(pause):
                if key.data is not None:
                    key.data(key.fileobj)
                    continue
                data = os.read(orders, 65536)
                if not data:
                    self._close()
                    return
                *lines, words = (words + data).split(b"\n")
                for line in lines:
                    self.open(int(line))
            if self._waiting and time.monotonic() >= self._turn:
                ports, self._waiting = self._waiting, set()
                for port in sorted(ports):
                    self.open(port)

    def _close(self) -> None:
        for key in tuple(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()

    def _accept(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffers[connection] = b""
        self._selector.register(connection, selectors.EVENT_READ, self._read)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(65536)
        except OSError:
            data = b""
        buffer = self._buffers.pop(connection) + data
        close = not data
        # Bodies of requests are not read: nothing of the sandbox posts to an instance of this tier.
        while b"\r\n\r\n" in buffer and not close:
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            close = self._answer(connection, head)
        if close:
            self._selector.unregister(connection)
            connection.close()
        else:
            self._buffers[connection] = buffer

    def _answer(self, connection: socket.socket, head: bytes) -> bool:
        sick = self.kind == "sick" or (self.kind == "turns-sick-after" and time.monotonic() >= self._turn)
        sick = sick or self._healthy_answers <= 0
        if b"ELB-HealthChecker" not in head:
            self._healthy_answers -= 1
        status, reason = (500, b"Internal Server Error") if sick else (200, b"OK")
        body = self._bodies[status]
        close = b"connection: close" in head.lower()
        lines = (
            b"HTTP/1.1 %d %s" % (status, reason),
            b"Content-Type: application/json",
            b"Content-Length: %d" % len(body),
            b"Connection: close" if close else b"Connection: keep-alive",
        )
        payload = b"" if head.startswith(b"HEAD ") else body
        try:
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + payload)
        except OSError:
            return True
        return close


def main(arguments: list[str]) -> None:
    """Serve."""
    address, instance, image, behaviour, speed, *ports = arguments
    serving = Serving(address, instance, image, behaviour, float(speed))
    for port in ports:
        serving.open(int(port))
    sys.stdout.write("dead\n" if serving.kind == "dead" else "up\n")
    sys.stdout.flush()
    serving.run(sys.stdin.fileno())


if __name__ == "__main__":
    main(sys.argv[1:])
