"""An order that is relevant and not all of a kind: maximal marginal relevance.

Carbonell and Goldstein, "The Use of MMR, Diversity-Based Reranking" (SIGIR 1998): next comes the item of the greatest
lambda * relevance - (1 - lambda) * (likeness to the most alike one before it).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields

SAME_BRAND, SAME_CATEGORY = 0.3, 0.5
"""Likeness of two products of which one has no vector; of one brand and category it is the sum."""


def order_by_mmr(relevance: FloatArray, likeness: FloatArray, diversity: float) -> list[int]:
    """All n positions, best first; `relevance`, (n,), and `likeness`, (n, n), in [0, 1]; lambda is 1 - `diversity`.

    The first is the most relevant one; ties keep the order they came in. O(n^2) time.
    """
    count = len(relevance)
    left = np.ones(count, dtype=bool)
    most_alike = np.zeros(count)
    order: list[int] = []
    for _ in range(count):
        gain = (1 - diversity) * relevance - diversity * most_alike if order else relevance
        best = int(np.argmax(np.where(left, gain, -np.inf)))
        order.append(best)
        left[best] = False
        most_alike = np.maximum(most_alike, likeness[best])
    return order


def likeness_of(vectors: NDArray[np.float32], fields: Sequence[HitFields]) -> FloatArray:
    """Shape (n, n), in [0, 1]: cosines of the unit vectors, (n, d), negative ones as 0.

    Of a pair with a vector missing (a row of NaN): what they share in brand and category.
    """
    cosines = np.clip(vectors.astype(np.float64) @ vectors.T.astype(np.float64), 0.0, 1.0)
    unknown = np.isnan(cosines)
    if unknown.any():
        shared = SAME_BRAND * _meet([each.brand for each in fields])
        shared += SAME_CATEGORY * _meet([each.category for each in fields])
        cosines[unknown] = shared[unknown]
    return np.asarray(cosines, dtype=np.float64)


def _meet(names: Sequence[Sequence[str]]) -> FloatArray:
    """1 for each pair with a name in common, else 0, shape (n, n)."""
    columns = {name: column for column, name in enumerate(dict.fromkeys(name for each in names for name in each))}
    has = np.zeros((len(names), len(columns)))
    for row, each in enumerate(names):
        has[row, [columns[name] for name in each]] = 1.0
    return np.asarray(has @ has.T > 0, dtype=np.float64)
