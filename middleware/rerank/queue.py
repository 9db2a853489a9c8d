"""All pairs that wait for one model, and the batches formed from them whenever a worker is free.

No timers: whoever waits when a worker is free may go in. A search stands at the moment at which it would be done, were
it alone here: its arrival plus its cost. Searches of one size are so served in the order of arrival, which makes none
of them wait for halves of the others as taking turns would; a small one overtakes a large one; and none starves, since
what comes much later stands behind, whatever its size. Where there are more than can be served, each still gets the
head of its window, since work stops at the deadline and what was done by then counts.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from threading import Condition
from time import monotonic

from middleware.errors import ModelUnavailable, Overloaded, RerankError
from middleware.rerank.backends import FloatArray
from middleware.rerank.batches import cut_batch
from middleware.rerank.pace import Pace
from middleware.rerank.pairs import Pair, Search, State


class PairQueue:
    """Thread-safe. Callers `join`, `add` and `leave`; workers `take` and `settle`.

    `on_waiting` is told of every change of `waiting`, in order, and must be cheap.
    """

    def __init__(
        self,
        *,
        limit: int,
        batch_tokens: int,
        workers: int,
        pace: Pace,
        on_waiting: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._batch_tokens = batch_tokens
        self._workers = workers
        self._pace = pace
        self._on_waiting = on_waiting
        self._changed = Condition()
        self._searches: list[Search] = []
        self._in_flight: dict[bytes, Pair] = {}
        self._closed: RerankError | None = None

    @property
    def waiting(self) -> int:
        """Searches of which something waits to be tokenised or scored; never more than the limit."""
        return len(self._searches)

    @property
    def pair_s(self) -> float:
        """What a pair costs a worker at present, in seconds."""
        return self._pace.pair_s

    def join(self, search: Search) -> None:
        """Take a place in the queue. Raises Overloaded where there is none, ModelUnavailable where it is closed."""
        with self._changed:
            if self._closed:
                raise self._closed
            if len(self._searches) >= self._limit:
                raise Overloaded(f"{len(self._searches)} searches wait for the model already")
            cost = search.missing * self._pace.pair_s / self._workers
            search.place = min(search.joined + cost, search.deadline)
            insort(self._searches, search, key=lambda other: other.place)
            self._on_waiting(len(self._searches))

    def find(self, keys: Iterable[bytes]) -> dict[bytes, Pair]:
        """The pairs among `keys` that wait or run for another search already."""
        with self._changed:
            return {key: self._in_flight[key] for key in keys if key in self._in_flight}

    def add(self, search: Search, pairs: Iterable[Pair]) -> None:
        """More pairs of a search, its own or found in flight, in the order in which it wants them."""
        with self._changed:
            if search.is_whole:
                return
            for pair in pairs:
                if pair.error is not None:
                    self._finish(search, pair.error)
                    return
                if pair.state is State.SETTLED or search in pair.searches:
                    continue
                pair.searches.append(search)
                if pair.state is State.RUNNING:
                    search.running += 1
                    continue
                search.waiting[pair] = None
                if pair.key is not None:
                    self._in_flight[pair.key] = pair
            self._changed.notify_all()

    def complete(self, search: Search) -> None:
        """No more pairs of this search will come."""
        with self._changed:
            search.is_whole = True
            self._retire(search)

    def leave(self, search: Search) -> None:
        """Whoever waited for it is gone: what still waits for it alone is dropped."""
        with self._changed:
            self._finish(search, None)

    def close(self, error: ModelUnavailable) -> None:
        """Fail every search of which something still waits, and let every worker go after its present batch."""
        with self._changed:
            self._closed = error
            for search in list(self._searches):
                self._finish(search, error)
            self._changed.notify_all()

    def take(self) -> Sequence[Pair] | None:
        """The next batch, of like lengths, as soon as there is one; None once the queue is closed."""
        with self._changed:
            while self._closed is None:
                batch = self._next_batch(monotonic())
                if batch:
                    return batch
                self._changed.wait()
            return None

    def settle(self, batch: Sequence[Pair], outcome: FloatArray | RerankError, seconds: float) -> None:
        """Hand the scores of a batch, shape (len(batch),), to the searches that wait for them, or fail these alone."""
        with self._changed:
            if not isinstance(outcome, RerankError):
                self._pace.observe(max(pair.length for pair in batch) * len(batch), len(batch), seconds)
            for row, pair in enumerate(batch):
                pair.state = State.SETTLED
                if isinstance(outcome, RerankError):
                    pair.error = outcome
                else:
                    pair.score = float(outcome[row])
                self._forget(pair)
                for search in pair.searches:
                    search.running -= 1
                    if pair.error is not None:
                        self._finish(search, pair.error)
                    self._retire(search)
                pair.searches.clear()  # else the two would keep each other in memory until the garbage collector comes

    def _next_batch(self, now: float) -> Sequence[Pair]:
        for search in list(self._searches):
            if self._is_hopeless(search, now):
                self._finish(search, None)
            elif search.waiting:
                batch = self._form_batch(search, now)
                for pair in batch:
                    self._start(pair, now)
                return batch
        return ()

    def _is_hopeless(self, search: Search, now: float) -> bool:
        """Past its deadline, or too near to it for one more pair.

        What is the first of its search is started even so: a pace that errs would otherwise never be put right.
        """
        if now >= search.deadline or search.started is None or not search.waiting:
            return now >= search.deadline
        return next(iter(search.waiting)).length > self._pace.tokens_within(search.deadline - now)

    def _form_batch(self, first: Search, now: float) -> Sequence[Pair]:
        """A batch around the first pair of `first`: of all that it can hope for, and if that is little, of others'.

        Where batches may not mix query texts, it is of all that read the query text of that pair.

        Near the end of the waiting pairs batches get smaller, so that all workers are done at the same time.
        """
        head = next(iter(first.waiting))
        candidates: dict[Pair, None] = {}
        tokens, wanted = 0, self._batch_tokens * max(2, self._workers)
        for search in self._searches[self._searches.index(first) :]:
            if tokens >= wanted:
                break
            reach = tokens + self._workers * self._pace.tokens_within(search.deadline - now)
            for pair in search.waiting:
                if candidates and tokens + pair.length > reach:
                    break
                tokens += 0 if pair in candidates else pair.length
                if pair.query_text == head.query_text:
                    candidates[pair] = None
        affordable = self._pace.tokens_within(first.deadline - now)
        share = max(tokens / self._workers, self._batch_tokens / 4) if self._workers > 1 else self._batch_tokens
        return cut_batch(list(candidates), head, min(self._batch_tokens, share, affordable))

    def _start(self, pair: Pair, now: float) -> None:
        pair.state = State.RUNNING
        for search in pair.searches:
            del search.waiting[pair]
            search.running += 1
            search.started = search.started or now
            self._retire(search)

    def _finish(self, search: Search, error: RerankError | None) -> None:
        """Nothing more of this search is started; what runs may still come in time, unless there is an error."""
        search.error = search.error or error
        search.is_whole = True
        for pair in search.waiting:
            pair.searches.remove(search)
            if not pair.searches:
                self._forget(pair)
        search.waiting.clear()
        self._retire(search)

    def _retire(self, search: Search) -> None:
        if search.is_whole and not search.waiting:
            if search in self._searches:
                self._searches.remove(search)
                self._on_waiting(len(self._searches))
            if search.running == 0 or search.error is not None:
                search.done.set()

    def _forget(self, pair: Pair) -> None:
        if pair.key is not None and self._in_flight.get(pair.key) is pair:
            del self._in_flight[pair.key]
