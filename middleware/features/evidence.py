"""What the features of one search's hits are made of, gathered in one place so that no room reads hits itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields


@dataclass(frozen=True, slots=True)
class Evidence:
    """n hits of one search, in first-stage order.

    `values`: of each hit, field path -> its values. `hit_fields` may be empty where no feature reads them.
    `vector_cosines`: shape (n,), NaN for a hit without a vector; None where there are no vectors at all.
    """

    query_text: str
    first_stage_scores: FloatArray
    values: Sequence[Mapping[str, Sequence[object]]]
    hit_fields: Sequence[HitFields]
    vector_cosines: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.first_stage_scores)


def fill_with_median(values: FloatArray, neutral: float) -> FloatArray:
    """`values`, shape (n,), with the median of those known in place of NaN; `neutral` where none is known."""
    known = np.isfinite(values)
    if known.all():
        return values
    return np.where(known, values, np.median(values[known]) if known.any() else neutral)
