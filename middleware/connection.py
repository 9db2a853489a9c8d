"""Kept-alive HTTP/1.1 connections to a server: the bytes that go out and come in, with nothing added or decoded.

A library would parse headers as e-mail, encode the target anew and add headers of its own; for a relay that is most of
its processor time.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from middleware.message import CHUNK_BYTES, Headers
from middleware.timed_socket import TimedSocket

_MAX_HEAD_BYTES = 16 * 1024 * 1024  # a Warning header for each deprecation, and requests may meet thousands
_MAX_LINE_BYTES = 64 * 1024
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}")
_BODILESS = (204, 304)
_SWITCHING_PROTOCOLS = 101


class NotHttp(OSError):
    """What came is no HTTP/1 answer."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens: at a port, or at the unix socket `host` where there is none."""

    host: str
    port: int | None
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host

    def connect(self, timeout_s: float) -> Connection:
        """A new connection. Raises OSError, ssl.SSLError among them, and UnicodeError for what can be no host."""
        if self.port is None:
            sock = socket.socket(socket.AF_UNIX)
        else:
            sock = socket.create_connection((self.host, self.port), timeout_s)
        try:
            if self.port is None:
                sock.settimeout(timeout_s)
                sock.connect(self.host)
            else:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock = self.tls.wrap_socket(sock, server_hostname=self.host) if self.tls else TimedSocket.of(sock)
        except BaseException:
            sock.close()
            raise
        return Connection(sock)


class Pool:
    """Connections to one address, kept while nobody uses them. Thread-safe."""

    def __init__(self, address: Address, most_kept: int) -> None:
        self.address = address
        self._most_kept = most_kept
        self._kept: list[Connection] = []

    def take(self, connect_s: float, silence_s: float) -> Connection:
        """A kept connection that is still good, else a new one. Raises what Address.connect raises."""
        connection = self._take_kept() or self.address.connect(connect_s)
        connection.wait_for(silence_s)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep the connection for the next message, if it can be used again and there is room."""
        if connection.reusable and len(self._kept) < self._most_kept:
            self._kept.append(connection)
        else:
            connection.close()

    def _take_kept(self) -> Connection | None:
        while self._kept:
            try:
                connection = self._kept.pop()
            except IndexError:  # another thread was faster
                return None
            if not connection.is_stale:
                return connection
            connection.close()
        return None


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer, headers as they came; `length` of the body in bytes, None where chunks or the end tell."""

    status: int
    reason: str
    headers: Headers
    length: int | None
    is_chunked: bool
    keeps_alive: bool


class Connection:
    """A socket and what was read of it ahead, used up to `_at`. Methods raise OSError, after a silence TimeoutError."""

    __slots__ = ("_ahead", "_at", "_poll", "_sock", "reusable")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._ahead, self._at = b"", 0
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.reusable = False

    @property
    def is_stale(self) -> bool:
        """Whether the server has closed it meanwhile, or said something unasked."""
        return bool(self._poll.poll(0))

    def close(self) -> None:
        """End it, whatever was left to read."""
        self._sock.close()

    def wait_for(self, silence_s: float) -> None:
        """From now on give up after a silence of `silence_s` seconds."""
        if self._sock.gettimeout() != silence_s:
            self._sock.settimeout(silence_s)

    def send(self, head: bytes, body: bytes | Iterable[bytes] | None, *, chunked: bool) -> None:
        """Send one request; whatever the body's stream raises passes through."""
        self.reusable = False
        if isinstance(body, bytes) and not chunked:
            self._sock.sendall(head + body if len(body) < CHUNK_BYTES else head)
            if len(body) >= CHUNK_BYTES:
                self._sock.sendall(body)
            return
        self._sock.sendall(head)
        for chunk in (body,) if isinstance(body, bytes) else body or ():
            if chunk:
                self._sock.sendall(b"%X\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        if chunked:
            self._sock.sendall(b"0\r\n\r\n")

    def read_head(self, method: str) -> Head:
        """The head of the next final answer; interim ones (100, 103) are passed over."""
        while True:
            head = read_head(self._read_until(b"\r\n\r\n", _MAX_HEAD_BYTES), method)
            if head.status >= 200 or head.status == _SWITCHING_PROTOCOLS:
                return head

    def read_body(self, head: Head) -> Iterator[bytes]:
        """The body piece by piece as it comes, without its chunks' framing; then `reusable` is decided."""
        if head.is_chunked:
            yield from self._read_chunks()
        elif head.length is not None:
            yield from self._read_exactly(head.length)
        else:
            yield from self._read_to_end()
        self.reusable = head.keeps_alive and self._at == len(self._ahead)

    def _read_chunks(self) -> Iterator[bytes]:
        while True:
            line = self._read_until(b"\r\n", _MAX_LINE_BYTES).partition(b";")[0].strip()
            if not _CHUNK_SIZE.fullmatch(line):
                raise NotHttp("the size of a chunk is no number")
            size = int(line, 16)
            if not size:
                break
            yield from self._read_exactly(size)
            if self._read_until(b"\r\n", _MAX_LINE_BYTES):
                raise NotHttp("a chunk is longer than its size")
        while self._read_until(b"\r\n", _MAX_LINE_BYTES):
            pass

    def _read_exactly(self, count: int) -> Iterator[bytes]:
        while count:
            if self._at == len(self._ahead):
                self._ahead, self._at = self._receive(), 0
            data = self._ahead[self._at : self._at + count]
            self._at += len(data)
            count -= len(data)
            yield data

    def _read_to_end(self) -> Iterator[bytes]:
        data = self._ahead[self._at :]
        self._ahead, self._at = b"", 0
        while data or (data := self._sock.recv(CHUNK_BYTES)):
            yield data
            data = b""

    def _read_until(self, mark: bytes, max_bytes: int) -> bytes:
        """What comes before `mark`, which is passed over, too."""
        searched = self._at
        while (end := self._ahead.find(mark, searched)) < 0:
            unread = self._ahead[self._at :]
            if len(unread) > max_bytes:
                raise NotHttp(f"more than {max_bytes} bytes without an end of line or head")
            self._ahead, self._at = unread + self._receive(), 0
            searched = max(0, len(unread) - len(mark))
        found = self._ahead[self._at : end]
        self._at = end + len(mark)
        return found

    def _receive(self) -> bytes:
        data = self._sock.recv(CHUNK_BYTES)
        if not data:
            raise ConnectionError("the server closed the connection")
        return data


def read_head(data: bytes, method: str) -> Head:
    """The head of an answer to `method`, and how its body is framed (RFC 9112, section 6.3). Raises NotHttp."""
    first, *lines = data.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    code, _, reason = rest.partition(" ")
    if not version.startswith("HTTP/1.") or not (code.isascii() and code.isdecimal() and len(code) == 3):
        raise NotHttp(f"no HTTP/1 answer: {first[:100]!r}")
    headers = tuple(_read_header(line) for line in lines)
    lengths, codings, connection = set(), "", ""
    for name, value in headers:
        lower = name.lower()
        if lower == "content-length":
            lengths.add(value)
        elif lower == "transfer-encoding":
            codings = value.lower()
        elif lower == "connection":
            connection += f",{value.lower()}"
    status = int(code)
    is_bodiless = method == "HEAD" or status < 200 or status in _BODILESS
    is_chunked = codings.endswith("chunked") and not is_bodiless
    length = 0 if is_bodiless else None if codings else _read_length(lengths)
    tokens = {token.strip() for token in connection.split(",")}
    keeps_alive = "close" not in tokens and (version != "HTTP/1.0" or "keep-alive" in tokens)
    return Head(status, reason, headers, length, is_chunked, keeps_alive and (is_chunked or length is not None))


def _read_header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name.strip() != name or "\n" in line or "\r" in line:
        raise NotHttp(f"not a header: {line[:100]!r}")
    return name, value.strip(" \t")


def _read_length(lengths: set[str]) -> int | None:
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdecimal()):
        raise NotHttp("the length of the answer is no number")
    return int(length)
