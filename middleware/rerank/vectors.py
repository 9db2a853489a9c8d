"""Vectors of documents in the form that an index keeps, and what a query's vector makes of them: pure, numpy alone.

A vector of unit length needs no scale beside its 8-bit codes: a cosine is a matter of direction. 384 dimensions are 384
bytes, 512 characters of base64; cosines then differ by less than 0.005 from those of 32-bit numbers.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends import FloatArray

Matrix = NDArray[np.float32]

_LARGEST_CODE = 127
_KEY_BYTES = 16


def vector_key(revision: str, text: str) -> str:
    """Under what an index keeps the vector of `text` by the bi-encoder of that revision: 22 URL-safe characters.

    The content is the key: a vector is never that of another text or model, and outlives every rebuild of the index.
    """
    content = f"{revision}\0{text}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(hashlib.blake2b(content, digest_size=_KEY_BYTES).digest()).rstrip(b"=").decode()


def pack(vectors: Matrix) -> list[str]:
    """Each row of `vectors`, (n, d), as base64 of d signed bytes; the largest component becomes 127 or -127."""
    largest = np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.float32(1e-12))
    codes = np.rint(vectors / largest * _LARGEST_CODE).astype(np.int8)
    return [b64encode(row.tobytes()).decode() for row in codes]


def unpack(encoded: Sequence[str | None], dimensions: int) -> Matrix:
    """Vectors of unit length, float32 (n, dimensions); NaN where there is none, or one of another size."""
    vectors = np.full((len(encoded), dimensions), np.nan, dtype=np.float32)
    for row, each in enumerate(encoded):
        if each is not None:
            vectors[row] = _codes(each, dimensions)
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    known = np.where(lengths == 0, np.float32(np.nan), lengths)
    return np.asarray(vectors / known[:, None], dtype=np.float32)


@dataclass(frozen=True, slots=True)
class HitVectors:
    """Vectors of a window's n hits by the bi-encoder of revision `model`: `matrix`, float32 (n, d), of unit length.

    A hit without one has NaN. `query`: the query's vector, (d,); None where nobody wanted it, or it came too late.
    """

    matrix: Matrix
    model: str
    query: NDArray[np.float32] | None = None

    @property
    def dimensions(self) -> int:
        return int(self.matrix.shape[1])

    def cosines_to(self, vector: NDArray[np.float32]) -> FloatArray:
        """Of each hit to a vector (d,) of unit length, shape (n,); NaN where it has none."""
        return (self.matrix @ vector).astype(np.float64)

    @property
    def cosines(self) -> FloatArray | None:
        """Of each hit to the query, shape (n,), NaN where it has no vector; None without the query's."""
        return None if self.query is None else self.cosines_to(self.query)


def dimensions_of(encoded: str) -> int:
    """How many numbers are packed in there; 0 where it is damaged."""
    try:
        return len(b64decode(encoded))
    except (NotBase64, ValueError):
        return 0


def cosines(query_vector: NDArray[np.float32], encoded: Sequence[str | None]) -> FloatArray:
    """Shape (n,): cosine of the query's vector, (d,), of unit length, to each packed one; NaN where there is none."""
    return (unpack(encoded, len(query_vector)) @ query_vector).astype(np.float64)


def _codes(encoded: str, dimensions: int) -> Matrix:
    try:
        codes = np.frombuffer(b64decode(encoded), dtype=np.int8)
    except (NotBase64, ValueError):
        codes = np.zeros(0, dtype=np.int8)
    return codes.astype(np.float32) if len(codes) == dimensions else np.full(dimensions, np.nan, dtype=np.float32)
