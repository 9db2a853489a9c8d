"""Messages on their way through: bodies in pieces, lengths kept, hop-by-hop headers dropped."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.message import BrokenRequest, Request, Response, end_to_end


def post(body: bytes, length: int | None) -> Request:
    return Request("POST", "/", (), True, length, stream=io.BytesIO(body))


@given(st.binary(max_size=300_000), st.integers(0, 300_000), st.booleans())
def test_what_was_read_and_what_streams_is_the_whole_body(body, limit, chunked):
    started = post(body, None if chunked else len(body)).started(limit)
    assert len(started.body) <= limit + 1
    assert (started.stream is None) == (len(body) <= limit)
    assert b"".join(started.chunks()) == body


def test_a_body_read_twice_is_read_once():
    request = post(b"abc", 3).started(10)
    assert request.started(10).body == b"abc"
    assert b"".join(request.chunks()) == b"".join(request.chunks()) == b"abc"


@pytest.mark.parametrize("read", [lambda request: request.started(100), lambda request: b"".join(request.chunks())])
def test_a_body_that_ends_early_is_an_error(read):
    with pytest.raises(BrokenRequest, match="3 of 5"):
        read(post(b"abc", 5))


def test_a_stream_that_fails_is_a_broken_request():
    class Gone:
        def read(self, size=-1):
            raise ConnectionResetError("gone")

    with pytest.raises(BrokenRequest, match="gone"):
        list(Request("POST", "/", (), True, None, stream=Gone()).chunks())


def test_hop_by_hop_headers_and_those_that_connection_names_are_dropped():
    headers = (("Connection", "keep-alive, X-Hop"), ("x-hop", "1"), ("TE", "trailers"), ("X-A", "1"), ("x-a", "2"))
    assert end_to_end(headers) == (("X-A", "1"), ("x-a", "2"))


def test_headers_are_found_in_any_case():
    assert Request("GET", "/a?b=c", (("X-Rerank", "off"),)).header("x-rerank") == "off"
    assert Request("GET", "/a?b=c", ()).header("x-rerank") is None


@pytest.mark.parametrize(
    ("response", "line"), [(Response(200, ()), "200 OK"), (Response(299, (), (), "Odd"), "299 Odd")]
)
def test_the_status_line_keeps_the_nodes_reason(response, line):
    assert response.status_line == line
