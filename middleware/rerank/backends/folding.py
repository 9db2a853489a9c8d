"""The same cross-encoder in other numbers: those that 8 bits hold well, with few operations around each product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from middleware.rerank.backends.encoder import Array, Encoder, Layer, Linear, Norm

Ranges = Mapping[str, Array]
"""Name of a linear operation -> largest magnitude seen in each column of its input, shape (inputs,)."""


E = TypeVar("E", bound=Encoder)


def fold(encoder: E, ranges: Ranges, smoothing: float) -> tuple[E, Ranges]:
    """An encoder of the same scores, and its ranges.

    What attention gives comes out smoothed already, since the values that it mixes are; and the bias of `down` comes
    with what it is added to, for which that of `up` makes up.
    """
    layers, folded = [], dict(ranges)
    for index, layer in enumerate(encoder.layers):
        attended, up = f"{index}.attended", f"{index}.up"
        factors = smoothing_factors(ranges[attended], layer.attended.weight, smoothing)
        folded[attended] = ranges[attended] / factors
        folded[up] = ranges[up] + np.abs(layer.down.bias)
        layers.append(_with_bias_ahead(_with_values_smoothed(layer, factors)))
    return replace(encoder, layers=tuple(layers)), folded


def _with_values_smoothed(layer: Layer, factors: Array) -> Layer:
    return replace(
        layer,
        value=Linear(layer.value.weight / factors, layer.value.bias / factors),
        attended=Linear(layer.attended.weight * factors[:, None], layer.attended.bias),
    )


def _with_bias_ahead(layer: Layer) -> Layer:
    bias = layer.down.bias
    return replace(
        layer,
        attended_norm=Norm(layer.attended_norm.scale, layer.attended_norm.shift + bias),
        up=Linear(layer.up.weight, layer.up.bias - bias @ layer.up.weight),
        down=Linear(layer.down.weight, np.zeros_like(bias)),
    )


def smoothing_factors(largest: Array, weight: Array, strength: float) -> Array:
    """What each column of the input is divided by, and each row of the weight multiplied by, shape (inputs,).

    Those of an operation to which they were applied are 1.
    """
    if not strength:
        return np.ones_like(largest)
    rows = np.maximum(np.abs(weight).max(axis=1), 1e-5)
    factors = np.maximum(largest, 1e-5) ** strength / rows ** (1 - strength)
    return np.asarray(factors / np.exp(np.log(factors).mean()), dtype=np.float32)


def quantised(weight: Array, limit: int) -> tuple[NDArray[np.int8], Array]:
    """Codes in [-limit, limit] and the scale of each output: weight ~ codes * scales, shape (inputs, outputs)."""
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-9) / limit
    return np.round(weight / scales).astype(np.int8), scales.astype(np.float32)
