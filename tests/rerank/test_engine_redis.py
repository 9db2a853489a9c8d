"""The shared memory of scores: whatever Redis does, a search loses a few milliseconds at most, and never its scores."""

from __future__ import annotations

import socket
import socketserver
import threading
import time

import pytest
from fake_backend import wait_until

from middleware.config import ScoreSettings
from middleware.errors import ConfigError
from middleware.rerank.redis_scores import Breaker, RedisScores, connect_redis

KEYS = [bytes([number]) * 16 for number in range(5)]
SCORES = dict(zip(KEYS, (0.0, 0.1, 0.25, 0.5, 1.0), strict=True))


class FakeClient:
    """Redis as a dict; `before` is called before each command and may raise or sleep."""

    def __init__(self, before=lambda: None):
        self.before, self.values, self.calls = before, {}, 0

    def mget(self, keys):
        self.calls += 1
        self.before()
        return [self.values.get(key) for key in keys]

    def pipeline(self, *, transaction):
        return self

    def set(self, key, value, ex):
        assert ex == 86_400
        self.values[key] = value

    def execute(self):
        self.before()


@pytest.fixture
def shared_scores():
    made = []

    def make(client, **settings):
        made.append(RedisScores(client, ScoreSettings(**settings)))
        return made[-1]

    yield make
    for scores in made:
        scores.close()


def patient(scores, keys=KEYS):
    return scores.find(keys, 1.0)


def test_what_one_puts_all_find(shared_scores) -> None:
    client = FakeClient()
    shared_scores(client).put(SCORES)
    wait_until(lambda: len(client.values) == len(SCORES))
    assert patient(shared_scores(client, redis_timeout_ms=5000), [*KEYS, b"unknown"]) == SCORES


@pytest.mark.parametrize("value", [b"", b"0.5", b"\xff" * 8, b"\0\0\0\0\0\0\0\x40", b"\0" * 9])
def test_a_value_that_is_no_score_is_not_there(shared_scores, value) -> None:
    client = FakeClient()
    client.values[b"es-rerank:score:" + KEYS[0]] = value
    assert patient(shared_scores(client, redis_timeout_ms=5000), KEYS[:1]) == {}


def test_a_redis_that_fails_is_a_miss_and_is_soon_left_alone(shared_scores) -> None:
    def fail():
        raise ConnectionError("gone")

    client = FakeClient(fail)
    scores = shared_scores(client, redis_timeout_ms=1000)
    assert [patient(scores) for _ in range(20)] == [{}] * 20
    assert client.calls == 3
    scores.put(SCORES)


def test_a_redis_that_hangs_costs_a_few_timeouts_and_nothing_then(shared_scores) -> None:
    gate = threading.Event()
    scores = shared_scores(FakeClient(lambda: gate.wait(30)))
    started = time.monotonic()
    for _ in range(1000):
        assert patient(scores) == {}
    assert time.monotonic() - started < 1.0
    gate.set()


def test_a_redis_that_is_always_late_is_left_alone(shared_scores) -> None:
    client = FakeClient(lambda: time.sleep(0.05))
    scores = shared_scores(client)
    for _ in range(10):
        assert patient(scores) == {}
        time.sleep(0.06)
    assert client.calls == 3


def test_it_waits_no_longer_than_the_search_may(shared_scores) -> None:
    gate = threading.Event()
    scores = shared_scores(FakeClient(lambda: gate.wait(30)), redis_timeout_ms=20_000)
    started = time.monotonic()
    assert scores.find(KEYS, 0.02) == {}
    assert time.monotonic() - started < 5
    gate.set()


def test_writes_that_hang_are_bounded_and_hold_up_nobody(shared_scores) -> None:
    gate = threading.Event()
    scores = shared_scores(FakeClient(lambda: gate.wait(30)))
    started = time.monotonic()
    for _ in range(1000):
        scores.put(SCORES)
    assert time.monotonic() - started < 1.0
    assert scores._threads._work_queue.qsize() <= 64
    gate.set()


def test_the_breaker_lets_a_try_through_after_its_pause_which_doubles() -> None:
    now = [100.0]
    breaker = Breaker(lambda: now[0])
    assert [breaker.failed() for _ in range(3)] == [False, False, True]
    assert breaker.is_open
    now[0] += 1.0
    assert not breaker.is_open
    breaker.failed()
    now[0] += 1.9
    assert breaker.is_open
    now[0] += 0.1
    assert not breaker.is_open
    breaker.succeeded()
    assert not breaker.failed()


VALUES: dict[bytes, bytes] = {}


class Resp(socketserver.StreamRequestHandler):
    """As much of a Redis server as the real client needs: MGET and SET, +OK to the rest."""

    def handle(self):
        while head := self.rfile.readline():
            parts = [self.bulk() for _ in range(int(head[1:]))]
            command = parts[0].upper()
            if command == b"MGET":
                answers = [VALUES.get(key) for key in parts[1:]]
                texts = [b"$-1\r\n" if each is None else b"$%d\r\n%s\r\n" % (len(each), each) for each in answers]
                self.wfile.write(b"*%d\r\n" % len(texts) + b"".join(texts))
            else:
                if command == b"SET":
                    VALUES[parts[1]] = parts[2]
                self.wfile.write(b"+OK\r\n")

    def bulk(self):
        return self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2]


def test_the_real_client_reads_and_writes() -> None:
    pytest.importorskip("redis")

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address, daemon_threads = True, True

    with Server(("127.0.0.1", 0), Resp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"redis://127.0.0.1:{server.server_address[1]}/0"
        scores = connect_redis(ScoreSettings(redis_url=url, redis_timeout_ms=5000))
        scores.put(SCORES)
        wait_until(lambda: len(VALUES) == len(SCORES))
        assert scores.find([*KEYS, b"unknown"], 5.0) == SCORES
        scores.close()
        server.shutdown()


def test_a_redis_that_is_not_there_is_a_miss() -> None:
    pytest.importorskip("redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        scores = connect_redis(ScoreSettings(redis_url=f"redis://127.0.0.1:{free.getsockname()[1]}"))
        assert scores.find(KEYS, 1.0) == {}
        scores.close()


def test_without_its_client_the_setting_is_refused(monkeypatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(ConfigError, match=r"pip install 'es-rerank\[redis\]'"):
        connect_redis(ScoreSettings(redis_url="redis://:secret@localhost"))


def test_no_dump_of_the_settings_holds_the_password() -> None:
    settings = ScoreSettings(redis_url="redis://:secret@localhost")
    assert "secret" not in repr(settings) + settings.model_dump_json()
