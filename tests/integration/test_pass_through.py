"""What is not a reranked search goes through byte for byte, seen on the wire on both sides of a real proxy process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from recorder import Recorder, exchange

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def port(recorder, start_proxy_process) -> int:
    return start_proxy_process({"upstream": {"urls": [recorder.url]}}).port


def lines_of(message: bytes) -> list[bytes]:
    return message.partition(b"\r\n\r\n")[0].split(b"\r\n")


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/a%2Fb/%2f/_doc/1",
        "//double//slash",
        "/./dots/../kept",
        "/i/_doc/a+b%20c?x=1&x=2&empty=&flag&q=a%2Bb+c",
        "/<products-{now%2Fd}>/_count?q=%E4%B8%AD%E6%96%87",
        "/_search/scroll?scroll_id=DXF1==",
        "/a,b,*,-c/_doc/1;v=1?pretty&&filter_path=**",
        "/" + "long" * 5000,
    ],
)
def test_the_request_line_arrives_as_it_was_sent(recorder, port, target):
    exchange(port, f"GET {target} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n".encode())
    assert lines_of(recorder.requests[-1])[0] == f"GET {target} HTTP/1.1".encode()


def test_request_headers_keep_order_repeats_and_underscores_and_gain_none(recorder, port):
    headers = ["Host: shop", "X-A: 1", "x-a: 2", "X_Under_Score: u", "Cookie: a=1", "Cookie: b=2", "X-Utf: \xe4\xf6"]
    request = (
        "GET /x HTTP/1.1\r\n"
        + "".join(f"{line}\r\n" for line in headers)
        + "Connection: close\r\nConnection: X-Hop\r\n"
    )
    exchange(port, (request + "X-Hop: gone\r\nTE: trailers\r\n\r\n").encode("latin-1"))
    arrived = [line.lower() for line in lines_of(recorder.requests[-1])[1:]]
    assert sorted(arrived) == sorted(line.lower().encode("latin-1") for line in headers)
    assert [line for line in arrived if line.startswith(b"x-a:")] == [b"x-a: 1", b"x-a: 2"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE", "QUERY"])
def test_any_method_with_any_body_arrives_as_it_was_sent(recorder, port, method):
    body = bytes(range(256)) * 300
    head = f"{method} /i/_doc/1 HTTP/1.1\r\nHost: shop\r\nContent-Type: application/cbor\r\nContent-Length: {len(body)}"
    exchange(port, head.encode() + b"\r\nConnection: close\r\n\r\n" + body)
    arrived = recorder.requests[-1]
    assert arrived.startswith(f"{method} /i/_doc/1 ".encode())
    assert arrived.endswith(b"\r\n\r\n" + body)


def test_a_chunked_body_arrives_chunked_and_whole(recorder, port):
    head = b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    exchange(port, head + b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n")
    head, _, body = recorder.requests[-1].partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head.lower()
    assert b"".join(body.split(b"\r\n")[1::2]) == b"hello world"


def test_expect_100_continue_is_answered_before_the_body_is_sent(port):
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"PUT /i/_doc/1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")
        connection.sendall(b"{}")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\nWarning: 299 a\r\nWarning: 299 b\r\n"
        b"content-type: application/cbor\r\ncontent-length: 4\r\n\r\n\x00\xff\n\r",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 299 Odd Reason\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
        b"HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n",
    ],
)
def test_the_answer_comes_back_as_it_was_given(recorder, port, answer):
    recorder.answer = lambda _request: answer
    try:
        received = exchange(port, b"GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    finally:
        recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    assert received.replace(b"Connection: close\r\n", b"") == answer


def test_a_chunked_answer_comes_back_whole_and_chunked(recorder, port):
    recorder.answer = lambda _request: (
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"
    )
    try:
        received = exchange(port, b"GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    finally:
        recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"".join(body.split(b"\r\n")[1::2]) == b"abcde"


def test_head_keeps_the_length_of_the_body_it_does_not_have(recorder, port):
    recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n"
    try:
        received = exchange(port, b"HEAD /i HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    finally:
        recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    assert b"content-length: 1234\r\n" in received
    assert received.endswith(b"\r\n\r\n")


def test_an_answer_that_breaks_off_reaches_the_client_broken_off(recorder, port):
    recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"
    try:
        received = exchange(port, b"GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    finally:
        recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    assert received.endswith(b"only this")


def test_a_search_that_is_switched_off_goes_through_with_only_our_two_headers_added(recorder, port):
    body = b'{ "query" : {"match_all":{}},\n "size": 3 }'
    head = b"POST /products/_search?typed_keys HTTP/1.1\r\nHost: shop\r\nX-Rerank: off\r\n"
    head += b"Content-Type: application/json\r\n"
    received = exchange(port, head + b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    assert recorder.requests[-1].endswith(b"\r\n\r\n" + body)
    added = set(lines_of(received)) - {b"HTTP/1.1 200 OK", b"content-length: 2", b"Connection: close"}
    assert added == {b"X-Rerank: skipped", b"X-Rerank-Reason: off"}


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET /x HTTP/1.1\r\nHost: a\r\nX-Big: " + b"b" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /x HTTP/1.1\r\n" + b"".join(b"X-%d: %b\r\n" % (number, b"b" * 60_000) for number in range(20)), b"431"),
        (b"GET /" + b"x" * 1_100_000, b"414"),
        ("GÉT /x HTTP/1.1\r\nHost: a\r\n\r\n".encode(), b"400"),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: wonders\r\n\r\n{}", b"417"),
    ],
)
def test_a_request_that_is_not_http_gets_an_error_in_elasticsearchs_shape(port, request_bytes, status):
    received = exchange(port, request_bytes)
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert body.startswith(b'{"error": {"root_cause"')
    assert b"Traceback" not in body


def test_raw_bytes_in_the_request_line_arrive_raw(recorder, port):
    line = "GET /_search?q=手机 HTTP/1.1".encode()
    exchange(port, line + b"\r\nHost: shop\r\nX-Rerank: off\r\nConnection: close\r\n\r\n")
    assert lines_of(recorder.requests[-1])[0] == line


def test_a_post_without_a_length_has_no_body(recorder, port):
    exchange(port, b"POST /i/_refresh HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    assert recorder.requests[-1].endswith(b"\r\n\r\n")


def test_a_request_with_two_lengths_is_refused_and_never_reaches_the_node(recorder, port):
    before = len(recorder.requests)
    head = b"POST /_bulk HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert exchange(port, head + b"0\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert len(recorder.requests) == before


def test_an_answer_with_a_length_and_chunks_comes_back_with_chunks_alone(recorder, port):
    recorder.answer = lambda _request: (
        b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    )
    try:
        received = exchange(port, b"GET /x HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
    finally:
        recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-length" not in head.lower()
    assert body == b"2\r\nab\r\n0\r\n\r\n"


def test_header_names_keep_their_case(recorder, port):
    exchange(port, b"GET /x HTTP/1.1\r\nHost: shop\r\nX-oPaQue-ID: 1\r\nauthorization: a\r\nConnection: close\r\n\r\n")
    assert lines_of(recorder.requests[-1])[1:] == [b"Host: shop", b"X-oPaQue-ID: 1", b"authorization: a"]
