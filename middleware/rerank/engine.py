"""One model's queue and worker thread: loads it once, keeps every search's deadline, and never lets a caller hang."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread
from time import monotonic

import numpy as np

from middleware.config import ModelSettings
from middleware.errors import BackendError, DeadlineExceeded, ModelUnavailable, Overloaded, RerankError
from middleware.rerank.backends import Backend, FloatArray, Tokens, load_backend

log = logging.getLogger(__name__)

_WARM_UP_WORD = "warm "

Query = tuple[str, Sequence[str]]
"""A query text and the texts of its documents."""


@dataclass(slots=True, eq=False)
class _Search:
    """The pairs of one request on their way through the worker; `deadline` in seconds of the monotonic clock."""

    queries: Sequence[Query]
    deadline: float
    outcome: list[FloatArray] | RerankError | None = field(default=None)

    @property
    def size(self) -> int:
        return sum(len(document_texts) for _, document_texts in self.queries)

    @property
    def expired(self) -> bool:
        return monotonic() >= self.deadline


class Engine:
    """Scores documents with one model. `score` may be called from any number of threads."""

    def __init__(
        self,
        settings: ModelSettings,
        *,
        backend_factory: Callable[[ModelSettings], Backend] | None = None,
        retry_s: float = 60.0,
    ) -> None:
        self._settings = settings
        self._backend_factory = backend_factory or load_backend
        self._retry_s = retry_s
        self._backend: Backend | None = None
        self._load_error: str | None = None
        self._searches: deque[_Search] = deque()
        self._changed = Condition()
        self._stopping = False
        self._worker = Thread(target=self._run, name=f"rerank-{self.name}", daemon=True)

    @property
    def name(self) -> str:
        """What clients see of the model: a local folder's own name, or the hub name."""
        source = self._settings.source
        folder = Path(source).expanduser()
        return folder.resolve().name if folder.is_dir() else source

    @property
    def ready(self) -> bool:
        return self._backend is not None and not self._stopping

    @property
    def error(self) -> str | None:
        """Why the last attempt to load failed; None when loaded or still loading for the first time."""
        return self._load_error

    def start(self) -> None:
        """Begin to load and warm up in the worker thread; a failed load is tried again every `retry_s` seconds."""
        self._worker.start()

    def stop(self) -> None:
        """Release every waiting caller with ModelUnavailable and end the worker after its present batch."""
        with self._changed:
            self._stopping = True
            for search in self._searches:
                search.outcome = ModelUnavailable(f"{self.name} is stopping")
            self._searches.clear()
            self._changed.notify_all()
        if self._worker.is_alive():
            self._worker.join(timeout=5)

    def score(self, query_text: str, document_texts: Sequence[str], *, budget_ms: float) -> FloatArray:
        """cross_encoder_score of each document, shape (len(document_texts),), each in [0, 1]; see `score_many`."""
        return self.score_many([(query_text, document_texts)], budget_ms=budget_ms)[0]

    def score_many(self, queries: Sequence[Query], *, budget_ms: float) -> list[FloatArray]:
        """For each query the scores of its documents, in [0, 1]; the pairs of all queries share their batches.

        Blocks for at most `budget_ms`. Raises ModelUnavailable (not loaded), Overloaded (queue_limit requests wait
        already), DeadlineExceeded (not done in time; what is left of the work is dropped) or BackendError.
        """
        search = _Search(queries, monotonic() + budget_ms / 1000)
        if not search.size:
            return [np.zeros(0) for _ in queries]
        with self._changed:
            if not self.ready:
                raise ModelUnavailable(self._load_error or f"{self.name} is still loading")
            if len(self._searches) >= self._settings.queue_limit:
                raise Overloaded(f"{len(self._searches)} searches wait for {self.name} already")
            self._searches.append(search)
            self._changed.notify_all()
            self._changed.wait_for(lambda: search.outcome is not None, timeout=max(0.0, budget_ms / 1000))
            if search in self._searches:
                self._searches.remove(search)
        if isinstance(search.outcome, RerankError):
            raise search.outcome
        if search.outcome is None:
            raise DeadlineExceeded(f"{self.name} did not score {search.size} documents in {budget_ms:.0f} ms")
        return search.outcome

    def _run(self) -> None:
        while (backend := self._load()) is None:
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, timeout=self._retry_s):
                    return
        with self._changed:
            self._backend, self._load_error = backend, None
        log.info("model %s is ready", self.name)
        while (search := self._next_search()) is not None:
            outcome = self._outcome(backend, search)
            with self._changed:
                search.outcome = outcome
                self._changed.notify_all()

    def _load(self) -> Backend | None:
        try:
            backend = self._backend_factory(self._settings)
            # Many short pairs and one long one: whatever the backend sets up on first use, for both shapes.
            texts = [_WARM_UP_WORD] * self._settings.batch_size + [_WARM_UP_WORD * self._settings.max_tokens]
            self._score_in_batches(backend, _Search([(_WARM_UP_WORD, texts)], float("inf")))
        except RerankError as error:
            self._load_error = error.reason
        except Exception as error:  # noqa: BLE001 - backends run third-party code; whatever it raises ends here
            self._load_error = f"{type(error).__name__}: {error}"
        else:
            return backend
        log.error("model %s is unavailable, next try in %.0f s: %s", self.name, self._retry_s, self._load_error)
        return None

    def _next_search(self) -> _Search | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or bool(self._searches))
            return None if self._stopping else self._searches.popleft()

    def _outcome(self, backend: Backend, search: _Search) -> list[FloatArray] | RerankError:
        try:
            return self._score_in_batches(backend, search)
        except RerankError as error:
            return error
        except Exception as error:  # backends run third-party code; whatever it raises ends here
            log.exception("model %s failed on a search", self.name)
            return BackendError(f"{self.name}: {type(error).__name__}: {error}")

    def _score_in_batches(self, backend: Backend, search: _Search) -> list[FloatArray]:
        """Batches of like length, so that little is padded; a search past its deadline costs nothing more."""
        pairs = self._encode(backend, search)
        by_length = sorted(range(len(pairs)), key=lambda row: len(pairs[row]["input_ids"]))
        scores = np.empty(len(pairs))
        for start in range(0, len(by_length), self._settings.batch_size):
            if search.expired:
                raise DeadlineExceeded(f"{self.name} was not done in time")
            rows = by_length[start : start + self._settings.batch_size]
            scores[rows] = _checked(backend.score([pairs[row] for row in rows]), len(rows))
        ends = np.cumsum([len(document_texts) for _, document_texts in search.queries])
        return np.split(scores, ends[:-1])

    def _encode(self, backend: Backend, search: _Search) -> list[Tokens]:
        pairs: list[Tokens] = []
        for query_text, document_texts in search.queries:
            if search.expired:
                raise DeadlineExceeded(f"the search waited for {self.name} beyond its budget")
            encoded = backend.encode(query_text, document_texts)
            if len(encoded) != len(document_texts):
                raise BackendError(f"the tokenizer gave {len(encoded)} pairs for {len(document_texts)} documents")
            pairs += encoded
        return pairs


def _checked(scores: FloatArray, expected: int) -> FloatArray:
    if scores.shape != (expected,):
        raise BackendError(f"the model gave scores of shape {scores.shape} for {expected} pairs")
    if not np.all((scores >= 0.0) & (scores <= 1.0)):
        raise BackendError("the model gave scores that are not numbers between 0 and 1")
    return scores
