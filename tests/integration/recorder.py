"""A dummy node that records the bytes it gets and answers the bytes it is told: what a relay changes shows up here."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class Recorder:
    """Serves one request a connection. `answer` is called with the request's bytes and gives the answer's."""

    def __init__(self, answer: Callable[[bytes], bytes] = lambda _request: OK) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            request = read_message(connection)
            self.requests.append(request)
            connection.sendall(self.answer(request))


def read_message(connection: socket.socket) -> bytes:
    """One HTTP message as it was on the wire: head, and a body of its declared length or chunks."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
    chunked = any(line.startswith(b"transfer-encoding:") for line in lines)
    while (chunked and not body.endswith(b"0\r\n\r\n")) or len(body) < length:
        body += _receive(connection)
    return head + b"\r\n\r\n" + body


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("closed in the middle of a message")
    return data


def exchange(port: int, request: bytes) -> bytes:
    """Send raw bytes to a local port; everything that comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request)
        data = b""
        while True:
            received = connection.recv(65536)
            if not received:
                return data
            data += received
