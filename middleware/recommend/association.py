"""How surely two products are bought together by more than chance: the log-likelihood ratio of their counts.

Dunning, "Accurate Methods for the Statistics of Surprise and Coincidence" (Computational Linguistics 19:1, 1993):
unlike lift it does not put two rare products that met by accident before two that many bought together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from middleware.fusion import FloatArray

Counts = NDArray[np.int64]


def log_likelihood_ratio(both: Counts, first: Counts, second: Counts, users: int) -> FloatArray:
    """G^2 of each pair, shape (n,), with the sign of the association: below 0 where they meet less than by chance.

    `both` users have both products, `first` and `second` have the one and the other, of `users` in all. G^2 is twice
    the sum over the 2 x 2 table of k * ln(k / expected k).
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    met = np.asarray(both, dtype=np.float64)
    table = ((met, one, other), (one - met, one, users - other), (other - met, users - one, other))
    ratio = sum(_term(count, row * column / users) for count, row, column in table)
    ratio = ratio + _term(users - one - other + met, (users - one) * (users - other) / users)
    return np.asarray(np.where(met * users >= one * other, 2 * ratio, -2 * ratio), dtype=np.float64)


def _term(count: FloatArray, expected: FloatArray) -> FloatArray:
    """count * ln(count / expected), 0 for a count of 0; counts below 0 are 0."""
    there = count > 0
    ratio = np.where(there, count, 1.0) / np.where(there, np.maximum(expected, 1e-300), 1.0)
    return np.asarray(np.where(there, count * np.log(ratio), 0.0), dtype=np.float64)
