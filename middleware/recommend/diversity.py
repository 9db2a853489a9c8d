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
    for first, second in np.argwhere(np.isnan(cosines)).tolist():
        cosines[first, second] = _shared(fields[first], fields[second]) if fields else 0.0
    return np.asarray(cosines, dtype=np.float64)


def _shared(one: HitFields, other: HitFields) -> float:
    brand = SAME_BRAND if set(one.brand) & set(other.brand) else 0.0
    return brand + (SAME_CATEGORY if set(one.category) & set(other.category) else 0.0)
