"""The remote backend against real HTTP servers: every API's own JSON, limits, failover, and every way to fail."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fake_backend import wait_until
from pydantic import ValidationError
from scoring_servers import PATHS, ScoringServer, probability

from middleware.config import ModelSettings, load_settings
from middleware.errors import BackendError, ConfigError, DeadlineExceeded, Overloaded, RerankError
from middleware.rerank.backends import load_backend
from middleware.rerank.backends.remote import RemoteBackend
from middleware.rerank.engine import Engine

QUERY = "iphone 12 手机壳"
DOCUMENTS = [
    "case for iphone",
    "usb cable",
    "",
    "红 手机壳",
    '"quoted" \\ \u0000 text',
    "half a pair \ud83d",
    "usb cable",
]
FREE_PORT_URL = "http://127.0.0.1:9"  # nothing listens at the discard port


@pytest.fixture
def serve():
    servers = []

    def start(api="tei", **options):
        servers.append(ScoringServer(api, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def make_backend(*servers, api="tei", **remote) -> RemoteBackend:
    urls = [server if isinstance(server, str) else server.url for server in servers]
    backend = load_backend(ModelSettings(source="org/model", remote={"servers": urls, "api": api, **remote}))
    assert isinstance(backend, RemoteBackend)
    return backend


def score(backend, query=QUERY, documents=DOCUMENTS):
    return backend.score(backend.encode(query, documents))


def expected(query=QUERY, documents=DOCUMENTS):
    return [probability(query, text) for text in documents]


@pytest.mark.parametrize("api", PATHS)
def test_scores_come_back_in_the_documents_order_over_one_kept_connection(serve, api):
    server = serve(api)
    backend = make_backend(server, api=api)
    for query in (QUERY, "another"):
        np.testing.assert_allclose(score(backend, query), expected(query))
    assert server.connections == 1
    assert [path for path, _, _ in server.requests] == [PATHS[api]] * 2


@pytest.mark.parametrize("api", PATHS)
def test_texts_are_to_be_cut_and_left_out_of_the_answer_where_the_api_knows_how(serve, api):
    server = serve(api)
    score(make_backend(server, api=api))
    asked = server.requests[0][2]
    assert asked.get("model") == (None if api == "tei" else "org/model")
    assert (api == "tei") == (asked.get("truncate") is True)
    assert (api == "vllm") == (asked.get("truncate_prompt_tokens") == -1)
    assert (api == "cohere") == (asked.get("max_tokens_per_doc") == 256)
    assert (api in ("jina", "cohere_v1", "infinity")) == (asked.get("return_documents") is False)


def test_a_path_in_the_url_is_the_calls_own(serve):
    server = serve("cohere_v1")
    np.testing.assert_allclose(score(make_backend(f"{server.url}/v1/rerank", api="rerank")), expected())


def test_older_infinitys_data_is_read_as_results(serve):
    server = serve("infinity")
    server.respond = lambda body: json.dumps({"data": [{"index": 0, "relevance_score": 0.25}]}).encode()
    assert score(make_backend(server, api="infinity"), documents=["a"]).tolist() == [0.25]


def test_a_batch_of_several_queries_is_one_request_a_query(serve):
    server = serve()
    backend = make_backend(server)
    batch = [pair for query in ("a", "b") for pair in backend.encode(query, ["x", "y", "z"])]
    mixed = [batch[row] for row in (3, 0, 4, 1, 5, 2)]
    scores = backend.score(mixed)
    assert server.sizes == [3, 3]
    np.testing.assert_allclose(scores, [probability(q, d) for q, d in ("bx", "ax", "by", "ay", "bz", "az")])


def test_no_documents_are_no_request(serve):
    server = serve()
    assert score(make_backend(server), documents=[]).shape == (0,)
    assert server.requests == []


def test_expected_lengths_follow_the_texts_up_to_max_tokens(serve):
    short, chinese, long = make_backend(serve()).encode("shoe", ["red", "红色手机壳" * 10, "word " * 1000])
    assert len(short["input_ids"]) < len(chinese["input_ids"]) < len(long["input_ids"]) == 256


@pytest.mark.parametrize(("announced", "sizes"), [(3, [3, 3, 1]), (1000, [7]), (None, [7]), (0, [7])])
def test_the_limit_that_a_tei_server_announces_is_kept(serve, announced, sizes):
    server = serve(limit=announced or 32, announced=announced)
    np.testing.assert_allclose(score(make_backend(server)), expected())
    assert server.sizes == sizes


def test_max_documents_bounds_every_request(serve):
    server = serve("jina")
    np.testing.assert_allclose(score(make_backend(server, api="jina", max_documents=2)), expected())
    assert server.sizes == [2, 2, 2, 1]


def test_a_request_that_is_too_large_is_halved_and_the_limit_remembered(serve):
    server = serve("rerank", limit=4)
    backend = make_backend(server, api="rerank")
    np.testing.assert_allclose(score(backend), expected())
    assert server.sizes == [7, 3, 4]
    np.testing.assert_allclose(score(backend), expected())
    assert server.sizes[3:] == [4, 3]


def test_one_document_that_a_server_cannot_read_does_not_shrink_later_requests(serve):
    server = serve("rerank")
    backend = make_backend(server, api="rerank")
    server.status = 422
    with pytest.raises(BackendError, match="422"):
        score(backend)
    server.status = 200
    np.testing.assert_allclose(score(backend), expected())
    assert server.sizes[-1] == 7


@pytest.mark.parametrize("status", [400, 401, 404, 424, 500, 502, 503])
def test_a_refusal_is_a_backend_error_that_names_server_and_status(serve, status):
    server = serve()
    server.status = status
    with pytest.raises(BackendError, match=rf"{server.url} answered {status}"):
        score(make_backend(server))


@pytest.mark.parametrize(("status", "kind"), [(429, Overloaded), (504, DeadlineExceeded)])
def test_a_server_that_has_no_time_says_so(serve, status, kind):
    server = serve()
    server.status = status
    with pytest.raises(kind):
        score(make_backend(server))


@pytest.mark.parametrize(
    "answer",
    [
        b"not json",
        b"{}",
        b'{"results": 5}',
        b"[]",
        b'[{"index": 0}]',
        b'[{"index": 0, "score": 0.5}]',
        b'[{"index": 0, "score": 0.5}, {"index": 0, "score": 0.5}]',
        b'[{"index": 0, "score": 0.5}, {"index": 2, "score": 0.5}]',
        b'[{"index": 0, "score": 0.5}, {"index": -1, "score": 0.5}]',
        b'[{"index": 0, "score": 0.5}, {"index": true, "score": 0.5}]',
        b'[{"index": 0, "score": NaN}, {"index": 1, "score": 0.5}]',
        b'[{"index": 0, "score": Infinity}, {"index": 1, "score": 0.5}]',
        b'[{"index": 0, "score": null}, {"index": 1, "score": 0.5}]',
        b'[{"index": 0, "score": "0.5"}, {"index": 1, "score": 0.5}]',
        b'[{"index": 0, "score": 1e999}, {"index": 1, "score": 0.5}]',
        b'[{"index": 0, "score": 1.01}, {"index": 1, "score": 0.5}]',
        b'[{"index": 0, "score": -0.5}, {"index": 1, "score": 0.5}]',
        b"[5, 6]",
    ],
)
def test_an_answer_that_is_no_score_for_each_document_is_a_backend_error(serve, answer):
    server = serve()
    server.respond = lambda _: answer
    with pytest.raises(BackendError):
        score(make_backend(server), documents=["a", "b"])


def test_logits_become_probabilities(serve):
    server = serve("vllm")
    server.score = lambda _, text: float(text)
    scores = score(make_backend(server, api="vllm", logits=True), documents=["-800", "-2", "0", "0.5", "900"])
    np.testing.assert_allclose(scores, [0.0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-0.5)), 1.0], atol=1e-12)


def test_a_dead_server_and_a_failing_one_cost_no_search(serve):
    failing, living = serve(), serve()
    failing.status = 500
    backend = make_backend(FREE_PORT_URL, failing, living)
    for _ in range(6):
        np.testing.assert_allclose(score(backend), expected())
    assert len(failing.requests) == 1, "a server that failed just now is asked last"
    assert len(living.requests) == 6


def test_a_server_that_comes_back_is_asked_again(serve):
    first, second = serve(), serve()
    backend = make_backend(first, second)
    first.status = 500
    score(backend)
    score(backend)
    first.status = 200
    deadline = time.monotonic() + 10
    while len(first.requests) < 2:
        assert time.monotonic() < deadline
        score(backend)
        time.sleep(0.05)


def test_with_every_server_dead_the_failure_is_a_backend_error():
    with pytest.raises(BackendError, match=r"127\.0\.0\.1:9"):
        score(make_backend(FREE_PORT_URL, FREE_PORT_URL))


def test_idle_servers_take_turns_and_a_busy_one_is_spared(serve):
    slow, fast = serve("rerank"), serve("rerank")
    slow.delay_s = 0.5
    backend = make_backend(slow, fast, api="rerank", timeout_ms=5000)
    busy = threading.Thread(target=score, args=(backend,))
    busy.start()
    deadline = time.monotonic() + 5
    while not slow.requests:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    for _ in range(4):
        score(backend)
    busy.join()
    assert (len(slow.requests), len(fast.requests)) == (1, 4)
    slow.delay_s = 0.0
    for _ in range(4):
        score(backend)
    assert (len(slow.requests), len(fast.requests)) == (3, 6)


def test_a_silent_server_costs_no_more_than_the_timeout(serve):
    server = serve("rerank")
    server.delay_s = 3
    started = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        score(make_backend(server, api="rerank", timeout_ms=200))
    assert time.monotonic() - started < 2


def test_nothing_is_hedged_by_default_and_a_silent_first_server_is_overtaken_where_it_is(serve):
    for hedge_ms, asked in ((0, 0), (50, 1)):
        slow, fast = serve("rerank"), serve("rerank")
        slow.delay_s = 1.0
        backend = make_backend(slow, fast, api="rerank", timeout_ms=5000, hedge_ms=hedge_ms)
        started = time.monotonic()
        np.testing.assert_allclose(score(backend), expected())
        assert (time.monotonic() - started < 0.9) == bool(asked)
        assert (len(slow.requests), len(fast.requests)) == (1, asked)


def test_a_hedge_is_not_spent_where_the_first_server_answers(serve):
    first, second = serve("rerank"), serve("rerank")
    backend = make_backend(first, second, api="rerank", hedge_ms=2000, timeout_ms=5000)
    score(backend)
    assert (len(first.requests), len(second.requests)) == (1, 0)
    second.status = first.status = 500
    with pytest.raises(RerankError):
        score(backend)


def test_a_connection_that_the_server_closed_does_not_surface(serve):
    server = serve("rerank")
    server.keeps_alive = False
    backend = make_backend(server, api="rerank")
    for _ in range(5):
        np.testing.assert_allclose(score(backend), expected())


def test_many_threads_share_the_connections(serve):
    server = serve("rerank")
    server.delay_s = 0.01
    backend = make_backend(server, api="rerank", connections=4, timeout_ms=20_000)
    assert backend.workers == 4
    with ThreadPoolExecutor(backend.workers) as threads:
        answers = list(threads.map(lambda number: score(backend, f"query {number}"), range(40)))
    for number, answer in enumerate(answers):
        np.testing.assert_allclose(answer, expected(f"query {number}"))
    assert server.connections <= 4


def test_a_unix_socket_is_a_server_like_any_other(serve, tmp_path):
    server = serve(unix_path=str(tmp_path / "s"), announced=2)
    np.testing.assert_allclose(score(make_backend(server)), expected())
    assert server.sizes == [2, 2, 2, 1]
    assert server.connections == 1
    gone = make_backend(f"unix:{tmp_path}/none")
    with pytest.raises(BackendError, match="none"):
        score(gone)


def test_the_key_comes_from_the_environment_or_a_file_and_is_in_no_dump(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_KEY", "secret-1")
    (tmp_path / "key").write_text("secret-2\n")
    for place, secret in (({"api_key_env": "SOME_KEY"}, "secret-1"), ({"api_key_file": tmp_path / "key"}, "secret-2")):
        server = serve("jina")
        backend = make_backend(server, api="jina", **place)
        score(backend)
        assert server.requests[0][1]["Authorization"] == f"Bearer {secret}"
        assert secret not in backend._settings.model_dump_json()
    server = serve("jina")
    score(make_backend(server, api="jina"))
    assert "Authorization" not in server.requests[0][1]


@pytest.mark.parametrize(
    ("remote", "message"),
    [
        ({"servers": []}, "servers"),
        ({"servers": ["ftp://host"]}, "a server is http"),
        ({"servers": ["http://user:word@host"]}, "no credentials"),
        ({"servers": ["unix:relative"]}, "unix:/PATH"),
        ({"servers": ["http://host"], "api_key_env": "ES_RERANK_NO_SUCH_KEY"}, "has no ES_RERANK_NO_SUCH_KEY"),
        ({"servers": ["http://host"], "api_key_file": "/no/such/file"}, "there is no file"),
        ({"servers": ["http://host"], "api": "grpc"}, "tei"),
    ],
)
def test_a_wrong_setting_is_refused_at_start_with_the_remedy(tmp_path, remote, message):
    with pytest.raises(ValidationError):
        ModelSettings(source="org/model", remote=remote)
    path = tmp_path / "rerank.yml"
    path.write_text(json.dumps({"models": {"default": {"source": "org/model", "remote": remote}}}))
    with pytest.raises(ConfigError, match=message):
        load_settings(path)


def test_an_engine_scores_through_it_and_a_failing_server_is_a_rerank_error(serve):
    server = serve(limit=64, announced=64)
    engine = Engine(ModelSettings(source="org/model", remote={"servers": [server.url]}))
    engine.start()
    deadline = time.monotonic() + 20
    while not engine.ready:
        assert time.monotonic() < deadline, engine.error
        time.sleep(0.01)
    np.testing.assert_allclose(engine.score(QUERY, DOCUMENTS, budget_ms=5000), expected())
    server.status = 500
    with pytest.raises(BackendError):
        engine.score("another", DOCUMENTS, budget_ms=5000)
    engine.stop()


def test_the_queries_of_one_call_go_out_at_once_over_no_more_connections_than_allowed(serve):
    """Six queries at a server that takes 0.2 s for each: 1.2 s one after the other, 0.4 s over four connections."""
    server = serve("rerank")
    remote = {"servers": [server.url], "api": "rerank", "connections": 4, "timeout_ms": 5000}
    engine = Engine(ModelSettings(source="org/model", remote=remote))
    engine.start()
    wait_until(lambda: engine.ready)
    server.delay_s = 0.2
    queries = [(f"query {number}", DOCUMENTS * 3) for number in range(6)]
    started, warm = time.monotonic(), len(server.requests)
    scores = engine.score_many(queries, budget_ms=5000)
    seconds = time.monotonic() - started
    engine.stop()
    for (query, documents), own in zip(queries, scores, strict=True):
        np.testing.assert_allclose(own, expected(query, documents))
    asked = [body["query"] for _, _, body in server.requests[warm:]]
    assert sorted(asked) == [query for query, _ in queries], "one request a query"
    assert set(asked[:4]) == {query for query, _ in queries[:4]}, "in the order in which they are needed"
    assert 0.4 <= seconds < 1.0
    assert server.connections <= 4


def test_where_time_is_short_the_first_queries_of_a_call_are_answered_and_the_rest_is_not_asked(serve):
    server = serve("rerank")
    remote = {"servers": [server.url], "api": "rerank", "connections": 2, "timeout_ms": 5000}
    engine = Engine(ModelSettings(source="org/model", remote=remote))
    engine.start()
    wait_until(lambda: engine.ready)
    server.delay_s, warm = 0.4, len(server.requests)
    scores = engine.score_many([(f"query {number}", DOCUMENTS) for number in range(6)], budget_ms=600)
    engine.stop()
    assert [len(own) for own in scores[:2]] == [len(DOCUMENTS)] * 2
    assert [len(own) for own in scores[4:]] == [0, 0]
    assert {body["query"] for _, _, body in server.requests[warm:]} <= {f"query {number}" for number in range(4)}


def test_a_model_that_the_server_names_is_what_clients_see(serve):
    server = serve("tei")
    settings = ModelSettings(source="registry:shop", remote={"servers": [server.url]})
    engine = Engine(settings)
    engine.start()
    try:
        wait_until(lambda: engine.ready)
        assert engine.name == "registry:shop"
        for name in ("shop@3", "shop@4"):
            server.model = name
            engine.score(QUERY, ["a"], budget_ms=5000)
            assert engine.name == name
    finally:
        engine.stop()
