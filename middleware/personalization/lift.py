"""How much more of a name or a price a user chose than the window offers: what is everywhere says nothing of a taste.

A user's plain share of a brand mostly repeats what the catalogue and its searches show everybody: as a feature it
gained nothing in scripts/bench_personal.py, and users without a taste lost. What counts is the lift over what there is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from middleware.fusion import FloatArray

NEUTRAL = 0.5
"""Neither more nor less than the window offers; of a hit without a name or a price, and of somebody unknown."""
PRIOR_WEIGHT = 40.0
"""Pseudo-weight of what the window offers, in weights of events: so much behaviour of a user's own counts half."""
_LARGEST_LIFT = 10.0
_LEAST_STD = 0.25


def name_lifts(weights: Mapping[str, float], names: Sequence[Sequence[str]]) -> FloatArray:
    """How much more the user chose each hit's names than the window offers them, shape (n,), in [0, 1].

    `weights`: event weight of each name; `names`: of each of n hits. Among the names of the window let s be a name's
    share of the hits that have any (a hit with several is split evenly), and w its share of their event weight N. Its
    posterior share under a Dirichlet prior with mean s and weight k = PRIOR_WEIGHT is (N w + k s) / (N + k); its lift
    is that over s. The value is 0.5 + 0.5 log10(lift), clipped; for several names, of their sums. 0.5 for a hit without
    a name, and for all hits where the user never touched any name of the window.
    """
    offered: defaultdict[str, float] = defaultdict(float)
    for each in names:
        for name in each:
            offered[name] += 1.0 / len(each)
    whole = sum(offered.values())
    own = {name: weights.get(name, 0.0) for name in offered}
    total = sum(own.values()) + PRIOR_WEIGHT
    supply = {name: count / whole for name, count in offered.items()}
    posterior = {name: (own[name] + PRIOR_WEIGHT * supply[name]) / total for name in offered}
    lifts = [
        sum(posterior[name] for name in each) / sum(supply[name] for name in each) if each else 1.0 for each in names
    ]
    return _values(np.log(np.array(lifts, dtype=np.float64)))


def price_lifts(mean: float | None, std: float, weight: float, prices: Sequence[float | None]) -> FloatArray:
    """How much likelier the user chooses each hit's price than the window offers it, shape (n,), in [0, 1].

    `mean` and `std` of the natural logarithms of the prices that the user chose, and their event `weight`. Both are
    drawn to the window's own as much as PRIOR_WEIGHT says; the value is as in `name_lifts`, of the ratio of the two
    normal densities. 0.5 for a hit without a price, and for all where the user's or the window's prices are unknown.
    """
    known = np.array([price is not None and price > 0 for price in prices], dtype=np.bool_)
    if mean is None or not known.any():
        return np.full(len(prices), NEUTRAL)
    logs = np.log(np.array([price if price else 1.0 for price in prices], dtype=np.float64))
    offered_mean, offered_std = float(logs[known].mean()), max(float(logs[known].std()), _LEAST_STD)
    own = weight / (weight + PRIOR_WEIGHT)
    centre = own * mean + (1 - own) * offered_mean
    variance = own * max(std, _LEAST_STD) ** 2 + (1 - own) * offered_std**2
    ratio = _log_density(logs, centre, variance) - _log_density(logs, offered_mean, offered_std**2)
    return np.where(known, _values(ratio), NEUTRAL)


def _log_density(values: FloatArray, mean: float, variance: float) -> FloatArray:
    return -0.5 * ((values - mean) ** 2 / variance + math.log(variance))


def _values(log_lifts: FloatArray) -> FloatArray:
    return NEUTRAL + 0.5 * np.clip(log_lifts / math.log(_LARGEST_LIFT), -1.0, 1.0)
