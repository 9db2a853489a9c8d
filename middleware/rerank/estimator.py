"""What costs microseconds: an estimate of the cross-encoder's score of each hit, from the words' vectors alone.

A late interaction (Khattab and Zaharia, ColBERT, 2020) of vectors that stand for a token wherever it is: a projection
of the cross-encoder's own word embeddings, learned, with all other weights here, to order windows as the model itself
does (learning/cascade/training.py). It decides what the model reads first, and what it need not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends import FloatArray
from middleware.rerank.estimator_file import DOCUMENT_TOKENS, QUERY_TOKENS, EstimatorFile
from middleware.rerank.text_memory import TextMemory

Ids = NDArray[np.int32]
Matrix = NDArray[np.float32]

# Measured: 700 for the arrays and their heads, 250 for the key and the place in a dict.
_BYTES_EACH = 1000


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept of a document text: its tokens, shape (n,), and their weighted mean vector, of length 1."""

    ids: Ids
    centre: Matrix


@dataclass(frozen=True, slots=True)
class Estimates:
    """Of n hits what the model's score may be: shapes (n,), each in [0, 1]. `uppers` are rarely exceeded.

    `depth`: how many of a window are worth reading, as was measured when the estimator was made.
    """

    scores: FloatArray
    uppers: FloatArray
    depth: int


class Estimator:
    """Estimates scores. Thread-safe. Documents are tokenised once, in at most `max_bytes` of memory."""

    def __init__(self, file: EstimatorFile, max_bytes: int = 0) -> None:
        self._file = file
        self._documents: TextMemory[Document] = TextMemory(max_bytes // _BYTES_EACH)

    @property
    def depth(self) -> int:
        """See Estimates."""
        return self._file.depth

    def estimate(
        self, query_text: str, document_texts: Sequence[str], first_stage: FloatArray, certainty: float
    ) -> Estimates:
        """Estimates for the hits of one window.

        `first_stage`: their scores by Elasticsearch, scaled to [0, 1], shape (n,), in its order. A hit's score stays
        below its upper bound with the chance `certainty`; at 1 that is 1, which no score exceeds.
        """
        file = self._file
        logits = self.features(query_text, document_texts, first_stage) @ file.linear + file.bias
        is_sure = certainty >= 1
        uppers = np.ones(len(logits)) if is_sure else _sigmoid(logits + file.margins(logits, certainty))
        return Estimates(_sigmoid(logits), uppers, file.depth)

    def features(self, query_text: str, document_texts: Sequence[str], first_stage: FloatArray) -> FloatArray:
        """What an estimate is made of, shape (n, 8), in the order of `estimator_file.FEATURES`."""
        file, count = self._file, len(document_texts)
        query = file.tokenise([query_text], QUERY_TOKENS)[0]
        documents = self._documents.read(document_texts, self._make)
        ids, starts, lengths = _joined(documents)
        tokens = file.vectors[query]
        weights = file.query_weights[query] / file.query_weights[query].sum()
        similarity = file.vectors[ids] @ tokens.T  # of every token of all documents to every one of the query
        nearest = np.maximum.reduceat(similarity, starts)
        shares = file.shares(ids, lengths)
        reverse = np.add.reduceat(similarity.max(axis=1) * shares, starts) / np.add.reduceat(shares, starts)
        centre = _unit(weights @ tokens)
        columns = (
            first_stage,
            1 / (1 + np.arange(count)),
            lengths / DOCUMENT_TOKENS,
            np.full(count, len(query) / QUERY_TOKENS),
            nearest @ weights,
            nearest.min(axis=1),
            np.stack([document.centre for document in documents]) @ centre,
            reverse,
        )
        return np.stack(columns, axis=1).astype(np.float64)

    def _make(self, texts: Sequence[str]) -> list[Document]:
        tokens = self._file.tokenise(texts, DOCUMENT_TOKENS)
        lengths = np.array([len(ids) for ids in tokens])
        ids = np.concatenate(tokens)
        starts = np.cumsum(lengths) - lengths
        weighted = self._file.vectors[ids] * self._file.shares(ids, lengths)[:, None]
        centres = _unit(np.add.reduceat(weighted, starts))
        # Copies: a row would keep the vectors of all that were made with it in memory.
        return [Document(ids, centre.copy()) for ids, centre in zip(tokens, centres, strict=True)]


def _joined(documents: Sequence[Document]) -> tuple[Ids, NDArray[np.intp], NDArray[np.intp]]:
    """All tokens one after the other, where each document starts, and how many it has."""
    lengths = np.array([len(document.ids) for document in documents])
    return np.concatenate([document.ids for document in documents]), np.cumsum(lengths) - lengths, lengths


def _unit(vectors: Matrix) -> Matrix:
    unit: Matrix = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-12))
    return unit


def _sigmoid(logits: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
