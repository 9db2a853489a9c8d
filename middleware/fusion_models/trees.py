"""Boosted regression trees as a fusion model, flattened: LightGBM trains them, numpy alone serves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.fusion import FloatArray
from middleware.fusion_models.trained import Trained, read_array

_LEAF = -1


class Trees(Trained):
    """logit = bias + scale * the sum over the trees of the leaf that a hit falls into.

    `nodes` holds one entry for each node of all trees, in parallel arrays: `feature` (a column, -1 in a leaf),
    `threshold` (at most it: left), `left` and `right` (places among the nodes, after their own), `value` (a leaf's
    output, an inner node's expected one); `roots` are where the trees begin.
    """

    kind = "trees"
    method = "how the expected output changes on the way down each tree (Saabas)"

    def __init__(self, document: Mapping[str, Any], key: str) -> None:
        super().__init__(document, key)
        nodes = document["nodes"]
        self._feature = _read_places(nodes, "feature", -1)
        count = len(self._feature)
        self._threshold, self._value = (read_array(nodes, name, (count,)) for name in ("threshold", "value"))
        self._left, self._right = (_read_places(nodes, name, count) for name in ("left", "right"))
        self._roots = _read_places(document, "roots", -1)
        self._bias = float(read_array({"bias": [document["bias"]]}, "bias", (1,))[0])
        self._scale = float(read_array({"scale": [document["scale"]]}, "scale", (1,))[0])
        self._check()
        self._depth = self._find_depth()
        self._column_of = np.maximum(self._feature, 0)

    def raw(self, matrix: FloatArray) -> FloatArray:
        """The sum of the leaves, shape (n,): what LightGBM itself predicts."""
        at = self._start(matrix)
        for _ in range(self._depth):
            at = self._step(matrix, at)
        # A running sum adds tree by tree whatever stands beside a hit; a plain one would not for a single hit.
        total: FloatArray = np.cumsum(self._value[at], axis=0)[-1]
        return total

    def logits(self, matrix: FloatArray) -> FloatArray:
        return self._bias + self._scale * self.raw(matrix)

    def parts(self, matrix: FloatArray) -> tuple[FloatArray, float]:
        """A split's change of the expected output belongs to its feature (Saabas, Interpreting random forests, 2014).

        On the way from root to leaf these telescope, so that they add up.
        """
        parts, at = np.zeros(matrix.shape), self._start(matrix)
        hits = np.broadcast_to(np.arange(len(matrix)), at.shape)
        for _ in range(self._depth):
            below = self._step(matrix, at)
            np.add.at(parts, (hits, self._column_of[at]), self._value[below] - self._value[at])
            at = below
        return self._scale * parts, self._bias + self._scale * float(self._value[self._roots].sum())

    def _start(self, matrix: FloatArray) -> NDArray[np.intp]:
        return np.repeat(self._roots[:, None], len(matrix), axis=1)

    def _step(self, matrix: FloatArray, at: NDArray[np.intp]) -> NDArray[np.intp]:
        """One level down, shape (trees, n); a leaf is its own child."""
        values = matrix[np.arange(len(matrix)), self._column_of[at]]
        below: NDArray[np.intp] = np.where(values <= self._threshold[at], self._left[at], self._right[at])
        return below

    def _check(self) -> None:
        """Raises ValueError for what is no tree, or not monotone as it says."""
        places = np.arange(len(self._feature))
        inner = self._feature != _LEAF
        if (self._feature >= len(self.columns)).any() or (self._feature < _LEAF).any():
            raise ValueError("nodes: feature must be a column or -1")
        if not ((self._left > places) & (self._right > places))[inner].all():
            raise ValueError("nodes: children must stand behind their own node")
        if not ((self._left == places) & (self._right == places))[~inner].all():
            raise ValueError("nodes: a leaf must be its own child")
        if not len(self._roots) or self._roots.min() < 0 or self._roots.max() >= len(places) or self._scale < 0:
            raise ValueError("roots must be places among the nodes, and scale not negative")
        lowest, highest = self._value.copy(), self._value.copy()
        for place in np.flatnonzero(inner)[::-1]:  # children first
            left, right = self._left[place], self._right[place]
            column = int(self._feature[place])
            if column in self.monotone_places and highest[left] > lowest[right]:
                raise ValueError(f"not monotone, as it says it is: a split by {self.columns[column]} falls")
            lowest[place], highest[place] = min(lowest[left], lowest[right]), max(highest[left], highest[right])

    def _find_depth(self) -> int:
        depths = np.zeros(len(self._feature), dtype=np.intp)
        for place in np.flatnonzero(self._feature != _LEAF)[::-1]:
            depths[place] = 1 + max(depths[self._left[place]], depths[self._right[place]])
        return int(depths[self._roots].max())


def _read_places(document: Mapping[str, Any], name: str, count: int) -> NDArray[np.intp]:
    places = read_array(document, name, (count,))
    if (places != np.round(places)).any() or (count >= 0 and ((places < 0) | (places >= count)).any()):
        raise ValueError(f"{name} must hold places among the nodes")
    return places.astype(np.intp)
