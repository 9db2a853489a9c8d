"""Scores from servers: text-embeddings-inference, Jina, Cohere, vLLM, infinity, or `es-rerank scorer`."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import cast

import numpy as np

from middleware.config import ModelSettings
from middleware.errors import BackendError, DeadlineExceeded, ModelUnavailable, RerankError
from middleware.rerank.backends import FloatArray, Tokens
from middleware.rerank.backends.remote_server import Server, TooMany
from middleware.rerank.backends.rerank_call import CALLS, read_scores
from middleware.rerank.heads import sigmoid

_BYTES_PER_TOKEN = 4


class TextPair(dict[str, Sequence[int]]):
    """A pair that the server tokenizes itself; `input_ids` only has the length that it may be expected to have.

    One token is taken to be four bytes of UTF-8: four letters, or one and a third Chinese characters.
    """

    def __init__(self, query_text: str, document_text: str, max_tokens: int) -> None:
        size = len(query_text.encode("utf-8", "replace")) + len(document_text.encode("utf-8", "replace"))
        super().__init__(input_ids=range(min(max_tokens, size // _BYTES_PER_TOKEN + 3)))
        self.query_text = query_text
        self.document_text = document_text


class RemoteBackend:
    """A model that runs elsewhere. Any number of threads may call it; `workers` at once keep all connections busy.

    The server with the fewest requests in flight is asked first; where it fails, the next, until all have failed or
    `remote.timeout_ms` is over. A request holds one query, and so does a batch: those of an `_msearch` go out at once.
    `model`: what the server that answered last calls it.
    """

    threads = 1
    one_query = True
    batch_tokens = 16_384  # a request costs more than a forward pass, and the server forms batches of its own

    def __init__(self, settings: ModelSettings) -> None:
        if settings.remote is None:
            raise ModelUnavailable("models.NAME.remote names no servers")
        self._settings = settings
        self._remote = settings.remote
        self.name = f"remote {settings.remote.api}"
        self.model: str | None = None
        self.workers = settings.remote.connections
        self._call = CALLS[settings.remote.api]
        headers = ["Content-Type: application/json", "Accept: application/json"]
        key = settings.remote.read_api_key()
        if key:
            headers.append(f"Authorization: Bearer {key}")
        self._servers = [Server(url, self._call.path, settings.remote, headers) for url in settings.remote.servers]
        self._hedges = ThreadPoolExecutor(2 * self.workers) if settings.remote.hedge_ms else None

    def encode(self, query_text: str, document_texts: Sequence[str]) -> Sequence[Tokens]:
        """The texts as they are, each with its expected length."""
        return [TextPair(query_text, text, self._settings.max_tokens) for text in document_texts]

    def score(self, batch: Sequence[Tokens]) -> FloatArray:
        """cross_encoder_score of each pair, shape (len(batch),), each in [0, 1]; one request a query, if it fits.

        Raises BackendError where no server gives such scores, DeadlineExceeded where none does in time.
        """
        deadline = time.monotonic() + self._remote.timeout_ms / 1000
        rows_of: defaultdict[str, list[int]] = defaultdict(list)
        pairs = cast(Sequence[TextPair], batch)
        for row, pair in enumerate(pairs):
            rows_of[pair.query_text].append(row)
        scores = np.empty(len(pairs))
        for query_text, rows in rows_of.items():
            scores[rows] = self._first_answer(query_text, [pairs[row].document_text for row in rows], deadline)
        if self._remote.logits:
            scores = sigmoid(scores)
        if not np.all((scores >= 0.0) & (scores <= 1.0)):
            raise BackendError("the server gave scores beyond 0..1; if they are logits, set remote.logits: true")
        return scores

    def _first_answer(self, query_text: str, document_texts: Sequence[str], deadline: float) -> FloatArray:
        def ask(server: Server) -> FloatArray:
            return self._ask(server, query_text, document_texts, deadline)

        servers = sorted(self._servers, key=lambda server: server.turn)
        if self._hedges and len(servers) > 1:
            hedged = self._hedged(self._hedges, servers[:2], ask, deadline)
            if hedged is not None:
                return hedged
            servers = servers[2:]
        failure: RerankError = BackendError("no server has answered")
        for server in servers:
            try:
                return ask(server)
            except RerankError as error:
                failure = error
                if time.monotonic() >= deadline:
                    break
        raise failure

    def _hedged(
        self, pool: ThreadPoolExecutor, servers: Sequence[Server], ask: Callable[[Server], FloatArray], deadline: float
    ) -> FloatArray | None:
        """The first of two servers' answers, the second asked where the first is silent or fails; None: both failed."""
        first = pool.submit(ask, servers[0])
        wait([first], timeout=self._remote.hedge_ms / 1000)
        if first.done() and first.exception() is None:
            return first.result()
        waiting: set[Future[FloatArray]] = {first, pool.submit(ask, servers[1])}
        while waiting:
            done, waiting = wait(waiting, timeout=max(0.0, deadline - time.monotonic()), return_when=FIRST_COMPLETED)
            if not done:
                raise DeadlineExceeded("no server has answered in time")
            for future in done:
                if future.exception() is None:
                    return future.result()
        return None

    def _ask(self, server: Server, query_text: str, document_texts: Sequence[str], deadline: float) -> FloatArray:
        """The scores that one server gives, in as many requests as its limit takes."""
        limit = server.limit(deadline)
        if len(document_texts) > limit:
            parts = [document_texts[start : start + limit] for start in range(0, len(document_texts), limit)]
            return np.concatenate([self._ask(server, query_text, part, deadline) for part in parts])
        try:
            body = self._call.body(self._settings, query_text, document_texts)
            scores = read_scores(server.rerank(body, deadline), len(document_texts))
            self.model = server.model
            return scores
        except TooMany:
            half = len(document_texts) // 2
            if not half:
                raise
            parts = [document_texts[:half], document_texts[half:]]
            scores = np.concatenate([self._ask(server, query_text, part, deadline) for part in parts])
            server.lower_limit(len(document_texts) - half)
            return scores
