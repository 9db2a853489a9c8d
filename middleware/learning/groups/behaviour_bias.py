"""How likely each position of a page is looked at, estimated from the log itself: what clicks are divided by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from middleware.learning.groups.behaviour_log import BehaviourOptions, SearchSeen
from middleware.rerank.backends import FloatArray

Method = Literal["harvested", "bounded", "assumed"]
Rates = Mapping[tuple[str, str], Mapping[int, tuple[int, int]]]
"""(query, object) -> position -> how often it was shown there, and how often clicked."""

LEAST_CLICKS = 20
_ITERATIONS = 3000
_STILL = 1e-8
_STEEPEST = 3.0
_TINY = 1e-6
_MEANS = {
    "harvested": "from documents that were shown at several positions",
    "bounded": "half-way between none and all of the click rates' fall, for too few documents were shown at several",
    "assumed": "assumed, for there are too few clicks",
}


@dataclass(frozen=True, slots=True)
class Examination:
    """Propensities: the chance that position 1, 2, ... is looked at, relative to the best, shape (k,), in (0, 1]."""

    propensities: FloatArray
    method: Method

    def at(self, position: int) -> float:
        """Of a position from 1; beyond the last known one that one's."""
        return float(self.propensities[min(position, len(self.propensities)) - 1])

    def __str__(self) -> str:
        first = ", ".join(f"{value:.2f}" for value in self.propensities[:10])
        return f"positions are looked at with {first}: {_MEANS[self.method]}"


@dataclass(frozen=True, slots=True)
class Clicks:
    """Rows of a position-based model, arrays of shape (r,): item and position numbers from 0, impressions, clicks."""

    items: NDArray[np.intp]
    positions: NDArray[np.intp]
    shown: FloatArray
    clicked: FloatArray


def estimate_examination(searches: Sequence[SearchSeen], options: BehaviourOptions) -> Examination:
    """The propensities of a log by the position-based model: P(click) = P(position looked at) * P(document attracts).

    Good documents stand high, so that clicks by position alone would take relevance for attention. What tells them
    apart is one document at several positions for the same query, of which any living shop has many: rankings change,
    stock comes and goes. Intervention harvesting (Agarwal et al., Estimating Position Bias without Intrusive
    Interventions, WSDM 2019, estimator AllPairs) looks at these alone: for each pair of positions, documents shown at
    both, in equal weights at both. It needs no model of relevance and has few parameters, where EM over one
    attractiveness for each query and document (Wang et al., WSDM 2018, as a baseline; Chuklin, Markov, de Rijke, Click
    Models for Web Search, 2015) stays where it starts for documents seen at one position only, or takes their
    relevance for attention. Where too little was harvested, the truth is only known to lie between no bias at all and
    all of the fall of the click rate: the middle, in logarithms, is taken. Below LEAST_CLICKS clicks, 1 / position is
    assumed (as in Joachims, Swaminathan, Schnabel, WSDM 2017).

    Smoothed towards the power law that fits all positions, and clipped to `least_examination`.
    """
    rates = count_rates(searches)
    count = max((position for table in rates.values() for position in table), default=1)
    moved = {key: table for key, table in rates.items() if len(table) > 1}
    harvested = _reachable(harvest(moved))
    evidence = _by_position(moved, count)[1] * np.isin(np.arange(count), harvested.positions)
    if evidence.sum() >= LEAST_CLICKS:
        found = np.ones(count)
        fitted, _ = fit_examination(harvested)
        found[: len(fitted)] = fitted
        return Examination(_smoothed(found, evidence, options), "harvested")
    shown, clicked = _by_position(rates, count)
    if clicked.sum() >= LEAST_CLICKS:
        middle = np.sqrt(clicked / np.maximum(shown, 1.0) / (clicked / np.maximum(shown, 1.0)).max())
        return Examination(_smoothed(middle, clicked, options), "bounded")
    law = np.maximum(1.0 / np.arange(1, count + 1), options.least_examination)
    return Examination(law, "assumed")


def count_rates(searches: Sequence[SearchSeen]) -> Rates:
    """Impressions and clicks (any act that counts) of each document for each query text, by position."""
    rates: defaultdict[tuple[str, str], dict[int, tuple[int, int]]] = defaultdict(dict)
    for search in searches:
        query = search.query_text.casefold()
        for each in search.shown:
            shown, clicked = rates[query, each.object_id].get(each.position, (0, 0))
            rates[query, each.object_id][each.position] = shown + 1, clicked + (each.reward > 0)
    return rates


def harvest(rates: Rates) -> Clicks:
    """Rows of which an item is a pair of positions: click rates there of the documents that were shown at both.

    A document has the same weight at both positions, so that the ratio of the two rates is that of the propensities;
    more impressions at both weigh more (their harmonic mean: the inverse variance of a difference).
    """
    totals: defaultdict[tuple[int, int, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for table in rates.values():
        for first, second in combinations(sorted(table), 2):
            (n, _), (m, _) = table[first], table[second]
            weight = 2 * n * m / (n + m)
            for position in (first, second):
                shown, clicked = table[position]
                total = totals[first, second, position]
                total[0] += weight
                total[1] += weight * clicked / shown
    pairs = {pair: number for number, pair in enumerate(sorted({key[:2] for key in totals}))}
    return _rows((pairs[a, b], position - 1, total[0], total[1]) for (a, b, position), total in sorted(totals.items()))


def fit_examination(clicks: Clicks) -> tuple[FloatArray, FloatArray]:
    """Maximum likelihood of the position-based model by expectation maximisation (Chuklin et al., 2015, chapter 4).

    Returns propensities by position, relative to the largest, and the attractiveness of each item. A position without
    rows gets 1.
    """
    positions, items = clicks.positions, clicks.items
    examined = np.full(positions.max() + 1, 0.9)
    mean = clicks.clicked.sum() / clicks.shown.sum()
    attractive = np.full(items.max() + 1, max(float(mean), _TINY))
    missed = clicks.shown - clicks.clicked
    seen_at = np.bincount(positions, clicks.shown)
    seen_of = np.bincount(items, clicks.shown)
    for _ in range(_ITERATIONS):
        theta, gamma = examined[positions], attractive[items]
        unclicked = np.maximum(1 - theta * gamma, _TINY)
        looked = clicks.clicked + missed * theta * (1 - gamma) / unclicked
        liked = clicks.clicked + missed * gamma * (1 - theta) / unclicked
        updated = np.bincount(positions, looked) / np.maximum(seen_at, _TINY)
        updated[seen_at == 0] = 1.0
        attractive = np.bincount(items, liked) / np.maximum(seen_of, _TINY)
        updated, attractive = np.clip(updated, _TINY, 1.0), np.clip(attractive, _TINY, 1.0)
        is_still = np.abs(updated / updated.max() - examined / examined.max()).max() < _STILL
        examined = updated
        if is_still:
            break
    return examined / examined[seen_at > 0].max(), attractive


def _by_position(rates: Rates, count: int) -> tuple[FloatArray, FloatArray]:
    """Impressions and clicks by position, shape (count,) each."""
    shown, clicked = np.zeros(count), np.zeros(count)
    for table in rates.values():
        for position, (n, c) in table.items():
            shown[position - 1] += n
            clicked[position - 1] += c
    return shown, clicked


def _rows(rows: Iterator[tuple[int, int, float, float]]) -> Clicks:
    columns = np.array(list(rows), dtype=np.float64).reshape(-1, 4).T
    return Clicks(columns[0].astype(np.intp), columns[1].astype(np.intp), columns[2], columns[3])


def _reachable(clicks: Clicks) -> Clicks:
    """The rows of the largest set of positions that pairs connect: only within it are ratios known."""
    parent = list(range(int(clicks.positions.max(initial=-1)) + 1))

    def root(position: int) -> int:
        while parent[position] != position:
            position = parent[position]
        return position

    for item in np.unique(clicks.items):
        first, second = clicks.positions[clicks.items == item]
        parent[root(int(second))] = root(int(first))
    roots = np.array([root(int(position)) for position in clicks.positions], dtype=np.intp)
    if not len(roots):
        return clicks
    largest = np.bincount(roots, clicks.clicked).argmax()
    kept = roots == largest
    items = np.unique(clicks.items[kept], return_inverse=True)[1]
    return Clicks(items, clicks.positions[kept], clicks.shown[kept], clicks.clicked[kept])


def _smoothed(found: FloatArray, clicks: FloatArray, options: BehaviourOptions) -> FloatArray:
    """Each position's logarithm, mixed with the power law's by the clicks there; scaled to the largest, and clipped."""
    logs = np.log(np.maximum(found, options.least_examination / 10))
    places = np.log(np.arange(1, len(found) + 1))
    level, slope = _power_law(places, logs, clicks)
    law = level - slope * places
    mixed = (clicks * logs + options.bias_smoothing * law) / (clicks + options.bias_smoothing)
    smoothed: FloatArray = np.clip(np.exp(mixed - mixed.max()), options.least_examination, 1.0)
    return smoothed


def _power_law(places: FloatArray, logs: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Level and slope (0 to 3: attention falls) of the weighted least squares line."""
    total = weights.sum()
    mean_place, mean_log = (weights * places).sum() / total, (weights * logs).sum() / total
    spread = (weights * (places - mean_place) ** 2).sum()
    slope = -(weights * (places - mean_place) * (logs - mean_log)).sum() / spread if spread > 0 else 1.0
    slope = float(np.clip(slope, 0.0, _STEEPEST))
    return float(mean_log + slope * mean_place), slope
