"""How near query and document lie as vectors: as measured, and as the window's hits differ in it."""

from __future__ import annotations

import numpy as np

from middleware.features.evidence import fill_with_median
from middleware.fusion import FloatArray, bounded


def vector_features(cosines: FloatArray) -> dict[str, FloatArray]:
    """vector_cosine and vector_cosine_raw of cosines in [-1, 1], shape (n,), NaN without a vector; each in [0, 1].

    A hit without a vector has the window's median, all have 0.5 where none has one.
    """
    return {"vector_cosine": scaled(cosines), "vector_cosine_raw": bounded(fill_with_median(cosines, 0.5))}


def scaled(cosines: FloatArray) -> FloatArray:
    """vector_cosine alone: min-max, since how far cosines lie apart depends on the encoder and the query."""
    known = np.isfinite(cosines)
    lowest, highest = cosines[known].min(initial=np.inf), cosines[known].max(initial=-np.inf)
    if highest <= lowest:
        return np.full(cosines.shape, 0.5)
    return fill_with_median(np.where(known, (cosines - lowest) / (highest - lowest), np.nan), 0.5)
