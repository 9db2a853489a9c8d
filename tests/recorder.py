"""Dummy nodes that record the bytes they get and do as told: what a relay changes, repeats or leaks shows up here."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class Dummy:
    """Runs `behave` on every connection in a thread of its own, and counts connections taken and still open."""

    def __init__(
        self, behave: Callable[[socket.socket], None], tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self._behave = behave
        self._tls = tls
        self.accepted = 0
        self.open = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = int(self._socket.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def close(self) -> None:
        # shutdown, too: a thread that waits in accept() would keep the socket listening
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self.accepted += 1
            self.open += 1
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                self._behave(connection)
        except OSError:
            connection.close()
        finally:
            with self._lock:
                self.open -= 1


class Recorder(Dummy):
    """Answers `requests_per_connection` requests a connection with what `answer` gives for their bytes.

    `requests` are those of clients; `looks` are the proxy's own, which asks now and then what cluster is behind it.
    """

    def __init__(
        self,
        answer: Callable[[bytes], bytes] = lambda _request: OK,
        requests_per_connection: int = 1,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.looks: list[bytes] = []
        self._requests_per_connection = requests_per_connection
        super().__init__(self._record, tls, port)

    def _record(self, connection: socket.socket) -> None:
        for _ in range(self._requests_per_connection):
            request = read_message(connection)
            (self.looks if b"\r\nuser-agent: es-rerank" in request.lower() else self.requests).append(request)
            connection.sendall(self.answer(request))


def read_message(connection: socket.socket) -> bytes:
    """One HTTP message as it was on the wire: head, and a body of its declared length or chunks."""
    data = bytearray()
    while b"\r\n\r\n" not in data:
        data += _receive(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
    chunked = any(line.startswith(b"transfer-encoding:") for line in lines)
    while (chunked and not body.endswith(b"0\r\n\r\n")) or len(body) < length:
        body += _receive(connection)
    return bytes(head + b"\r\n\r\n" + body)


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("closed in the middle of a message")
    return data


def exchange(port: int, request: bytes, timeout: float = 30) -> bytes:
    """Send raw bytes to a local port; all that comes back until the other side closes, or is silent after an answer.

    Raises TimeoutError where nothing comes within `timeout` seconds.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(request)
        data = bytearray()
        while True:
            try:
                received = connection.recv(65536)
            except TimeoutError:
                if not data:
                    raise
                return bytes(data)
            if not received:
                return bytes(data)
            data += received
