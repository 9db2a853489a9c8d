"""Answers read from the wire: whatever pieces they come in, and whatever is no answer is told from one."""

from __future__ import annotations

import socket
import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from middleware.connection import Connection, NotHttp, read_head

CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNKED = CHUNKED_HEAD + b"3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
MEASURED = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\nWarning: a\r\nwarning: b\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + MEASURED
ENDLESS = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
OLD = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def read(pieces, method="GET", close=True) -> tuple:
    """Status, body, whether the connection may be used again."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    connection = Connection(ours)

    def send() -> None:
        for piece in pieces:
            theirs.sendall(piece)
        if close:
            theirs.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        head = connection.read_head(method)
        return head.status, b"".join(connection.read_body(head)), connection.reusable
    finally:
        sender.join()
        connection.close()
        theirs.close()


@pytest.mark.parametrize(
    ("wire", "method", "expected"),
    [
        (CHUNKED, "GET", (200, b"abc0123456789", True)),
        (MEASURED, "GET", (404, b"hello", True)),
        (INTERIM, "GET", (404, b"hello", True)),
        (ENDLESS, "GET", (200, b"until the end", False)),
        (OLD, "GET", (200, b"hi", False)),
        (OLD.replace(b"\r\n\r\n", b"\r\nConnection: Keep-Alive\r\n\r\n"), "GET", (200, b"hi", True)),
        (MEASURED.replace(b"\r\n\r\n", b"\r\nConnection: foo, Close\r\n\r\n"), "GET", (404, b"hello", False)),
        (MEASURED + b"unasked", "GET", (404, b"hello", False)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", "HEAD", (200, b"", True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", (200, b"", True)),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", "GET", (304, b"", True)),
        (b"HTTP/1.1 204\r\n\r\n", "GET", (204, b"", True)),
    ],
)
def test_the_frame_of_an_answer_is_read_as_the_standard_says(wire, method, expected):
    assert read([wire], method) == expected


@given(
    st.sampled_from([CHUNKED, MEASURED, INTERIM, ENDLESS]),
    st.lists(st.integers(0, len(INTERIM)), max_size=6),
)
@settings(max_examples=60)
def test_the_pieces_in_which_an_answer_comes_do_not_matter(wire, cuts):
    ends = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [wire[start:end] for start, end in pairwise(ends)]
    assert read(pieces) == read([wire])


@pytest.mark.parametrize(
    "wire",
    [
        b"GARBAGE\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: no name\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: 1\nX-B: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello!\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 100_000,
        b"HTTP/1.1 200",
        b"",
    ],
)
def test_what_is_no_whole_answer_is_an_error(wire):
    with pytest.raises(OSError):
        read([wire])


def test_thousands_of_warnings_are_a_head_like_any_other():
    head = read_head(b"HTTP/1.1 200 OK\r\n" + b"\r\n".join([b"Warning: 299 deprecated"] * 5000), "GET")
    assert len(head.headers) == 5000
    with pytest.raises(NotHttp):
        read_head(b"HTTP/1.1 twice OK", "GET")


def test_a_body_of_a_hundred_thousand_chunks_is_read_in_time():
    wire = CHUNKED_HEAD + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
    assert read([wire]) == (200, b"x" * 100_000, True)


def test_a_closed_or_talkative_connection_is_stale():
    ours, theirs = socket.socketpair()
    connection = Connection(ours)
    assert not connection.is_stale
    theirs.sendall(b"unasked")
    assert connection.is_stale
    theirs.close()
    assert connection.is_stale
    connection.close()
