"""Features of the hits in, one fused_score per hit out: the order of the window and why it is so.

Every feature is a number in [0, 1] where higher is better and a hit about which nothing is known gets the value
that neither helps nor hurts it. A feature that is equal for all hits therefore never changes the order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SCORE_DECIMALS = 6
# Elasticsearch computes scores as 32-bit floats; the bound keeps differences of two scores finite.
LARGEST_SCORE = float(np.finfo(np.float32).max)


def scale_first_stage(first_stage_scores: FloatArray) -> FloatArray:
    """Elasticsearch's scores of one window, shape (n,), scaled by min-max to [0, 1].

    All equal: 1.0 each, since each is the window's best. A score that is missing (NaN) or infinite: 0.0, because
    Elasticsearch vouches for nothing there.
    """
    known = np.isfinite(first_stage_scores)
    scaled = np.zeros(first_stage_scores.shape, dtype=np.float64)
    if not known.any():
        return scaled
    scores = np.clip(first_stage_scores[known], -LARGEST_SCORE, LARGEST_SCORE)
    lowest, highest = scores.min(), scores.max()
    scaled[known] = 1.0 if highest == lowest else (scores - lowest) / (highest - lowest)
    return scaled


def contributions(features: Mapping[str, FloatArray], weights: Mapping[str, float]) -> dict[str, FloatArray]:
    """What each feature adds to the fused score of each hit: feature -> weight * value / sum of weights, shape (n,).

    The sum of the weights runs over the features given here, so a search without a profile is not diluted by the
    weights of the profile features. A feature without a weight adds 0; if no feature has one, all add 0.
    Values outside [0, 1] are clipped, NaN counts 0. Raises ValueError for arrays that differ in shape.
    """
    shapes = {values.shape for values in features.values()}
    if len(shapes) > 1 or any(len(shape) != 1 for shape in shapes):
        raise ValueError(f"features must be one-dimensional and equally long, not {sorted(shapes)}")
    return {name: share_of(name, features, weights) * bounded(values) for name, values in features.items()}


def share_of(name: str, features: Iterable[str], weights: Mapping[str, float]) -> float:
    """The weight of one of these features, as a share of their sum; 0 where none has a weight."""
    return weights.get(name, 0.0) / (sum(weights.get(each, 0.0) for each in features) or 1.0)


def fuse(features: Mapping[str, FloatArray], weights: Mapping[str, float]) -> FloatArray:
    """Fused scores, shape (n,), finite and in [0, 1]: sum(weight * value) / sum(weight) over the features given.

    The weighted mean is the convex combination of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
    Retrieval" (2023): unlike rank fusion it keeps how far apart two hits are. Raises ValueError for no features, or
    for arrays that differ in shape.
    """
    if not features:
        raise ValueError("at least one feature is needed")
    parts = list(contributions(features, weights).values())
    fused = np.zeros(parts[0].shape, dtype=np.float64)
    for part in parts:
        fused += part
    return np.clip(fused, 0.0, 1.0)


def rank(fused_scores: FloatArray) -> NDArray[np.intp]:
    """Positions in the window, best first, shape (n,); ties keep the order they came in, the first stage's."""
    return np.argsort(-fused_scores, kind="stable")


def response_scores(fused_scores: FloatArray, window_floor: float) -> FloatArray:
    """The `_score` of each hit of the window, shape (n,), in the order given: window_floor + fused_score.

    `window_floor` is the last first-stage score of a window that has hits beyond it, else 0: those keep
    Elasticsearch's own scores, and none of them exceeds the floor. Finite, not negative, and no rise where
    `fused_scores` has none, in spite of the rounding to six decimals.
    """
    floor = min(max(window_floor, 0.0), LARGEST_SCORE) if np.isfinite(window_floor) else 0.0
    rounded = np.round(floor + bounded(fused_scores), SCORE_DECIMALS)
    # Rounding may fall below the floor, and with it below a hit beyond the window.
    return np.maximum(rounded, floor)


def bounded(values: FloatArray) -> FloatArray:
    """Clipped to [0, 1]; NaN counts 0."""
    return np.clip(np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
