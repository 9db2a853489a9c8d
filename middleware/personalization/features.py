"""What a profile says about a hit, as numbers in [0, 1]: pure, so the same code serves online and offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from middleware.features.evidence import fill_with_median
from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields
from middleware.personalization.lift import NEUTRAL, name_lifts, price_lifts
from middleware.personalization.profiles import Profile
from middleware.personalization.state import Vector
from middleware.rerank.vectors import HitVectors


def profile_features(
    profile: Profile, hits: Sequence[HitFields], object_ids: Sequence[str] = (), vectors: HitVectors | None = None
) -> dict[str, FloatArray]:
    """The profile features of a window's n hits, each of shape (n,), in [0, 1]; without what they need, left out.

    brand_affinity, category_affinity, attribute_affinity, price_fit: how much more the user chose the hit's names or
    price than this window offers them, see lift.
    vector_affinity: 0.5 + c * (cosine of the user's vector and the hit's - the window's median), c the profile's
    confidence; session_affinity: likewise with the session's vector, c = 1. 0.5 for a hit without a vector, and for all
    where the profile has none, or one of another model. Left out without `vectors`.
    bought_before: 1 for what the user bought, else 0. cluster_popularity: the root of the product's popularity in the
    user's cluster as a share of the most popular one's, so that 1 % of it is still 0.1. Both are left out without
    `object_ids`, which are what events call the hits.
    """
    # What the shares are shares of: all weight, and the pseudo-weight of others.
    whole = profile.weight / profile.confidence if profile.confidence else 0.0
    prices = [hit.price for hit in hits]
    features = {
        "brand_affinity": _lifts(profile.brand_affinity, whole, [hit.brand for hit in hits]),
        "category_affinity": _lifts(profile.category_affinity, whole, [hit.category for hit in hits]),
        "attribute_affinity": _lifts(profile.attribute_affinity, whole, [hit.attributes for hit in hits]),
        "price_fit": price_lifts(profile.price_log_mean, profile.price_log_std, profile.weight, prices),
    }
    if vectors is not None:
        is_comparable = profile.vector_model == vectors.model
        long_term, session = (profile.vector, profile.session_vector) if is_comparable else (None, None)
        features["vector_affinity"] = _nearness(vectors, long_term, profile.confidence)
        features["session_affinity"] = _nearness(vectors, session, 1.0)
    if object_ids:
        bought, popularity = profile.bought, profile.cluster_popularity
        features["bought_before"] = np.array([float(name in bought) for name in object_ids], dtype=np.float64)
        most = max(popularity.values(), default=0.0) or 1.0
        shares = np.array([popularity.get(name, 0.0) for name in object_ids], dtype=np.float64)
        features["cluster_popularity"] = np.sqrt(np.clip(shares / most, 0.0, 1.0))
    return features


def _lifts(shares: Mapping[str, float], whole: float, names: Sequence[Sequence[str]]) -> FloatArray:
    offered = {name for each in names for name in each}
    weights = {name: whole * shares[name] for name in offered if shares.get(name) and whole}
    # Not one bit of difference between the hits for somebody unknown.
    return name_lifts(weights, names) if weights else np.full(len(names), NEUTRAL)


def _nearness(vectors: HitVectors, vector: Vector | None, confidence: float) -> FloatArray:
    if vector is None or vectors.dimensions != len(vector) or not len(vectors.matrix):
        return np.full(len(vectors.matrix), NEUTRAL)
    cosines = fill_with_median(vectors.cosines_to(vector), 0.0)
    nearness: FloatArray = np.clip(NEUTRAL + confidence * (cosines - np.median(cosines)), 0.0, 1.0)
    return nearness
