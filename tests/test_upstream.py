"""Failover and repetition: no request is lost that could be answered, and none arrives twice that must not."""

from __future__ import annotations

import io
import socket
import struct
import time

import pytest
from recorder import OK, Dummy, Recorder, read_message

from middleware.config import UpstreamSettings
from middleware.errors import UpstreamError, UpstreamTimeout
from middleware.message import BrokenRequest, Request
from middleware.transport import NodeBrokeOff, NodeUnreachable
from middleware.upstream import Upstream, read_all


def make_upstream(*urls, **settings) -> Upstream:
    return Upstream(UpstreamSettings(urls=urls, **settings))


def free_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def get(upstream, target="/") -> tuple[int, bytes | None]:
    answer = upstream.forward(Request("GET", target, (("Host", "shop"),)))
    return answer.status, read_all(answer, 10_000_000)


def post(body, *, stream=None, length=None) -> Request:
    length = len(body) if length is None else length
    headers = (("Host", "shop"), ("Content-Length", str(length)))
    return Request("POST", "/i/_doc", headers, True, length, b"" if stream else body, stream)


def hang_up_after_reading(connection: socket.socket) -> None:
    read_message(connection)


def wait_until_closed(node: Dummy) -> None:
    deadline = time.monotonic() + 5
    while (node.open or not node.accepted) and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.fixture
def recorder():
    recorder = Recorder(requests_per_connection=1000)
    yield recorder
    recorder.close()


@pytest.fixture
def hanging_up():
    node = Dummy(hang_up_after_reading)
    yield node
    node.close()


def test_a_dead_node_in_the_list_fails_no_request(recorder):
    upstream = make_upstream(free_url(), recorder.url, free_url())
    assert [get(upstream)[0] for _ in range(30)] == [200] * 30


def test_a_dead_node_is_passed_over_until_its_pause_is_over(recorder):
    gone = free_url()
    upstream = make_upstream(gone, recorder.url, retry_dead_node_ms=600_000)
    for _ in range(4):
        assert get(upstream)[0] == 200
    returned = Recorder(port=int(gone.rpartition(":")[2]))
    for _ in range(4):
        assert get(upstream)[0] == 200
    assert returned.requests == []
    returned.close()


def test_a_node_that_returns_is_found_again(recorder):
    gone = free_url()
    upstream = make_upstream(gone, recorder.url, retry_dead_node_ms=1)
    for _ in range(4):
        assert get(upstream)[0] == 200
    returned = Recorder(port=int(gone.rpartition(":")[2]))
    deadline = time.monotonic() + 10
    while not returned.requests and time.monotonic() < deadline:
        assert get(upstream)[0] == 200
    assert returned.requests
    returned.close()


def test_with_every_node_dead_the_error_names_one_and_the_cluster_is_tried_each_time():
    upstream = make_upstream(free_url(), free_url(), retry_dead_node_ms=600_000)
    for _ in range(3):
        with pytest.raises(NodeUnreachable, match=r"127\.0\.0\.1:\d+ cannot be reached"):
            get(upstream)


def test_a_post_goes_to_the_next_node_where_nothing_was_sent(recorder):
    upstream = make_upstream(free_url(), free_url(), recorder.url)
    answer = upstream.forward(post(b"body", stream=io.BytesIO(b"body")))
    assert read_all(answer, 100) == b"hi"
    assert [request.endswith(b"\r\n\r\nbody") for request in recorder.requests] == [True]


@pytest.mark.parametrize("stream", [None, io.BytesIO(b"body")])
def test_a_post_that_may_have_arrived_is_never_sent_again(recorder, hanging_up, stream):
    upstream = make_upstream(hanging_up.url)
    with pytest.raises(NodeBrokeOff):
        upstream.forward(post(b"body", stream=stream))
    assert hanging_up.accepted == 1


def test_a_post_that_may_have_arrived_goes_to_no_other_node_either(recorder, hanging_up):
    upstream = make_upstream(recorder.url, hanging_up.url)
    outcomes = []
    for _ in range(2):
        try:
            outcomes.append(read_all(upstream.forward(post(b"body")), 100))
        except NodeBrokeOff:
            outcomes.append("502")
    assert set(outcomes) == {"502", b"hi"}
    assert len(recorder.requests) == hanging_up.accepted == 1


def test_a_read_that_is_broken_off_is_sent_once_more_and_no_more(hanging_up):
    with pytest.raises(NodeBrokeOff):
        get(make_upstream(hanging_up.url))
    assert hanging_up.accepted == 2


def test_a_read_that_is_broken_off_is_answered_by_the_other_node(recorder, hanging_up):
    upstream = make_upstream(recorder.url, hanging_up.url)
    assert [get(upstream) for _ in range(6)] == [(200, b"hi")] * 6
    for _ in range(6):
        assert upstream.search(Request("POST", "/_search", ()), "/_search", b"{}", {}).status == 200


def test_a_connection_that_the_node_closed_while_it_was_idle_does_not_surface():
    node = Recorder(requests_per_connection=1)
    upstream = make_upstream(node.url)
    for _ in range(5):
        assert get(upstream)[0] == 200
        wait_until_closed(node)
        assert read_all(upstream.forward(post(b"x")), 100) == b"hi"
        wait_until_closed(node)
    assert len(node.requests) == 10
    node.close()


def test_a_connection_that_the_node_resets_under_a_read_does_not_surface():
    def reset_on_the_second(connection: socket.socket) -> None:
        read_message(connection)
        connection.sendall(OK)
        read_message(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    node = Dummy(reset_on_the_second)
    upstream = make_upstream(node.url)
    assert [get(upstream)[0] for _ in range(8)] == [200] * 8
    node.close()


def test_connections_are_kept_and_used_again(recorder):
    upstream = make_upstream(recorder.url)
    for _ in range(20):
        get(upstream)
    assert recorder.accepted == 1


@pytest.mark.parametrize("status", [400, 408, 413, 414, 417, 431, 501, 505])
def test_a_connection_that_the_node_answers_nothing_more_on_is_not_used_again(status):
    """As Elasticsearch and OpenSearch do after a header that is too long for them."""

    def go_mute(connection: socket.socket) -> None:
        read_message(connection)
        connection.sendall(b"HTTP/1.1 %d Refused\r\ncontent-length: 0\r\n\r\n" % status)
        while connection.recv(1000):
            pass

    node = Dummy(go_mute)
    upstream = make_upstream(node.url, read_timeout_ms=500)
    assert [get(upstream)[0] for _ in range(3)] == [status] * 3
    assert node.accepted == 3
    node.close()


def test_an_answer_may_have_hundreds_of_warnings(recorder):
    warnings = b"".join(b'Warning: 299 Elasticsearch-7 "deprecated %d"\r\n' % number for number in range(500))
    recorder.answer = lambda _request: b"HTTP/1.1 200 OK\r\n" + warnings + b"content-length: 2\r\n\r\nhi"
    answer = make_upstream(recorder.url).forward(Request("GET", "/", (("Host", "shop"),)))
    assert sum(name == "Warning" for name, _ in answer.headers) == 500
    assert read_all(answer, 100) == b"hi"


def test_a_node_that_never_answers_is_a_timeout():
    node = Dummy(lambda connection: connection.recv(1) and time.sleep(5))
    upstream = make_upstream(node.url, read_timeout_ms=200)
    with pytest.raises(UpstreamTimeout, match="read_timeout_ms") as raised:
        get(upstream)
    assert raised.value.status == 504
    assert node.accepted == 1
    node.close()


def test_a_node_that_takes_an_upload_slowly_has_longer_than_the_connect_timeout():
    def read_late(connection: socket.socket) -> None:
        time.sleep(0.6)
        read_message(connection)
        connection.sendall(OK)

    node = Dummy(read_late)
    upstream = make_upstream(node.url, connect_timeout_ms=200)
    body = b"x" * 20_000_000
    assert read_all(upstream.forward(post(body, stream=io.BytesIO(body))), 100) == b"hi"
    node.close()


def test_a_client_that_breaks_off_its_upload_ends_the_request_at_the_node():
    ends: list[str] = []

    def receive(connection: socket.socket) -> None:
        try:
            read_message(connection)
            ends.append("whole")
        except ConnectionError as error:
            ends.append(str(error))

    node = Dummy(receive)
    with pytest.raises(BrokenRequest, match="4 of 1000"):
        make_upstream(node.url).forward(post(b"", stream=io.BytesIO(b"only"), length=1000))
    wait_until_closed(node)
    assert ends == ["closed in the middle of a message"]
    node.close()


def test_an_answer_that_breaks_off_is_an_error_for_who_reads_it():
    node = Recorder(lambda _request: b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this")
    with pytest.raises(UpstreamError, match="broke off its answer"):
        get(make_upstream(node.url))
    node.close()


def test_an_early_refusal_of_an_upload_reaches_the_client():
    def refuse(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    node = Dummy(refuse)
    body = b"x" * 3_000_000
    assert make_upstream(node.url).forward(post(body, stream=io.BytesIO(body))).status == 413
    node.close()


@pytest.mark.parametrize(
    ("policy", "expected"), [("auto", b"shop"), ("client", b"shop"), ("upstream", None)], ids=["auto", "client", "own"]
)
def test_the_host_header_is_the_clients_or_the_nodes_own(recorder, policy, expected):
    get(make_upstream(recorder.url, host_header=policy))
    hosts = [line[6:] for line in recorder.requests[-1].split(b"\r\n") if line.lower().startswith(b"host: ")]
    assert hosts == [expected or f"127.0.0.1:{recorder.port}".encode()]


def test_the_path_of_an_upstream_url_comes_before_every_target(recorder):
    get(make_upstream(f"{recorder.url}/behind/"), "/i/_doc/a%2Fb")
    assert recorder.requests[-1].startswith(b"GET /behind/i/_doc/a%2Fb HTTP/1.1\r\n")


def test_raw_bytes_in_the_target_arrive_raw(recorder):
    get(make_upstream(recorder.url), "/_search?q=手机".encode().decode("latin-1"))
    assert "/_search?q=手机".encode() in recorder.requests[-1]


def test_a_search_of_ours_says_what_its_body_is(recorder):
    headers = (("Content-Type", "application/cbor"), ("Content-Encoding", "gzip"), ("Accept", "application/cbor"))
    request = Request("POST", "/old/_search", headers, True, 3, b"old")
    own = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
    read_all(make_upstream(recorder.url).search(request, "/new/_search", b"{}", own), 100)
    head = recorder.requests[-1].partition(b"\r\n\r\n")[0].lower()
    assert {b"content-type: application/json", b"accept-encoding: gzip", b"accept: application/cbor"} <= set(
        head.split(b"\r\n")
    )
    assert b"content-encoding" not in head


def test_a_search_of_ours_carries_the_clients_headers_and_our_length(recorder):
    headers = (("Authorization", "ApiKey abc=="), ("Content-Length", "9999"), ("Accept-Encoding", "gzip"), ("X-A", "1"))
    request = Request("POST", "/old/_search", headers, True, 9999, b"old")
    read_all(make_upstream(recorder.url).search(request, "/new/_search", b'{"size":5}', {}), 100)
    head, _, body = recorder.requests[-1].partition(b"\r\n\r\n")
    lines = {line.lower() for line in head.split(b"\r\n")}
    assert body == b'{"size":5}'
    assert {b"authorization: apikey abc==", b"content-length: 10", b"accept-encoding: identity", b"x-a: 1"} <= lines
    assert not any(b"9999" in line or b"gzip" in line for line in lines)


def test_headers_that_are_for_us_alone_reach_no_node():
    node = Recorder(requests_per_connection=2)
    upstream = Upstream(UpstreamSettings(urls=(node.url,)), ("X-Rerank-User",))
    headers = (("Host", "shop"), ("x-rerank-user", "anna"), ("X-Other", "kept"))
    read_all(upstream.forward(Request("GET", "/", headers)), 100)
    read_all(upstream.search(Request("POST", "/i/_search", headers), "/i/_search", b"{}", {}), 100)
    assert len(node.requests) == 2
    assert all(b"anna" not in request and b"X-Other: kept" in request for request in node.requests)
