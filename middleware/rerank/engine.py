"""One model at the service of all searches: loads it once, keeps every deadline, and never lets a caller hang.

A search's pairs are tokenised in its own thread, go through one queue (queue.py) and come back from the threads that
run the model (worker.py). What a search gets is the head of its window, as far as its budget lasted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from pathlib import Path
from threading import Event, Thread
from time import monotonic, perf_counter, time

from middleware.config import ModelSettings
from middleware.errors import DeadlineExceeded, ModelUnavailable, RerankError
from middleware.registry.manifest import find_manifest
from middleware.rerank.backends import Backend, FloatArray, load_backend
from middleware.rerank.estimator import Estimates, Estimator
from middleware.rerank.estimator_choice import find_estimator
from middleware.rerank.feeder import Feeder, Query
from middleware.rerank.pace import Pace
from middleware.rerank.pairs import Search
from middleware.rerank.queue import PairQueue
from middleware.rerank.score_keys import ScoreKeys, make_keys
from middleware.rerank.score_memory import ScoreMemory
from middleware.rerank.watch import Unwatched, Watch
from middleware.rerank.worker import serve, warm_up

log = logging.getLogger(__name__)


class Engine:
    """Scores documents with one model. `score` may be called from any number of threads."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        backend_factory: Callable[[ModelSettings], Backend] | None = None,
        retry_s: float = 60.0,
        watch: Watch | None = None,
        memory: ScoreMemory | None = None,
    ) -> None:
        self._settings = settings
        self._backend_factory = backend_factory or load_backend
        self._retry_s = retry_s
        self._watch = watch or Unwatched()
        self._memory = memory
        self._estimator: Estimator | None = None
        self._backend: Backend | None = None
        self._queue: PairQueue | None = None
        self._feeder: Feeder | None = None
        self._load_error: str | None = None
        self._since = time()
        self._stopping = Event()
        self._loader = Thread(target=self._run, name=f"rerank-{self._label}", daemon=True)

    @property
    def name(self) -> str:
        """What clients see of the model: NAME@VERSION of a registered one, a folder's own name, or the hub name.

        Of one that runs elsewhere, what the server that answered last called it, where it says so.
        """
        return getattr(self._backend, "model", None) or self._label

    @cached_property
    def _label(self) -> str:
        """What it is called here, the same all the time."""
        source = self._settings.source
        folder = Path(source).expanduser()
        if not folder.is_dir():
            return source
        manifest = find_manifest(folder)
        return manifest.label if manifest else folder.resolve().name

    def hold(self) -> AbstractContextManager[Engine]:
        """The engine for one request; see ServedModel, which changes what this gives from one request to the next."""
        return nullcontext(self)

    @property
    def ready(self) -> bool:
        return self._queue is not None and not self._stopping.is_set()

    @property
    def error(self) -> str | None:
        """Why the last attempt to load failed; None when loaded or still loading for the first time."""
        return self._load_error

    @property
    def since(self) -> float:
        """Since when it is loading, ready or without its model: seconds since 1970."""
        return self._since

    @property
    def waiting(self) -> int:
        """Searches of which something waits for the model; never more than `queue_limit`."""
        return self._queue.waiting if self._queue else 0

    def start(self) -> None:
        """Begin to load and warm up in a thread of its own; a failed load is tried again every `retry_s` seconds."""
        self._loader.start()

    def stop(self) -> None:
        """Release every waiting caller with ModelUnavailable and end the threads after their present batches."""
        self._stopping.set()
        if self._queue:
            self._queue.close(ModelUnavailable(f"{self.name} is stopping"))
        if self._loader.is_alive():
            self._loader.join(timeout=5)

    def score(self, query_text: str, document_texts: Sequence[str], *, budget_ms: float) -> FloatArray:
        """cross_encoder_score of the first k documents, shape (k,), each in [0, 1]; see `score_many`."""
        return self.score_many([(query_text, document_texts)], budget_ms=budget_ms)[0]

    def score_many(self, queries: Sequence[Query], *, budget_ms: float) -> list[FloatArray]:
        """For each query the scores of its first k documents, shape (k,), in [0, 1]: as many as the budget allows.

        Blocks for at most `budget_ms`; what cannot be scored by then is not started. Of many queries each gets a share.
        Raises DeadlineExceeded (not one document in time), ModelUnavailable (not loaded), Overloaded (queue_limit
        searches wait already) or BackendError.
        """
        joined = monotonic()
        search = Search([[None] * len(texts) for _, texts in queries], joined + budget_ms / 1000, joined)
        if not search.size:
            return search.prefixes()
        if self._queue is None or self._feeder is None or self._stopping.is_set():
            raise ModelUnavailable(self._load_error or f"{self.name} is {self._state}")
        self._feeder.remember(queries, search)
        if search.missing:
            self._score_missing(self._queue, self._feeder, queries, search)
        if search.started is not None:
            self._watch.observe_engine(self._label, "wait", search.started - search.joined)
        if search.error is not None:
            raise search.error
        prefixes = search.prefixes()
        unscored = search.size - sum(map(len, prefixes))
        self._watch.count_pairs(self._label, "unscored", unscored)
        if unscored == search.size:
            raise DeadlineExceeded(f"{self.name} did not score one of {search.size} documents in {budget_ms:.0f} ms")
        return prefixes

    @property
    def depth(self) -> int | None:
        """How many hits of a window are worth reading, by the estimator; None without one: all of them."""
        return self._estimator.depth if self._estimator else None

    def estimate(
        self, query_text: str, document_texts: Sequence[str], first_stage: FloatArray, certainty: float
    ) -> Estimates | None:
        """What the scores of a window may be, see Estimator.estimate; None where the model has no estimator."""
        if self._estimator is None:
            return None
        started = perf_counter()
        estimates = self._estimator.estimate(query_text, document_texts, first_stage, certainty)
        self._watch.observe_engine(self._label, "estimate", perf_counter() - started)
        return estimates

    @property
    def _state(self) -> str:
        return "stopping" if self._stopping.is_set() else "still loading"

    def _score_missing(self, queue: PairQueue, feeder: Feeder, queries: Sequence[Query], search: Search) -> None:
        if monotonic() >= search.deadline:
            return
        queue.join(search)
        try:
            feeder.feed(queries, search)
            queue.complete(search)
            search.done.wait(max(0.0, search.deadline - monotonic()))
        finally:
            queue.leave(search)

    def _run(self) -> None:
        pace = Pace()
        while (loaded := self._load(pace)) is None:
            if self._stopping.wait(self._retry_s):
                return
        backend, keys = loaded
        self._backend = backend
        workers = max(1, backend.workers)
        batch_tokens = self._settings.batch_tokens or backend.batch_tokens
        queue = self._make_queue(workers, batch_tokens, pace)
        threads = [self._start_worker(backend, queue, number) for number in range(workers)]
        self._estimator = find_estimator(self._settings)
        self._feeder = Feeder(backend, queue, self._label, self._watch, self._memory, keys)
        self._queue, self._load_error, self._since = queue, None, time()
        if self._stopping.is_set():  # stop() may have come before there was a queue to close
            queue.close(ModelUnavailable(f"{self.name} is stopping"))
        log.info("model %s is ready", self.name)
        for thread in threads:
            thread.join()

    def _make_queue(self, workers: int, batch_tokens: int, pace: Pace) -> PairQueue:
        limit = self._settings.queue_limit
        self._watch.see_queue_limit(self._label, limit)
        self._watch.see_waiting(self._label, 0)
        on_waiting = partial(self._watch.see_waiting, self._label)
        return PairQueue(limit=limit, batch_tokens=batch_tokens, workers=workers, pace=pace, on_waiting=on_waiting)

    def _start_worker(self, backend: Backend, queue: PairQueue, number: int) -> Thread:
        arguments = (backend, queue, self._label, self._watch, self._memory)
        thread = Thread(target=serve, args=arguments, name=f"rerank-{self._label}-{number}", daemon=True)
        thread.start()
        return thread

    def _load(self, pace: Pace) -> tuple[Backend, ScoreKeys | None] | None:
        try:
            backend = self._backend_factory(self._settings)
            warm_up(backend, self._settings, pace)
            keys = make_keys(self._settings, backend) if self._memory is not None else None
        except RerankError as error:
            failure = error.reason
        except Exception as error:  # noqa: BLE001 - backends run third-party code; whatever it raises ends here
            failure = f"{type(error).__name__}: {error}"
        else:
            return backend, keys
        self._since = self._since if self._load_error else time()
        self._load_error = failure
        log.error("model %s is unavailable, next try in %.0f s: %s", self.name, self._retry_s, self._load_error)
        return None
