"""A socket with the kernel's timeouts behaves as one with Python's."""

from __future__ import annotations

import socket
import statistics
import threading
import time

import pytest

from middleware.timed_socket import TimedSocket

MUCH = bytes(range(256)) * 40_000  # more than both ends' buffers hold


@pytest.fixture(params=["kernel's", "Python's"])
def ends(request):
    """Our end, with the timeouts of either kind, and the other one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = socket.create_connection(server.getsockname())
        ours = server.accept()[0]
    ours = TimedSocket.of(ours) if request.param == "kernel's" else ours
    with ours, theirs:
        yield ours, theirs


def seconds_until(error, call) -> float:
    started = time.monotonic()
    with pytest.raises(error):
        call()
    return time.monotonic() - started


def test_a_silence_ends_with_the_timeout_of_the_moment(ends):
    ours, theirs = ends
    for timeout_s in (0.05, 0.3, 0.001):
        ours.settimeout(timeout_s)
        assert ours.gettimeout() == timeout_s
        assert timeout_s * 0.9 <= seconds_until(TimeoutError, lambda: ours.recv(10)) < timeout_s + 2
    theirs.sendall(b"at last")
    ours.settimeout(5)
    assert ours.recv(100) == b"at last"


def test_a_wait_ends_when_it_should_to_the_millisecond(ends):
    ours, _ = ends
    late_s = []
    for timeout_s in (0.35, 0.353, 0.356, 0.359, 0.362, 0.365, 0.368):
        ours.settimeout(timeout_s)
        late_s.append(seconds_until(TimeoutError, lambda: ours.recv(10)) - timeout_s)
    assert -0.001 < statistics.median(late_s) < 0.01  # most, on a busy machine; the kernel's own are up to 0.035 s late


def test_without_a_timeout_it_waits(ends):
    ours, theirs = ends
    ours.settimeout(0.001)
    seconds_until(TimeoutError, lambda: ours.recv(10))
    ours.settimeout(None)
    timer = threading.Timer(0.2, theirs.sendall, [b"late"])
    timer.start()
    assert ours.recv(100) == b"late"
    timer.join()


def test_one_that_may_not_wait_says_so_at_once(ends):
    ours, _ = ends
    ours.setblocking(False)
    assert seconds_until(BlockingIOError, lambda: ours.recv(10)) < 1
    assert seconds_until(BlockingIOError, lambda: ours.sendall(MUCH)) < 1
    ours.setblocking(True)
    assert ours.gettimeout() is None


@pytest.mark.parametrize("timeout_s", [None, 30])
def test_what_does_not_fit_at_once_is_sent_as_the_other_side_reads(ends, timeout_s):
    ours, theirs = ends
    ours.settimeout(timeout_s)
    received = bytearray()

    def read() -> None:
        while len(received) < len(MUCH):
            received.extend(theirs.recv(100_000))

    reader = threading.Thread(target=read)
    reader.start()
    ours.sendall(MUCH)
    reader.join(30)
    assert received == MUCH
    theirs.close()
    assert ours.recv(10) == b""


def test_who_takes_nothing_is_given_up(ends):
    ours, _ = ends
    ours.settimeout(0.2)
    assert 0.18 <= seconds_until(TimeoutError, lambda: ours.sendall(MUCH)) < 2.2


def test_one_whose_other_side_has_gone_is_a_connection_error(ends):
    ours, theirs = ends
    ours.settimeout(5)
    theirs.close()
    with pytest.raises(ConnectionError):
        ours.sendall(MUCH)
