"""What a profile says about a hit, as numbers in [0, 1]: pure, so the same code serves online and offline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from middleware.features.evidence import fill_with_median
from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import Profile
from middleware.personalization.state import Vector
from middleware.rerank.vectors import HitVectors

# A hit without a price neither fits nor misfits.
NEUTRAL_PRICE_FIT = 0.5


def profile_features(
    profile: Profile, hits: Sequence[HitFields], object_ids: Sequence[str] = (), vectors: HitVectors | None = None
) -> dict[str, FloatArray]:
    """The profile features of n hits, each of shape (n,), in [0, 1]; what there is nothing to make of is left out.

    brand_affinity, category_affinity, attribute_affinity: the sum of the profile's shares of the hit's names; 0 for
    names that the user never touched, and for a hit without any.
    price_fit: a Gaussian on log price, drawn to 0.5 where the profile is thin: 0.5 + c * (exp(-z^2 / 2) - 0.5), z =
    (ln price - price_log_mean) / price_log_std, c = price_confidence; 0.5 for a hit without a price, and for all hits
    where the profile knows no prices.
    vector_affinity: the profile's confidence times the cosine of its vector and the hit's, 0 where that is negative;
    session_affinity: that cosine with the session's vector. A hit without a vector has the others' median. Left out
    without `vectors`; 0 for all hits where the profile has none, or one of another model.
    bought_before: 1 for what the user bought, else 0. cluster_popularity: the root of the product's popularity in the
    user's cluster as a share of the most popular one's, so that 1 % of it is still 0.1. Both are left out without
    `object_ids`, which are what events call the hits.
    """
    features = {
        "brand_affinity": _affinities(profile.brand_affinity, [hit.brand for hit in hits]),
        "category_affinity": _affinities(profile.category_affinity, [hit.category for hit in hits]),
        "attribute_affinity": _affinities(profile.attribute_affinity, [hit.attributes for hit in hits]),
        "price_fit": np.array([_price_fit(profile, hit.price) for hit in hits], dtype=np.float64),
    }
    if vectors is not None:
        is_comparable = profile.vector_model == vectors.model
        features["vector_affinity"] = profile.confidence * _cosines(vectors, profile.vector if is_comparable else None)
        features["session_affinity"] = _cosines(vectors, profile.session_vector if is_comparable else None)
    if object_ids:
        bought, popularity = profile.bought, profile.cluster_popularity
        features["bought_before"] = np.array([float(name in bought) for name in object_ids], dtype=np.float64)
        most = max(popularity.values(), default=0.0) or 1.0
        shares = np.array([popularity.get(name, 0.0) for name in object_ids], dtype=np.float64)
        features["cluster_popularity"] = np.sqrt(np.clip(shares / most, 0.0, 1.0))
    return features


def _affinities(shares: Mapping[str, float], names: Sequence[Sequence[str]]) -> FloatArray:
    sums = [min(sum(shares.get(name, 0.0) for name in each), 1.0) for each in names]
    return np.array(sums, dtype=np.float64)


def _price_fit(profile: Profile, price: float | None) -> float:
    if price is None or profile.price_log_mean is None:
        return NEUTRAL_PRICE_FIT
    z = (math.log(price) - profile.price_log_mean) / profile.price_log_std
    return NEUTRAL_PRICE_FIT + profile.price_confidence * (math.exp(-0.5 * z * z) - NEUTRAL_PRICE_FIT)


def _cosines(vectors: HitVectors, vector: Vector | None) -> FloatArray:
    if vector is None or vectors.dimensions != len(vector):
        return np.zeros(len(vectors.matrix))
    return np.clip(fill_with_median(vectors.cosines_to(vector), 0.0), 0.0, 1.0)
