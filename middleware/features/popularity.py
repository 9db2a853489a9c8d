"""How much a product is bought or seen, beside the other hits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from middleware.features.evidence import fill_with_median
from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields


def popularity(hits: Sequence[HitFields]) -> FloatArray:
    """Shape (n,), in [0, 1]: log(1 + popularity) as a share of the greatest of these hits.

    A hit without a value has the median of the others, all have 0.5 where none has one.
    """
    counts = np.array([np.nan if hit.popularity is None else hit.popularity for hit in hits], dtype=np.float64)
    scaled = np.log1p(counts)
    greatest = np.nanmax(scaled, initial=0.0)
    return fill_with_median(scaled / greatest if greatest > 0 else scaled, 0.5)
