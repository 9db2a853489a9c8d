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


class Backend(Protocol):
    """One loaded model. Used by one thread at a time, since fast tokenizers are not thread-safe."""

    def encode(self, query_text: str, document_texts: Sequence[str]) -> Sequence[Tokens]:
        """Tokens of each (query, document) pair, in the order of `document_texts`."""
        ...

    def score(self, batch: Sequence[Tokens]) -> FloatArray:
        """cross_encoder_score of each pair, shape (len(batch),), each in [0, 1]; one forward pass."""
        ...


def load_backend(settings: ModelSettings) -> Backend:
    """The backend for a model, with its weights in memory or at its servers. Raises ModelUnavailable."""
    if settings.remote is not None:
        from middleware.rerank.backends.remote import RemoteBackend

        return RemoteBackend(settings)
    from middleware.rerank.backends.torch import TorchBackend

    return TorchBackend(settings)
