"""A socket whose waits are the kernel's: with Python's timeouts every call is two or three, each a fight for the GIL.

Python's `settimeout` makes the socket non-blocking (a call), and polls it (a call) before each `recv` or `send` (a
call). Each of them gives the GIL away, and among threads with work to do has to wait to get it back.
"""

from __future__ import annotations

import math
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Linux ends a wait up to an eighth too late, short ones some milliseconds: the last part is left to Python.
_KERNELS_SHARE = 0.8
_LEAST_S = 0.0001


class TimedSocket(socket.socket):
    """A stream socket for one thread at a time; what it raises, and when, is what `socket.socket` raises."""

    _timeout_s: float | None = None
    _kernels_timeout_s: float | None = None  # the one that the kernel was told its share of

    @classmethod
    def of(cls, sock: socket.socket) -> TimedSocket:
        """The connection of `sock`, which is taken from it, with no timeout yet."""
        timed = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        socket.socket.settimeout(timed, None)
        return timed

    def gettimeout(self) -> float | None:
        """Seconds; None for ever."""
        return self._timeout_s

    def settimeout(self, value: float | None, /) -> None:
        """Give up after `value` seconds, from the next call on; None never, 0 at once."""
        self._timeout_s = value

    def setblocking(self, flag: bool, /) -> None:
        """Whether to wait at all; the descriptor itself blocks in any case."""
        self._timeout_s = None if flag else 0.0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        """What came, empty at the end. Raises TimeoutError, and BlockingIOError where the timeout is 0."""
        timeout_s = self._timeout_s
        if timeout_s == 0:
            return super().recv(bufsize, flags | socket.MSG_DONTWAIT)
        if timeout_s != self._kernels_timeout_s:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(_KERNELS_SHARE * (timeout_s or 0)))
            self._kernels_timeout_s = timeout_s
        started = time.monotonic()
        try:
            return super().recv(bufsize, flags)
        except BlockingIOError:
            left_s = started + (timeout_s or 0) - time.monotonic()
        with self._timed_by_python(max(left_s, _LEAST_S)):
            return super().recv(bufsize, flags)

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send all of `data`. Raises what `sendall` raises."""
        self.sendall(data, flags)
        return len(data)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of `data` within the timeout. Raises TimeoutError, and BlockingIOError where the timeout is 0."""
        try:
            sent = super().send(data, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            with self._timed_by_python(self._timeout_s):
                super().sendall(memoryview(data)[sent:], flags)

    @contextmanager
    def _timed_by_python(self, timeout_s: float | None) -> Iterator[None]:
        super().settimeout(timeout_s)
        try:
            yield
        finally:
            super().settimeout(None)


def _timeval(seconds: float) -> bytes:
    """The kernel's form: seconds and microseconds; 0 is for ever."""
    return struct.pack("@ll", *divmod(math.ceil(seconds * 1_000_000), 1_000_000))
