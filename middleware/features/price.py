"""A hit's price beside what the query's best hits cost: a case is no phone, whatever its title says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields

_TOP = 10


def price_features(hits: Sequence[HitFields]) -> dict[str, FloatArray]:
    """price_closeness and price_level of hits in Elasticsearch's order, each (n,), in [0, 1]; 0.5 without a price.

    Typical is the median of the first ten prices: half of them may be anything without moving it far.
    """
    prices = np.array([np.nan if hit.price is None else hit.price for hit in hits], dtype=np.float64)
    known = np.isfinite(prices)
    closeness, level = np.full(len(hits), 0.5), np.full(len(hits), 0.5)
    if known.any():
        typical = float(np.median(prices[known][:_TOP]))
        above = np.exp(np.clip(np.log(prices[known]) - np.log(typical), -700, 700))  # a ratio that cannot overflow
        closeness[known] = np.minimum(above, 1 / above)
        level[known] = above / (1 + above)
    return {"price_closeness": closeness, "price_level": level}
