"""A small network as a fusion model: one hidden layer, enough for features that count only beside others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from middleware.fusion import FloatArray
from middleware.fusion_models.linear import read_scaling
from middleware.fusion_models.trained import Trained, read_array, weighted_sum

# Below this the quotient loses its digits, and the slope of tanh in the middle is exact to as many.
_SMALL = 1e-5


class Network(Trained):
    """logit = bias + sum over h of output_h * tanh(hidden_bias_h + sum over f of hidden_hf * z_f), z the scaled values.

    Where no output weight, and no hidden weight of a feature, is negative, it is monotone in the feature (Sill,
    Monotonic Networks, 1997).
    """

    kind = "network"
    method = "integrated gradients from the mean hit"

    def __init__(self, document: Mapping[str, Any], key: str) -> None:
        super().__init__(document, key)
        self._mean, self._deviation = read_scaling(document, self.columns)
        self._hidden = read_array(document, "hidden", (-1, len(self.columns))).T
        units = self._hidden.shape[1]
        self._hidden_bias = read_array(document, "hidden_bias", (units,))
        self._output = read_array(document, "output", (units,))
        self._bias = float(read_array({"bias": [document["bias"]]}, "bias", (1,))[0])
        for place in self.monotone_places:
            if (self._hidden[place] < 0).any() or (self._output < 0).any():
                raise ValueError(f"not monotone, as it says it is: a weight behind {self.columns[place]} is negative")

    def logits(self, matrix: FloatArray) -> FloatArray:
        inner = np.tanh(self._hidden_bias + weighted_sum((matrix - self._mean) / self._deviation, self._hidden))
        logits: FloatArray = self._bias + weighted_sum(inner, self._output[:, None])[:, 0]
        return logits

    def parts(self, matrix: FloatArray) -> tuple[FloatArray, float]:
        """Integrated gradients (Sundararajan, Taly and Yan, 2017), from z = 0 along a straight line, in closed form.

        Along it a unit's input goes from b to b + a; the mean of its slope there is (tanh(b + a) - tanh(b)) / a.
        """
        scaled = (matrix - self._mean) / self._deviation
        way = weighted_sum(scaled, self._hidden)
        risen = np.tanh(self._hidden_bias + way) - np.tanh(self._hidden_bias)
        middle = 1 - np.tanh(self._hidden_bias + way / 2) ** 2
        is_small = np.abs(way) < _SMALL
        slope = np.where(is_small, middle, risen / np.where(is_small, 1.0, way))
        parts = scaled * weighted_sum(slope * self._output, self._hidden.T)
        return parts, self._bias + float(np.tanh(self._hidden_bias) @ self._output)
