"""What a worker thread does: take the next batch, run the model on it, check what it gave, hand it out."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from middleware.config import ModelSettings
from middleware.errors import BackendError, RerankError
from middleware.rerank.backends import Backend, FloatArray
from middleware.rerank.foreign import translated
from middleware.rerank.pace import Pace
from middleware.rerank.pairs import Pair
from middleware.rerank.queue import PairQueue
from middleware.rerank.score_memory import ScoreMemory
from middleware.rerank.watch import Watch

_WARM_UP_WORD = "warm "
_WARM_UP_PAIRS = 16


def serve(backend: Backend, queue: PairQueue, name: str, watch: Watch, memory: ScoreMemory | None = None) -> None:
    """Score batches until the queue is closed; a failure is handed to the searches of its batch and to no others."""
    while (batch := queue.take()) is not None:
        started = perf_counter()
        outcome = _score(backend, batch, name)
        seconds = perf_counter() - started
        if memory is not None and not isinstance(outcome, RerankError):  # before nobody finds the pairs in flight
            memory.put({pair.key: float(score) for pair, score in zip(batch, outcome, strict=True) if pair.key})
        queue.settle(batch, outcome, seconds)
        watch.observe_engine(name, "forward", seconds)
        if not isinstance(outcome, RerankError):
            watch.count_pairs(name, "scored", len(batch))


def warm_up(backend: Backend, settings: ModelSettings, pace: Pace) -> None:
    """Run short pairs and a long one, for what a backend sets up on first use, then measure its pace."""
    long = backend.encode(_WARM_UP_WORD, [_WARM_UP_WORD * settings.max_tokens])
    _checked(backend.score(long), 1)
    short = [Pair(tokens) for tokens in backend.encode(_WARM_UP_WORD, [_WARM_UP_WORD * 16] * _WARM_UP_PAIRS)]
    for _ in range(2):  # the first run of a shape costs more than all that follow
        started = perf_counter()
        _checked(backend.score([pair.tokens for pair in short]), len(short))
        seconds = perf_counter() - started
    pace.observe(sum(pair.length for pair in short), len(short), seconds)


def _score(backend: Backend, batch: Sequence[Pair], name: str) -> FloatArray | RerankError:
    try:
        with translated(name, "a batch"):
            return _checked(backend.score([pair.tokens for pair in batch]), len(batch))
    except RerankError as error:
        return error


def _checked(scores: FloatArray, expected: int) -> FloatArray:
    if scores.shape != (expected,):
        raise BackendError(f"the model gave scores of shape {scores.shape} for {expected} pairs")
    if not np.all((scores >= 0.0) & (scores <= 1.0)):
        raise BackendError("the model gave scores that are not numbers between 0 and 1")
    return scores
