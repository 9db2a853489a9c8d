"""Whether the query names the hit's brand, or another's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from middleware.features.words import comparable, split_words
from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields


def brand_match(query_text: str, hits: Sequence[HitFields]) -> FloatArray:
    """Shape (n,): 1 where the query names the hit's brand, 0 where it names another of theirs, 0.5 where it names none.

    A hit without a brand has 0.5 as well.
    """
    query = _spaced(query_text)
    named = {brand: _spaced(brand) in query for brand in {brand for hit in hits for brand in hit.brand}}
    if not any(named.values()):
        return np.full(len(hits), 0.5)
    return np.array([float(any(map(named.__getitem__, hit.brand))) if hit.brand else 0.5 for hit in hits])


@lru_cache(maxsize=4096)  # a catalogue has few brands, and every search meets them again
def _spaced(text: str) -> str:
    """The words with a space around each, so that no part of one is taken for it; no words are found nowhere."""
    words = split_words(comparable(text))
    return f" {' '.join(words)} " if words else "\0"
