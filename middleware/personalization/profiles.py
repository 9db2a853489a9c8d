"""From a user's events to a profile: whose brands, which categories, what prices, and how sure we may be of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from middleware.config import ProfileSettings
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields

SECONDS_PER_DAY = 86_400.0
# A user who looked at one price only is not bound to it: about 28 % up or down stay near.
LEAST_PRICE_LOG_STD = 0.25


@dataclass(frozen=True, slots=True)
class Profile:
    """What we know of one user.

    Affinities map a name (as in HitFields) to its share of the user's behaviour; the shares of one map sum to at
    most 1, and to less the thinner the profile is. Prices are natural logarithms of the shop's currency.
    `price_confidence` is in [0, 1). `weight` is the sum of the weights of the events that counted.
    """

    brand_affinity: Mapping[str, float] = field(default_factory=dict)
    category_affinity: Mapping[str, float] = field(default_factory=dict)
    price_log_mean: float | None = None
    price_log_std: float = LEAST_PRICE_LOG_STD
    price_confidence: float = 0.0
    weight: float = 0.0


def build_profile(
    events: Iterable[Event], products: Mapping[str, HitFields], settings: ProfileSettings, now: float
) -> Profile:
    """The profile at `now` (seconds since 1970) of the user whose events these are.

    An event weighs action_weight * 2^(-age / half_life) (exponential decay); one in the future, from a clock that is
    ahead, has age 0. An event on a product not in `products`, or with an action that has no weight, does not count.
    A share is weight of the name / (total weight + smoothing), so `smoothing` acts as a pseudo-count for nothing.
    """
    weighed = [
        (_event_weight(event, settings, now), products[event.object_id])
        for event in events
        if event.object_id in products
    ]
    weighed = [(weight, product) for weight, product in weighed if weight > 0]
    total = sum(weight for weight, _ in weighed)
    prices = [(weight, math.log(product.price)) for weight, product in weighed if product.price is not None]
    mean, std = _weighted_mean_std(prices)
    price_weight = sum(weight for weight, _ in prices)
    return Profile(
        brand_affinity=_shares([(weight, product.brand) for weight, product in weighed], total + settings.smoothing),
        category_affinity=_shares(
            [(weight, product.category) for weight, product in weighed], total + settings.smoothing
        ),
        price_log_mean=mean,
        price_log_std=max(std, LEAST_PRICE_LOG_STD),
        price_confidence=price_weight / (price_weight + settings.smoothing),
        weight=total,
    )


def _event_weight(event: Event, settings: ProfileSettings, now: float) -> float:
    age_days = max(0.0, now - event.timestamp_s) / SECONDS_PER_DAY
    return settings.action_weights.get(event.action_name, 0.0) * math.pow(2.0, -age_days / settings.half_life_days)


def _shares(weighed: Sequence[tuple[float, tuple[str, ...]]], whole: float) -> dict[str, float]:
    """Share of each name; an event on a product with several names is split evenly, so that no root takes it all."""
    counts: defaultdict[str, float] = defaultdict(float)
    for weight, names in weighed:
        for name in names:
            counts[name] += weight / len(names)
    return {name: count / whole for name, count in counts.items()}


def _weighted_mean_std(weighed: Sequence[tuple[float, float]]) -> tuple[float | None, float]:
    total = sum(weight for weight, _ in weighed)
    if total <= 0:
        return None, 0.0
    mean = sum(weight / total * value for weight, value in weighed)
    variance = sum(weight / total * (value - mean) ** 2 for weight, value in weighed)
    return mean, math.sqrt(variance)
