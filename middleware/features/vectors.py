"""How near query and document lie as vectors: as measured, and as the window's hits differ in it."""

from __future__ import annotations

import numpy as np

from middleware.features.evidence import fill_with_median
from middleware.fusion import FloatArray, bounded


def vector_features(cosines: FloatArray) -> dict[str, FloatArray]:
    """vector_cosine and vector_cosine_raw of cosines in [-1, 1], shape (n,), NaN without a vector; each in [0, 1].

    The first is scaled by min-max, since how far cosines lie apart depends on the encoder and the query. A hit without
    a vector has the window's median; where there are none, or all are equal, the first is 0.5.
    """
    known = np.isfinite(cosines)
    lowest, highest = cosines[known].min(initial=1.0), cosines[known].max(initial=-1.0)
    spread = (cosines - lowest) / (highest - lowest) if highest > lowest else np.where(known, 0.5, np.nan)
    return {
        "vector_cosine": fill_with_median(spread, 0.5),
        "vector_cosine_raw": bounded(fill_with_median(cosines, 0.0)),
    }
