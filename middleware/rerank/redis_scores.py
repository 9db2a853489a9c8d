"""Scores in Redis, shared by all proxies; one that is slow or gone costs a search a few milliseconds, then none."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from threading import BoundedSemaphore, Lock
from time import monotonic
from typing import Any, Protocol, cast

from middleware.backoff import Backoff
from middleware.config import ScoreSettings
from middleware.errors import ConfigError

_log = logging.getLogger(__name__)

_THREADS = 4
# No search waits for a socket; a write of many scores may take longer than a search would wait.
_SOCKET_PATIENCE = 10
_MOST_PENDING = 64
_FAILURES = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
_SCORE = struct.Struct("<d")


class Client(Protocol):
    """What of a Redis client we use."""

    def mget(self, keys: list[bytes]) -> list[bytes | None]: ...

    def pipeline(self, *, transaction: bool) -> Any: ...


class Breaker:
    """Open after some failures in a row: nobody tries for a pause that doubles with each further failure."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S)

    @property
    def is_open(self) -> bool:
        return self._clock() < self._backoff.until

    def succeeded(self) -> None:
        with self._lock:
            self._failures = 0
            self._backoff.succeeded()

    def failed(self) -> bool:
        """Note a failure; True where it opened the breaker."""
        with self._lock:
            self._failures += 1
            if self._failures < _FAILURES:
                return False
            self._backoff.failed(self._clock())
            return True


class RedisScores:
    """A SharedScores. Threads of its own talk to Redis: not even a name server can hold up a search for longer."""

    def __init__(self, client: Client, settings: ScoreSettings, breaker: Breaker | None = None) -> None:
        self._client = client
        self._timeout_s = settings.redis_timeout_ms / 1000
        self._ttl_s = settings.redis_ttl_s
        self._breaker = breaker or Breaker()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="rerank-redis")
        self._pending = BoundedSemaphore(_MOST_PENDING)

    def find(self, keys: list[bytes], patience_s: float) -> Mapping[bytes, float]:
        """The scores that Redis knows; none where it fails or is slower than `redis_timeout_ms`."""
        if self._breaker.is_open or not self._pending.acquire(blocking=False):
            return {}
        future = self._submit(self._read, keys)
        try:
            found: Mapping[bytes, float] | None = future.result(timeout=max(0.0, min(self._timeout_s, patience_s)))
        except FutureTimeout:
            self._note_failure(f"no answer within {self._timeout_s * 1000:.0f} ms")
            return {}
        if found is None:
            return {}
        self._breaker.succeeded()  # only what came in time counts: an answer that is always late is none
        return found

    def put(self, scores: Mapping[bytes, float]) -> None:
        """Hand scores to a thread that writes them; where too many wait already, they are not written."""
        if not self._breaker.is_open and self._pending.acquire(blocking=False):
            self._submit(self._write, scores)

    def close(self) -> None:
        """End the threads; what still waits is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _submit(self, call: Callable[[Any], Any], argument: Any) -> Any:
        def run() -> Any:
            try:
                return call(argument)
            except Exception as error:  # noqa: BLE001 - whatever a client raises means that Redis is of no use now
                self._note_failure(f"{type(error).__name__}: {error}")
                return None

        future = self._threads.submit(run)
        future.add_done_callback(lambda _: self._pending.release())
        return future

    def _read(self, keys: list[bytes]) -> Mapping[bytes, float]:
        values = self._client.mget([_redis_key(key) for key in keys])
        scores = {key: _read_score(value) for key, value in zip(keys, values, strict=True)}
        return {key: score for key, score in scores.items() if score is not None}

    def _write(self, scores: Mapping[bytes, float]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for key, score in scores.items():
            pipeline.set(_redis_key(key), _SCORE.pack(score), ex=self._ttl_s)
        pipeline.execute()

    def _note_failure(self, reason: str) -> None:
        if self._breaker.failed():
            _log.warning("Redis is left alone for a while: %s", reason)


def connect_redis(settings: ScoreSettings) -> RedisScores | None:
    """The shared memory that the settings name; None where they name none. Raises ConfigError without its client."""
    if settings.redis_url is None:
        return None
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise ConfigError(
            "scores.redis_url", "***", "the Redis client is not installed; pip install 'es-rerank[redis]'"
        ) from error
    timeout_s = settings.redis_timeout_ms / 1000
    client = redis.Redis.from_url(
        settings.redis_url.get_secret_value(),
        socket_timeout=_SOCKET_PATIENCE * timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        protocol=2,  # what every server speaks, old ones and what poses as Redis included
    )
    return RedisScores(cast(Client, client), settings)


def _redis_key(key: bytes) -> bytes:
    return b"es-rerank:score:" + key


def _read_score(value: bytes | None) -> float | None:
    """The score in a value; None where it holds none, whoever wrote it."""
    if value is None or len(value) != _SCORE.size:
        return None
    score: float = _SCORE.unpack(value)[0]
    return score if math.isfinite(score) and 0.0 <= score <= 1.0 else None
