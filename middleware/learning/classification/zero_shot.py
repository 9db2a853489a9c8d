"""Categories from their names alone: which of them the cross-encoder finds answered best by the product's text.

The names are the queries and the product the document, as in search; which names are asked about is decided by the
bi-encoder, as there the first stage decides (Yin et al., Benchmarking Zero-shot Text Classification, EMNLP 2019, for
classification as inference over label names).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from middleware.errors import CommandError, RerankError
from middleware.rerank.backends import FloatArray
from middleware.rerank.bi_encoder import BiEncoder
from middleware.rerank.engine import Engine

SHORTLIST = 10
_PATIENCE_MS = 600_000.0
_TINY = 1e-6
_AT_ONCE = 32


def zero_shot_probabilities(
    texts: Sequence[str],
    classes: Sequence[str],
    encoder: BiEncoder,
    engine: Engine,
    *,
    shortlist: int = SHORTLIST,
    step: Callable[[int], None] = lambda done: None,
) -> FloatArray:
    """Shape (n, c): the odds of the cross-encoder's scores, made to add up to 1; 0 for a name not in the shortlist.

    Raises CommandError where the model fails.
    """
    found = np.zeros((len(texts), len(classes)))
    names = encoder.encode_queries(list(classes))
    for start in range(0, len(texts), _AT_ONCE):
        rows = texts[start : start + _AT_ONCE]
        cosines = encoder.encode_documents(rows) @ names.T
        asked = np.argsort(-cosines, axis=1, kind="stable")[:, :shortlist]
        pairs = [(classes[place], [text]) for text, places in zip(rows, asked, strict=True) for place in places]
        np.put_along_axis(found[start : start + len(rows)], asked, _odds(engine, pairs).reshape(asked.shape), axis=1)
        step(start + len(rows))
    shares: FloatArray = found / found.sum(axis=1, keepdims=True)
    return shares


def _odds(engine: Engine, pairs: Sequence[tuple[str, Sequence[str]]]) -> FloatArray:
    """Shape (pairs,): the odds of each score."""
    try:
        scores = engine.score_many(pairs, budget_ms=_PATIENCE_MS)
    except RerankError as error:
        raise CommandError(f"the cross-encoder failed: {error}") from error
    score = np.clip(np.concatenate(scores), _TINY, 1 - _TINY)
    return np.asarray(score / (1 - score), dtype=np.float64)
