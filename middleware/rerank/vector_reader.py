"""Vectors of a search's hits, read from the index that keeps them and remembered, never in a search's way."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import TypeVar

from middleware.config.vectors import VectorSettings
from middleware.errors import MiddlewareError
from middleware.own_requests import Fetch
from middleware.rerank.bi_encoder import BiEncoder, BiEncoderChoice, Matrix, load_chosen
from middleware.rerank.halves import Halves
from middleware.rerank.text_memory import TextMemory
from middleware.rerank.vector_index import read_vectors, vectors_search
from middleware.rerank.vectors import HitVectors, dimensions_of, unpack, vector_key
from middleware.rerank.watch import Unwatched, VectorWatch
from middleware.ttl_cache import TtlLruCache

_QUERIES = 4096
_ABSENT = 100_000
# New products get their vectors with the next build; until then they are asked for no more often than this.
_ABSENT_TTL_S = 30.0
# Credentials that may not read the vectors, or a cluster that is away, are left alone for so long.
_FAILURE_TTL_S = 5.0
_LOAD_RETRY_S = 60.0
_SECONDS_BETWEEN_WARNINGS = 60.0
# Measured: a packed vector of 384 dimensions, its key and their places in a dict.
_BYTES_EACH = 900

T = TypeVar("T")
log = logging.getLogger(__name__)


def choice_of(settings: VectorSettings, threads: int = 0) -> BiEncoderChoice:
    """The bi-encoder that the settings describe."""
    return BiEncoderChoice(
        source=settings.encoder,
        revision=settings.revision,
        query_prompt=settings.query_prompt,
        document_prompt=settings.document_prompt,
        max_tokens=settings.max_tokens,
        precision=settings.precision,
        threads=threads,
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """Vectors on their way: the query's, (1, d), where it is wanted, and by key those remembered and to be fetched."""

    model: str
    keys: Sequence[str]
    known: Mapping[str, str]
    query: Future[Matrix | None] | None
    fetched: Future[Mapping[str, str]] | None


class VectorReader:
    """Reads the vectors of one section's documents; one per process, thread-safe.

    Nothing here is raised in a search: where the encoder or the vectors cannot be had, there are none, and that is
    logged at most once a minute. What is remembered depends on a text alone: it is the same for every client.
    """

    def __init__(
        self,
        index: str,
        settings: VectorSettings,
        fetch: Fetch,
        *,
        watch: VectorWatch | None = None,
        load: Callable[[BiEncoderChoice], BiEncoder] = load_chosen,
        threads: int = 4,
        most_waiting: int = 32,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`threads` encode and fetch at once, `most_waiting` more may wait; `clock` times what is remembered."""
        self._index, self._settings, self._fetch, self._load, self._clock = index, settings, fetch, load, clock
        self._watch: VectorWatch = watch or Unwatched()
        self._encoder: BiEncoder | None = None
        self._queries: TextMemory[Matrix] = TextMemory(_QUERIES)
        self._vectors: Halves[str, str] = Halves(settings.max_bytes // _BYTES_EACH)
        self._absent: TtlLruCache[str, None] = TtlLruCache(_ABSENT, clock)
        self._failed: TtlLruCache[bytes, None] = TtlLruCache(1000, clock)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="vectors")
        self._room, self._waiting = threads + most_waiting, 0
        self._lock = Lock()
        self._closed = Event()
        self._next_warning = -float("inf")

    def start(self) -> None:
        """Load the encoder in a thread of its own, and try again where that fails."""
        Thread(target=self._keep_loading, name="bi-encoder", daemon=True).start()

    def load(self) -> None:
        """Load the encoder in this thread. Raises ModelUnavailable."""
        encoder = self._load(choice_of(self._settings, threads=1))
        encoder.encode_queries(["warm"])
        self._encoder = encoder

    def close(self) -> None:
        """Nothing is read from here on."""
        self._closed.set()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read_packed(self, texts: Sequence[str], headers: Mapping[str, str]) -> tuple[str, Sequence[str | None]] | None:
        """The encoder's revision, and of each text the packed vector or None, read in this thread.

        None where the encoder is not there. `headers` are the client's credentials.
        """
        encoder = self._encoder
        if encoder is None or self._closed.is_set():
            return None
        keys = [vector_key(encoder.revision, text) for text in texts]
        found, missing = self._look_up(keys)
        who = hashlib.blake2b(repr(sorted(headers.items())).encode(), digest_size=16).digest()
        if missing and self._failed.get(who) is None:
            found |= self._read(missing, headers, who)
        return encoder.revision, [found.get(key) for key in keys]

    @property
    def ready(self) -> bool:
        """Whether the encoder is loaded."""
        return self._encoder is not None

    @property
    def budget_s(self) -> float:
        """How long a search waits for its vectors, from `begin` on."""
        return self._settings.budget_ms / 1000

    def begin(
        self, query_text: str | None, document_texts: Sequence[str], headers: Mapping[str, str]
    ) -> Pending | None:
        """Set out for the vectors of a search's hits, and of its query unless that is None.

        `headers` are the client's credentials. None where the encoder is not there, or too many searches are waiting.
        """
        encoder = self._encoder
        if encoder is None or self._closed.is_set():
            return None
        keys = [vector_key(encoder.revision, text) for text in document_texts]
        query = None
        if query_text is not None:
            query = self._submit(lambda: self._encode(encoder, query_text))
            if query is None:
                return None
        known, missing = self._look_up(keys)
        who = hashlib.blake2b(repr(sorted(headers.items())).encode(), digest_size=16).digest()
        fetched = None
        if missing and self._failed.get(who) is None:
            fetched = self._submit(lambda: self._read(missing, headers, who))
        return Pending(encoder.revision, keys, known, query, fetched)

    def read(self, pending: Pending, deadline: float) -> HitVectors | None:
        """What is there by `deadline` (seconds, monotonic); None where that is nothing at all."""
        query = _result(pending.query, deadline)
        fetched = _result(pending.fetched, deadline)
        found = {**pending.known, **(fetched or {})}
        encoded = [found.get(key) for key in pending.keys]
        if query is not None:
            return HitVectors(unpack(encoded, query.shape[1]), pending.model, query[0])
        dimensions = next((dimensions_of(each) for each in encoded if each is not None), 0)
        return HitVectors(unpack(encoded, dimensions), pending.model) if dimensions else None

    def _keep_loading(self) -> None:
        while not self._closed.is_set():
            try:
                self.load()
                log.info("vectors of %s: the encoder of queries is ready", self._index)
                return
            except MiddlewareError as error:
                log.error("vectors of %s are left out, next try in %.0f s: %s", self._index, _LOAD_RETRY_S, error)
            except Exception:  # third-party code; whatever it raises ends here
                log.exception("vectors of %s are left out, next try in %.0f s", self._index, _LOAD_RETRY_S)
            self._closed.wait(_LOAD_RETRY_S)

    def _submit(self, work: Callable[[], T]) -> Future[T] | None:
        with self._lock:
            if self._waiting >= self._room:
                return None
            self._waiting += 1
        try:
            future = self._pool.submit(work)
        except RuntimeError:  # closed meanwhile
            return None
        future.add_done_callback(lambda _: self._leave())
        return future

    def _leave(self) -> None:
        with self._lock:
            self._waiting -= 1

    def _encode(self, encoder: BiEncoder, query_text: str) -> Matrix | None:
        def make(texts: Sequence[str]) -> list[Matrix]:
            started = time.perf_counter()
            vector = encoder.encode_queries(texts)
            self._watch.observe_vectors(self._index, "encode", time.perf_counter() - started)
            return [vector]

        try:
            return self._queries.read([query_text], make)[0]
        except Exception as error:  # noqa: BLE001 - third-party code; a search needs no cosine
            self._warn(error)
            return None

    def _look_up(self, keys: Sequence[str]) -> tuple[dict[str, str], list[str]]:
        """The vectors remembered, and the keys to ask for."""
        with self._lock:
            known = {key: vector for key in keys if (vector := self._vectors.get(key)) is not None}
        unknown = [key for key in dict.fromkeys(keys) if key not in known]
        self._watch.count_vectors(self._index, "remembered", len(known))
        return known, [key for key in unknown if self._absent.get(key) is None]

    def _read(self, keys: Sequence[str], headers: Mapping[str, str], who: bytes) -> Mapping[str, str]:
        started = time.perf_counter()
        try:
            found = read_vectors(self._fetch(self._index, vectors_search(keys), headers))
        except MiddlewareError as error:
            self._failed.put(who, None, _FAILURE_TTL_S)
            self._warn(error)
            return {}
        self._watch.observe_vectors(self._index, "fetch", time.perf_counter() - started)
        self._watch.count_vectors(self._index, "fetched", len(found))
        self._watch.count_vectors(self._index, "absent", len(keys) - len(found))
        with self._lock:
            for key, vector in found.items():
                self._vectors.put(key, vector)
        for key in keys:
            if key not in found:
                self._absent.put(key, None, _ABSENT_TTL_S)
        return found

    def _warn(self, error: Exception) -> None:
        with self._lock:
            now = self._clock()
            if now < self._next_warning:
                return
            self._next_warning = now + _SECONDS_BETWEEN_WARNINGS
        log.warning("no vectors from %s: %s", self._index, error)


def _result(future: Future[T] | None, deadline: float) -> T | None:
    if future is None:
        return None
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except (NotInTime, CancelledError):
        return None
