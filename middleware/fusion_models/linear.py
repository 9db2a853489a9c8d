"""A linear fusion model: what can be learned from little, and read with the eye."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from middleware.fusion import FloatArray
from middleware.fusion_models.trained import Trained, read_array, read_by_feature, weighted_sum


class Linear(Trained):
    """logit = bias + sum of weight * (value - mean) / deviation; `scaling` holds each feature's mean and deviation."""

    kind = "linear"
    method = "weight times what the value is above its mean, in standard deviations"

    def __init__(self, document: Mapping[str, Any], key: str) -> None:
        super().__init__(document, key)
        self._mean, self._deviation = read_scaling(document, self.columns)
        self._weights = read_by_feature(document, "weights", self.columns)
        self._bias = float(read_array({"bias": [document["bias"]]}, "bias", (1,))[0])
        falling = [self.columns[place] for place in self.monotone_places if self._weights[place] < 0]
        if falling:
            raise ValueError(f"not monotone, as it says it is: the weight of {falling[0]} is negative")

    def logits(self, matrix: FloatArray) -> FloatArray:
        logits: FloatArray = (
            self._bias + weighted_sum((matrix - self._mean) / self._deviation, self._weights[:, None])[:, 0]
        )
        return logits

    def parts(self, matrix: FloatArray) -> tuple[FloatArray, float]:
        return (matrix - self._mean) / self._deviation * self._weights, self._bias


def read_scaling(document: Mapping[str, Any], features: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Mean and deviation of each feature, shape (f,) each; no deviation is 0. Raises ValueError."""
    scaling = document["scaling"]
    mean, deviation = (read_by_feature(scaling, name, features) for name in ("mean", "deviation"))
    if not np.all(deviation > 0):
        raise ValueError("scaling: every deviation must be above 0")
    return mean, deviation
