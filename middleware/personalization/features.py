"""What a profile says about a hit, as numbers in [0, 1]: pure, so the same code serves online and offline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from middleware.fusion import FloatArray
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import Profile

# A hit without a price neither fits nor misfits.
NEUTRAL_PRICE_FIT = 0.5


def profile_features(profile: Profile, hits: Sequence[HitFields]) -> dict[str, FloatArray]:
    """The profile features of n hits: brand_affinity, category_affinity and price_fit, each of shape (n,), in [0, 1].

    An affinity is the sum of the profile's shares of the hit's names; 0 for a name the user never touched, and
    likewise for a hit without one. Price fit is a Gaussian on log price, drawn to 0.5 where the profile is thin:
    0.5 + c * (exp(-z^2 / 2) - 0.5), z = (ln price - price_log_mean) / price_log_std, c = price_confidence;
    0.5 for a hit without a price, and for all hits where the profile knows no prices.
    """
    return {
        "brand_affinity": np.array([_affinity(profile.brand_affinity, hit.brand) for hit in hits], dtype=np.float64),
        "category_affinity": np.array(
            [_affinity(profile.category_affinity, hit.category) for hit in hits], dtype=np.float64
        ),
        "price_fit": np.array([_price_fit(profile, hit.price) for hit in hits], dtype=np.float64),
    }


def _affinity(shares: Mapping[str, float], names: Sequence[str]) -> float:
    return min(sum(shares.get(name, 0.0) for name in names), 1.0)


def _price_fit(profile: Profile, price: float | None) -> float:
    if price is None or profile.price_log_mean is None:
        return NEUTRAL_PRICE_FIT
    z = (math.log(price) - profile.price_log_mean) / profile.price_log_std
    return NEUTRAL_PRICE_FIT + profile.price_confidence * (math.exp(-0.5 * z * z) - NEUTRAL_PRICE_FIT)
