"""A socket whose timeouts the kernel keeps: with Python's own every call is two or three, and a fight for the GIL each.

Python's `settimeout` makes the socket non-blocking (a call), and polls it (a call) before each `recv` or `send` (a
call). Each of them gives the GIL away, and among threads with work to do has to wait to get it back.
"""

from __future__ import annotations

import math
import socket
import struct
from typing import Any


class TimedSocket(socket.socket):
    """A stream socket for one thread at a time; what it raises, and when, is what `socket.socket` raises."""

    _timeout_s: float | None = None
    _kernel_timeout_s: float | None = None

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
        if self._timeout_s == 0:
            return super().recv(bufsize, flags | socket.MSG_DONTWAIT)
        if self._timeout_s != self._kernel_timeout_s:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(self._timeout_s))
            self._kernel_timeout_s = self._timeout_s
        try:
            return super().recv(bufsize, flags)
        except BlockingIOError as error:
            raise TimeoutError("timed out") from error

    def send(self, data: Any, flags: int = 0, /) -> int:
        """Send all of `data`. Raises what `sendall` raises."""
        self.sendall(data, flags)
        return len(data)

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of `data`: what fits at once in one call, the rest with Python's timeout, which is for all of it."""
        try:
            sent = super().send(data, flags | socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        super().settimeout(self._timeout_s)
        try:
            super().sendall(memoryview(data)[sent:], flags)
        finally:
            super().settimeout(None)


def _timeval(seconds: float | None) -> bytes:
    """The kernel's form: seconds and microseconds; 0 is for ever."""
    return struct.pack("@ll", *divmod(math.ceil((seconds or 0) * 1_000_000), 1_000_000))
