"""Judged windows as arrays to learn from: rows of features, targets, and how much an unjudged hit counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from middleware.errors import CommandError
from middleware.features.table import find_feature
from middleware.fusion import FloatArray
from middleware.learning.fusion.windows import JudgedWindow

_LEAST_DEVIATION = 1e-6


@dataclass(frozen=True, slots=True)
class Rows:
    """n hits of several searches, one search after the other, and f features.

    `values` (n, f); `targets` (n,), grade / highest grade, 0 for an unjudged hit; `weights` (n,), 1 for a judged one;
    `ends`: behind the last row of each search.
    """

    names: Sequence[str]
    values: FloatArray
    targets: FloatArray
    weights: FloatArray
    ends: NDArray[np.intp]

    @property
    def searches(self) -> list[slice]:
        """The rows of each search."""
        return [slice(start, end) for start, end in zip((0, *self.ends[:-1]), self.ends, strict=True)]

    def scaling(self) -> tuple[FloatArray, FloatArray]:
        """Mean and deviation of each feature, shape (f,); a constant one has deviation 1."""
        mean, deviation = self.values.mean(axis=0), self.values.std(axis=0)
        return mean, np.where(deviation > _LEAST_DEVIATION, deviation, 1.0)


def make_rows(windows: Sequence[JudgedWindow], names: Sequence[str], max_grade: int, unjudged: float) -> Rows:
    """Rows of the searches from which an order can be learned; those in which all targets are equal are left out.

    `unjudged`: the weight of an unjudged hit, which counts as not relevant; at 0 it is left out. Raises CommandError,
    with counts, where no search is left.
    """
    kept, values, targets, weights = [], [], [], []
    for window in windows:
        is_judged = np.isfinite(window.grades)
        chosen = is_judged | (unjudged > 0)
        target = np.where(is_judged, window.grades, 0.0)[chosen] / max(max_grade, 1)
        if not len(target) or target.min() == target.max():
            continue
        kept.append(len(target))
        values.append(matrix(window, names)[chosen])
        targets.append(target)
        weights.append(np.where(is_judged, 1.0, unjudged)[chosen])
    if not kept:
        grades = sum(int(np.isfinite(window.grades).sum()) for window in windows)
        raise CommandError(
            f"nothing to learn an order from: in each of {len(windows)} searches all of the {grades} judged hits "
            "that were found are of one grade; give judgments of several grades, or --unjudged above 0"
        )
    return Rows(names, np.concatenate(values), np.concatenate(targets), np.concatenate(weights), np.cumsum(kept))


def matrix(window: JudgedWindow, names: Sequence[str]) -> FloatArray:
    """Shape (n, f): the window's features, neutral values where one is missing."""
    missing = np.ones(len(window))
    return np.stack([window.features.get(name, find_feature(name).neutral * missing) for name in names], axis=1)
