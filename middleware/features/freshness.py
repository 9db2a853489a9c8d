"""How new a product is, beside the other hits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from middleware.features.evidence import fill_with_median
from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields


def freshness(hits: Sequence[HitFields]) -> FloatArray:
    """Shape (n,), in [0, 1]: what HitFields.freshness says; without one the median of the others, or 0.5 for all."""
    values = np.array([np.nan if hit.freshness is None else hit.freshness for hit in hits], dtype=np.float64)
    return fill_with_median(values, 0.5)
