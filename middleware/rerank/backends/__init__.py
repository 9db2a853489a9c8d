"""What every backend offers, so that the engine need not know what runs the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from middleware.config import ModelSettings

FloatArray = NDArray[np.float64]

Tokens = Mapping[str, Sequence[int]]
"""One pair as its model reads it: input_ids and what belongs to them, cut to max_tokens, not padded."""


BATCH_TOKENS = 512
"""What a CPU thread takes at once. MiniLM-L6 on torch, product texts, processor time of 50 pairs: 582 ms with 256
tokens, 570 with 512, 636 with 1024, 800 with 4096."""


class Backend(Protocol):
    """One loaded model.

    `threads`: CPU threads that one call of `score` uses. `workers`: how many threads should call `score` at once for
    the machine to be busy: its cores on a CPU (each with its own pairs, which gains more than splitting operations), 1
    on a GPU. `batch_tokens`: tokens of one batch, padding included, unless the configuration says otherwise. `name`:
    the runtime and its arithmetic, and whatever else another score could come of. `one_query`, where it is there and
    true: a batch should hold pairs of one query text alone, so that several are scored by several workers at once.
    """

    name: str
    threads: int
    workers: int
    batch_tokens: int

    def encode(self, query_text: str, document_texts: Sequence[str]) -> Sequence[Tokens]:
        """Tokens of each (query, document) pair, in the order of `document_texts`. One thread at a time."""
        ...

    def score(self, batch: Sequence[Tokens]) -> FloatArray:
        """cross_encoder_score of each pair, shape (len(batch),), each in [0, 1]. Any number of threads at once."""
        ...


def load_backend(settings: ModelSettings) -> Backend:
    """The backend for a model, with its weights in memory or at its servers. Raises ModelUnavailable."""
    if settings.remote is not None:
        from middleware.rerank.backends.remote import RemoteBackend

        return RemoteBackend(settings)
    from middleware.rerank.backends.choice import choose_backend

    return choose_backend(settings)
