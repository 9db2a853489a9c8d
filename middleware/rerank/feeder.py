"""How a search's pairs come into the queue: what is remembered or in flight is not computed again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import monotonic, perf_counter

from middleware.errors import BackendError
from middleware.rerank.backends import Backend
from middleware.rerank.foreign import translated
from middleware.rerank.pairs import Pair, Search
from middleware.rerank.queue import PairQueue
from middleware.rerank.score_keys import ScoreKeys
from middleware.rerank.score_memory import ScoreMemory
from middleware.rerank.turns import Turns
from middleware.rerank.watch import Fate, Watch

# Pairs tokenised in one go: the first batch starts while the others are tokenised, and searches take turns. Of one
# query more, since batches cut of all its pairs are more even; of many fewer, since the budget is for all their heads.
_SLICE_OF_ONE, _SLICE_OF_MANY = 64, 32

Query = tuple[str, Sequence[str]]
"""A query text and the texts of its documents."""


class Feeder:
    """Fills the slots of searches. Thread-safe: it lets one thread at a time use the backend's tokenizer.

    Without `memory` and `keys` nothing is remembered, nothing shared, and the query text is read as it came.
    """

    def __init__(
        self,
        backend: Backend,
        queue: PairQueue,
        name: str,
        watch: Watch,
        memory: ScoreMemory | None = None,
        keys: ScoreKeys | None = None,
    ) -> None:
        self._backend = backend
        self._queue = queue
        self._name = name
        self._watch = watch
        self._memory = memory
        self._keys = keys
        self._encoding = Turns()
        self._one_query: bool = getattr(backend, "one_query", False)

    def remember(self, queries: Sequence[Query], search: Search) -> None:
        """Name the pairs of a search, and fill the slots of those whose scores are remembered."""
        if self._memory is None or self._keys is None:
            return
        search.keys = [self._keys.of(self._keys.normalise(text), documents) for text, documents in queries]
        wanted = [key for keys in search.keys for key in keys]
        found = self._memory.find_anywhere(wanted, search.deadline - monotonic())
        for slots, keys in zip(search.slots, search.keys, strict=True):
            slots[:] = [found.get(key) for key in keys]
        self._count("remembered", search.size - search.missing)

    def feed(self, queries: Sequence[Query], search: Search) -> None:
        """Queue what is missing. Ends early where the search is finished before; raises BackendError."""
        for index, rows in _slices(search):
            if search.is_whole or not self._encoding.acquire(search.deadline - monotonic()):
                return
            try:
                pairs = self._pairs(queries[index], search, index, rows)
            finally:
                self._encoding.release()
            for row, pair in zip(rows, pairs, strict=True):
                search.slots[index][row] = pair

    def _pairs(self, query: Query, search: Search, index: int, rows: Sequence[int]) -> list[Pair]:
        """The pairs of some documents, queued. Whoever holds the tokenizer alone may say what is not yet in flight."""
        if not search.keys or self._keys is None:
            pairs = self._encode(query[0], [query[1][row] for row in rows], [None] * len(rows))
            self._queue.add(search, pairs)
            return pairs
        keys = [search.keys[index][row] for row in rows]
        found = self._queue.find(keys)
        found |= self._just_scored(key for key in keys if key not in found)
        fresh = {key: query[1][row] for key, row in zip(keys, rows, strict=True) if key not in found}
        query_text = self._keys.normalise(query[0])
        new = self._encode(query_text, list(fresh.values()), list(fresh)) if fresh else []
        found |= dict(zip(fresh, new, strict=True))
        self._count("shared", len(keys) - len(fresh))
        pairs = [found[key] for key in keys]
        self._queue.add(search, pairs)
        return pairs

    def _just_scored(self, keys: Iterator[bytes]) -> dict[bytes, Pair]:
        """Pairs that another search had in flight when this one came, and whose scores are remembered by now."""
        scores = self._memory.find(keys) if self._memory is not None else {}
        return {key: Pair.settled(score) for key, score in scores.items()}

    def _count(self, fate: Fate, pairs: int) -> None:
        self._watch.count_pairs(self._name, fate, pairs)
        self._watch.count_saved(self._name, pairs * self._queue.pair_s)

    def _encode(self, query_text: str, document_texts: Sequence[str], keys: Sequence[bytes | None]) -> list[Pair]:
        started = perf_counter()
        with translated(self._name, "the tokenizer"):
            encoded = self._backend.encode(query_text, document_texts)
        if len(encoded) != len(document_texts):
            raise BackendError(f"the tokenizer gave {len(encoded)} pairs for {len(document_texts)} documents")
        self._watch.observe_engine(self._name, "tokenise", perf_counter() - started)
        own = query_text if self._one_query else None
        return [Pair(tokens, key, own) for tokens, key in zip(encoded, keys, strict=True)]


def _slices(search: Search) -> Iterator[tuple[int, Sequence[int]]]:
    """Rows to be tokenised in one go, with the place of their query: the head of every query's documents first."""
    missing = [[row for row, slot in enumerate(slots) if slot is None] for slots in search.slots]
    size = _SLICE_OF_ONE if len(missing) == 1 else _SLICE_OF_MANY
    for start in range(0, max(map(len, missing)), size):
        for index, rows in enumerate(missing):
            if start < len(rows):
                yield index, rows[start : start + size]
