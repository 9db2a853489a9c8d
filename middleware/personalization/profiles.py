"""From a user's state to a profile: whose brands, which categories, what prices, and how sure we may be of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from middleware.config import ProfileSettings
from middleware.personalization.documents import ClusterStatistics
from middleware.personalization.state import EMPTY, LEAST_WEIGHT, ProfileState, Vector, decayed

# A user who looked at one price only is not bound to it: about 28 % up or down stay near.
LEAST_PRICE_LOG_STD = 0.25


@dataclass(frozen=True, slots=True)
class Profile:
    """What we know of one user.

    Affinities map a name (as in HitFields) to its share of the user's behaviour; the shares of one map sum to at
    most 1, and where there are no statistics of others, to less the thinner the profile is. Prices are natural
    logarithms of the shop's currency. `price_confidence` is in [0, 1). `weight` is the sum of the weights of the events
    that counted, `events` their number, `confidence` in [0, 1) how much of the affinities is the user's own.
    `vector` and `session_vector`: unit length, shape (d,), in the space of `vector_model`. `bought`: object_id ->
    moment of its last purchase, seconds since 1970. `cluster` is None where the user is in none; `cluster_popularity`:
    object_id -> share, of the cluster or else of everybody. `version` changes with the events that counted alone.
    `everybody`: what is usual, where that is known.
    """

    brand_affinity: Mapping[str, float] = field(default_factory=dict)
    category_affinity: Mapping[str, float] = field(default_factory=dict)
    price_log_mean: float | None = None
    price_log_std: float = LEAST_PRICE_LOG_STD
    price_confidence: float = 0.0
    weight: float = 0.0
    attribute_affinity: Mapping[str, float] = field(default_factory=dict)
    price_bands: Mapping[int, float] = field(default_factory=dict)
    vector: Vector | None = field(default=None, compare=False)
    session_vector: Vector | None = field(default=None, compare=False)
    vector_model: str | None = None
    bought: Mapping[str, float] = field(default_factory=dict)
    cluster: str | None = None
    cluster_popularity: Mapping[str, float] = field(default_factory=dict)
    events: int = 0
    confidence: float = 0.0
    version: str = ""
    everybody: ClusterStatistics | None = field(default=None, compare=False)


def profile_of(
    state: ProfileState,
    session: ProfileState = EMPTY,
    statistics: ClusterStatistics | None = None,
    *,
    everybody: ClusterStatistics | None = None,
    settings: ProfileSettings,
    now: float,
) -> Profile:
    """The profile at `now` (seconds since 1970) of the user with that state.

    A share is (weight of the name + smoothing * its share among the others) / (total weight + smoothing): `smoothing`
    is the pseudo-count of a Dirichlet prior, whose mean is `statistics`, those of the user's cluster or of everybody;
    without any it counts for nothing. So a thin profile is mostly the cluster's, and one with nothing is theirs.
    `session`: the state folded of the events of the last minutes alone.
    """
    state = decayed(state, settings, now)
    whole, smoothing = state.weight + settings.smoothing, settings.smoothing
    others = statistics or _NOBODY
    mean, std = _price(state)
    return Profile(
        brand_affinity=_shares(state.brands, others.brand_affinity, whole, smoothing),
        category_affinity=_shares(state.categories, others.category_affinity, whole, smoothing),
        attribute_affinity=_shares(state.attributes, others.attribute_affinity, whole, smoothing),
        price_log_mean=mean,
        price_log_std=max(std, LEAST_PRICE_LOG_STD),
        price_confidence=0.0 if mean is None else state.price_weight / (state.price_weight + smoothing),
        price_bands={band: weight / whole for band, weight in state.price_bands.items()},
        weight=state.weight,
        vector=_unit(state.vector_sum),
        session_vector=_unit(session.vector_sum),
        vector_model=state.vector_model or session.vector_model,
        bought=state.bought,
        cluster=state.cluster,
        cluster_popularity=others.popularity,
        events=state.events,
        confidence=state.weight / whole,
        version=f"{state.events}/{state.last_event_s!r}" if state.events else "",
        everybody=everybody,
    )


_NOBODY = ClusterStatistics("nobody", 0)


def _shares(
    weights: Mapping[str, float], among_others: Mapping[str, float], whole: float, smoothing: float
) -> dict[str, float]:
    shares = {name: weight / whole for name, weight in weights.items()}
    for name, share in among_others.items():
        shares[name] = shares.get(name, 0.0) + smoothing * share / whole
    return shares


def _price(state: ProfileState) -> tuple[float | None, float]:
    """Mean and standard deviation of log price, each price weighed as its events; None where there are none."""
    if state.price_weight < LEAST_WEIGHT:
        return None, 0.0
    mean = state.price_sum / state.price_weight
    return mean, math.sqrt(max(0.0, state.price_square_sum / state.price_weight - mean * mean))


def _unit(vector: Vector | None) -> Vector | None:
    length = 0.0 if vector is None else float(np.linalg.norm(vector))
    # Tastes that cancel out, or have faded to nothing, point nowhere.
    return vector / np.float32(length) if vector is not None and length > LEAST_WEIGHT else None
