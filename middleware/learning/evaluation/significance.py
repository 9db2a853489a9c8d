"""Whether a difference between two rankings is more than luck: bootstrap intervals, a paired randomisation test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from middleware.rerank.backends import FloatArray

REPETITIONS = 20_000
TIE = 1e-6
"""Two values that differ by less are equal."""

_BLOCK = 4_000_000


@dataclass(frozen=True, slots=True)
class Paired:
    """The mean of the differences of the same queries, its 95 % interval, and how many were won, lost and tied."""

    difference: float
    interval: tuple[float, float]
    p_value: float
    wins: int
    losses: int
    ties: int


@dataclass(frozen=True, slots=True)
class Gap:
    """The mean of one group of queries minus that of another, and its 95 % interval."""

    difference: float
    interval: tuple[float, float]


def compare_paired(before: FloatArray, after: FloatArray, *, seed: int = 0) -> Paired:
    """Values of the same queries, shape (n,) each; nothing differs where n is 0.

    The test is two-sided and paired: under no difference each query's sign is a coin's (Smucker, Allan, Carterette, A
    Comparison of Statistical Significance Tests for IR Evaluation, CIKM 2007). The interval: bootstrap of the queries.
    """
    differences = after - before
    if not differences.size:
        return Paired(0.0, (0.0, 0.0), 1.0, 0, 0, 0)
    rng, mean = np.random.default_rng(seed), float(differences.mean())
    by_chance = _repeat(differences.size, lambda rows: _signed_means(differences, rows, rng))
    at_least_as_far = int((np.abs(by_chance) >= abs(mean) - 1e-12).sum())
    return Paired(
        difference=mean,
        interval=mean_interval(differences, seed=seed),
        p_value=(at_least_as_far + 1) / (REPETITIONS + 1),
        wins=int((differences > TIE).sum()),
        losses=int((differences < -TIE).sum()),
        ties=int((np.abs(differences) <= TIE).sum()),
    )


def mean_interval(values: FloatArray, *, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of the mean of values, shape (n,), n > 0: percentiles of bootstrap samples."""
    return _percentiles(_resampled_means(values, np.random.default_rng(seed)))


def compare_groups(first: FloatArray, second: FloatArray, *, seed: int = 0) -> Gap:
    """Different queries, shapes (n,) and (m,), both above 0: each group is resampled by itself."""
    rng = np.random.default_rng(seed)
    samples = _resampled_means(first, rng) - _resampled_means(second, rng)
    return Gap(float(first.mean() - second.mean()), _percentiles(samples))


def _signed_means(differences: FloatArray, rows: int, rng: np.random.Generator) -> FloatArray:
    signs = rng.integers(0, 2, size=(rows, differences.size), dtype=np.int8) * 2.0 - 1.0
    means: FloatArray = (signs @ differences) / differences.size
    return means


def _resampled_means(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    return _repeat(values.size, lambda rows: rng.choice(values, size=(rows, values.size)).mean(axis=1))


def _repeat(size: int, draw: Callable[[int], FloatArray]) -> FloatArray:
    """REPETITIONS draws, shape (REPETITIONS,), in blocks that fit into memory however many queries there are."""
    rows = max(1, _BLOCK // size)
    blocks = [draw(min(rows, REPETITIONS - start)) for start in range(0, REPETITIONS, rows)]
    return np.concatenate(blocks)


def _percentiles(samples: FloatArray) -> tuple[float, float]:
    low, high = np.percentile(samples, (2.5, 97.5))
    return float(low), float(high)
