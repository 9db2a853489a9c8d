"""Reads requests from a client's connection as they were on the wire, and waits for no client for ever.

gunicorn's own parser changes names and refuses bytes that clients do send; it also reads under no time limit, and takes
request lines of any length.
"""

from __future__ import annotations

import re
import time
from typing import Any

from gunicorn.http import Request, RequestParser
from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader

from middleware.message import BrokenRequest, RequestTimeout

_HIGH_BYTE = re.compile(rb"[\x80-\xff]")
# Nodes take far less by default (4 KiB and 8 KiB); gunicorn copies the head at each read, so time is quadratic in it.
_LINE_BYTES = 1024 * 1024
_HEAD_BYTES = 1024 * 1024
_SHORTEST_WAIT_S = 0.001


class HeadTimeout(ParseException):  # type: ignore[misc]
    """The client did not send the whole head of its request in time."""

    def __str__(self) -> str:
        return "the head of the request did not come in time (server.client_timeout_s)"


class RelayRequest(Request):  # type: ignore[misc]
    """A request with its target and header names as they were on the wire.

    gunicorn refuses bytes above 127 in the target, which `curl` sends for `?q=...` in any script but Latin, and
    writes all names in capitals.
    """

    wire_headers: tuple[tuple[str, str], ...] = ()
    max_buffer_headers: int

    @property
    def is_read(self) -> bool:
        """Whether the body was read to its end."""
        reader = self.body.reader
        return (reader.parser is None) if isinstance(reader, ChunkedReader) else reader.length == 0

    def parse(self, unreader: Any) -> bytes:
        """Read the head, of bounded size, and never with gunicorn's optional parser, which calls none of this."""
        self._use_fast = False
        self.max_buffer_headers = min(self.max_buffer_headers, _HEAD_BYTES)
        head: bytes = super().parse(unreader)
        return head

    def read_line(self, unreader: Any, buf: bytearray, limit: int = 0) -> tuple[bytes, bytearray]:
        """Read the request line, of bounded length: gunicorn's setting allows at most 8,190 bytes or any number."""
        line: tuple[bytes, bytearray] = super().read_line(unreader, buf, limit or _LINE_BYTES)
        return line

    def parse_request_line(self, line_bytes: bytes) -> None:
        """Let gunicorn read the line with such bytes of the target percent-encoded, then keep the target as it came."""
        method, _, rest = line_bytes.partition(b" ")
        target, _, version = rest.rpartition(b" ")
        encoded = _HIGH_BYTE.sub(lambda found: b"%%%02X" % found[0][0], target)
        super().parse_request_line(line_bytes if encoded == target else b" ".join((method, encoded, version)))
        if encoded != target:
            self.uri = target.decode("latin-1")

    def parse_headers(self, data: bytes, from_trailer: bool = False) -> list[tuple[str, str]]:
        """gunicorn's headers; `wire_headers` are the same with the names as they came."""
        headers: list[tuple[str, str]] = super().parse_headers(data, from_trailer)
        if not from_trailer:
            names = (line.partition(b":")[0].decode("latin-1") for line in data.split(b"\r\n"))
            self.wire_headers = tuple((name, value) for name, (_, value) in zip(names, headers, strict=True))
        # To gunicorn a client's SCRIPT_NAME would be the place where the application is mounted.
        return [pair for pair in headers if pair[0] != "SCRIPT_NAME"]


class PatientUnreader(SocketUnreader):  # type: ignore[misc]
    """Reads from a socket; while `deadline` (seconds, monotonic) is set, all reads together end by then."""

    deadline: float | None = None

    def chunk(self, size_hint: int | None = None) -> bytes:
        """What the socket has next; raises TimeoutError."""
        if self.deadline is not None:
            self.sock.settimeout(max(self.deadline - time.monotonic(), _SHORTEST_WAIT_S))
        data: bytes = super().chunk(size_hint)
        return data

    def comes_within(self, seconds: float) -> bool:
        """Whether the client says something in that time, or leaves; what it says is kept for the next read."""
        if self.buf.getvalue():
            return True
        self.sock.settimeout(seconds)
        try:
            self.unread(self.sock.recv(self.mxchunk))
        except TimeoutError:
            return False
        except OSError:  # the next read finds the connection at its end
            return True
        return True


class RelayParser(RequestParser):  # type: ignore[misc]
    """Reads the requests of one connection: a head within `timeout_s`, then a body with no longer silence than that."""

    mesg_class = RelayRequest

    def __init__(self, cfg: Any, sock: Any, client: Any, timeout_s: float) -> None:
        super().__init__(cfg, sock, client)
        self.unreader = PatientUnreader(sock)
        self._timeout_s = timeout_s

    def __next__(self) -> RelayRequest:
        """The next request's head; raises StopIteration at the end, HeadTimeout, and gunicorn's errors."""
        self.unreader.deadline = time.monotonic() + self._timeout_s
        try:
            request: RelayRequest = super().__next__()
        except TimeoutError as error:
            raise HeadTimeout from error
        finally:
            self.unreader.deadline = None
        self.unreader.sock.settimeout(self._timeout_s)
        return request


class ClientBody:
    """A request's body as a WSGI input: every way in which reading it fails is a BrokenRequest."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, all where it is negative; empty at the end. Raises BrokenRequest."""
        return self._translated(self._body.read, size)

    def readline(self, size: int = -1, /) -> bytes:
        """The next line, of up to `size` bytes. Raises BrokenRequest."""
        return self._translated(self._body.readline, size)

    def readlines(self, _hint: int = -1, /) -> list[bytes]:
        """All lines. Raises BrokenRequest."""
        return list(self)

    def __iter__(self) -> Any:
        return iter(self.readline, b"")

    def _translated(self, read: Any, size: int) -> bytes:
        try:
            data: bytes = read(size)
        except TimeoutError as error:
            raise RequestTimeout("the rest of the body did not come in time (server.client_timeout_s)") from error
        except (OSError, ParseException) as error:
            raise BrokenRequest(f"the body could not be read: {str(error) or type(error).__name__}") from error
        return data
