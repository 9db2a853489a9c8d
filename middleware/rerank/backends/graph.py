"""A BERT-type cross-encoder as an ONNX graph of our own: nothing computed that the score does not need."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from middleware.errors import ModelUnavailable
from middleware.rerank.backends.encoder import Array, Encoder, Layer, Linear, Norm

IDS, KINDS, BIAS, LOGITS = "input_ids", "token_type_ids", "attention_bias", "logits"
MICROSOFT = "com.microsoft"
OBSERVED = "largest."

Ranges = Mapping[str, Array]
"""Name of a linear operation -> largest magnitude seen in each column of its input, shape (inputs,)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the linear operations of the layers are computed; everything else is fp32.

    "weights": 8-bit weights, one scale an output, in standard operations: how to multiply is left to the runtime.
    "int8" without `ranges`: 8-bit activations too, one scale a token, found as it runs; in ONNX Runtime's operations.
    "int8" with `ranges`: activation scales fixed beforehand, after smoothing (Xiao et al., SmoothQuant, ICML 2023) by
    `smoothing` (0: none, 1: all of the columns' differences go into the weights), where `dynamic` does not name the
    operation's kind. `weight_limit` 63 keeps sums of two products within 16 bits, for CPUs without VNNI.
    `observe`: an output OBSERVED + name for each linear operation, for calibration.
    """

    arithmetic: Literal["fp32", "weights", "int8"] = "fp32"
    ranges: Ranges | None = None
    observe: bool = False
    smoothing: float = 0.85
    dynamic: frozenset[str] = frozenset({"down"})
    weight_limit: int = 127


def build_graph(encoder: Encoder, recipe: Recipe) -> bytes:
    """The serialised ONNX model.

    Inputs: IDS and KINDS, int64 (pairs, tokens); BIAS, float32 (pairs, 1, 1, tokens), 0 at a token and very negative at
    padding. Output: LOGITS, float32 (pairs, labels). Raises ModelUnavailable when the onnx package is missing.
    """
    try:
        import onnx
    except ImportError as error:
        raise ModelUnavailable("onnx is not installed; pip install 'es-rerank[onnx]'") from error
    return _Graph(onnx, encoder, recipe).build()


class _Graph:
    """The graph as it grows: each method adds the nodes of one part and returns the name of its result."""

    def __init__(self, onnx: Any, encoder: Encoder, recipe: Recipe) -> None:
        self._onnx = onnx
        self._encoder = encoder
        self._recipe = recipe
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._outputs = [LOGITS]
        self._by_pair_shape = ""

    def build(self) -> bytes:
        state = self._embed()
        *inner, last = self._encoder.layers
        for index, layer in enumerate(inner):
            state = self._layer(f"{index}", layer, state)
        first = self._last_layer(f"{len(inner)}", last, state)
        pooled = self._node("Tanh", self._linear_fp32(self._encoder.pooler, first))
        self._node("Identity", self._linear_fp32(self._encoder.classifier, pooled), output=LOGITS)
        return self._serialised()

    def _serialised(self) -> bytes:
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        inputs = [
            helper.make_tensor_value_info(IDS, kinds.INT64, ["pairs", "tokens"]),
            helper.make_tensor_value_info(KINDS, kinds.INT64, ["pairs", "tokens"]),
            helper.make_tensor_value_info(BIAS, kinds.FLOAT, ["pairs", 1, 1, "tokens"]),
        ]
        outputs = [helper.make_tensor_value_info(name, kinds.FLOAT, None) for name in self._outputs]
        constants = [self._onnx.numpy_helper.from_array(value, name) for name, value in self._constants.items()]
        graph = helper.make_graph(self._nodes, "cross-encoder", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="es-rerank")
        if model.ByteSize() >= 2**31:
            raise ModelUnavailable("its graph is beyond the 2 GiB that one ONNX file may have; use backend: torch")
        return bytes(model.SerializeToString())

    def _node(self, kind: str, *inputs: str, output: str = "", outputs: int = 1, **attributes: Any) -> str:
        name = output or f"{kind}_{len(self._nodes)}"
        names = [name] if outputs == 1 else [f"{name}.{index}" for index in range(outputs)]
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), names, name=name, **attributes))
        return name

    def _constant(self, value: Any, kind: Any = np.float32) -> str:
        array = np.asarray(value, dtype=kind)
        small = array.size <= 8
        name = f"{array.dtype}{array.shape}{array.tolist()}" if small else f"constant_{len(self._constants)}"
        self._constants[name] = array
        return name

    def _embed(self) -> str:
        """State of every token, (pairs * tokens, width)."""
        encoder = self._encoder
        words = self._node("Gather", self._constant(encoder.words), IDS)
        kinds = self._node("Gather", self._constant(encoder.kinds), KINDS)
        positions = encoder.positions[encoder.first_position :]
        # Padding may go a little beyond the model's positions (padded.py); nothing reads what comes of it.
        positions = np.vstack([positions, np.zeros((16, encoder.width), np.float32)])
        length = self._node("Slice", self._node("Shape", IDS), *(self._constant([n], np.int64) for n in (1, 2)))
        zero = self._constant([0], np.int64)
        rows = self._node("Slice", self._constant(positions), zero, length, zero)
        total = self._node("Add", self._node("Add", words, kinds), rows)
        return self._norm(encoder.embedding_norm, self._reshape(total, [-1, encoder.width]))

    def _reshape(self, value: str, shape: list[int]) -> str:
        return self._node("Reshape", value, self._constant(shape, np.int64))

    def _by_pair(self, value: str) -> str:
        """(pairs * tokens, width) as (pairs, tokens, width)."""
        if not self._by_pair_shape:
            shape, width = self._node("Shape", IDS), self._constant([self._encoder.width], np.int64)
            self._by_pair_shape = self._node("Concat", shape, width, axis=0)
        return self._node("Reshape", value, self._by_pair_shape)

    def _norm(self, norm: Norm, value: str) -> str:
        scale, shift = self._constant(norm.scale), self._constant(norm.shift)
        return self._node("LayerNormalization", value, scale, shift, axis=-1, epsilon=self._encoder.epsilon)

    def _layer(self, name: str, layer: Layer, state: str) -> str:
        width = self._encoder.width
        asked, *rest = self._linear(f"{name}.qkv", (self._halved(layer.query), layer.key, layer.value), state)
        query, key, value = (self._by_head(self._by_pair(part)) for part in (asked, *rest))
        context = self._node("Transpose", self._attend(query, key, value), perm=[0, 2, 1, 3])
        return self._after_attention(name, layer, self._reshape(context, [-1, width]), state)

    def _last_layer(self, name: str, layer: Layer, state: str) -> str:
        """Only the state of each pair's first token, (pairs, width): the head reads no other."""
        encoder = self._encoder
        parts = self._linear(f"{name}.kv", (layer.key, layer.value), state)
        key, value = (self._by_head(self._by_pair(part)) for part in parts)
        first = self._node("Gather", self._by_pair(state), self._constant(0, np.int64), axis=1)
        (asked,) = self._linear(f"{name}.q", (self._halved(layer.query),), first)
        query = self._reshape(asked, [-1, encoder.heads, 1, encoder.width // encoder.heads])
        context = self._reshape(self._attend(query, key, value), [-1, encoder.width])
        return self._after_attention(name, layer, context, first)

    def _halved(self, query: Linear) -> Linear:
        """The query's part with the 1 / sqrt(size of a head) of attention in it."""
        factor = np.float32(1 / math.sqrt(self._encoder.width // self._encoder.heads))
        return Linear(query.weight * factor, query.bias * factor)

    def _by_head(self, value: str) -> str:
        """(pairs, tokens, width) as (pairs, heads, tokens, size)."""
        heads = self._encoder.heads
        return self._node("Transpose", self._reshape(value, [0, 0, heads, -1]), perm=[0, 2, 1, 3])

    def _attend(self, query: str, key: str, value: str) -> str:
        matches = self._node("MatMul", query, self._node("Transpose", key, perm=[0, 1, 3, 2]))
        shares = self._node("Softmax", self._node("Add", matches, BIAS), axis=-1)
        return self._node("MatMul", shares, value)

    def _after_attention(self, name: str, layer: Layer, context: str, state: str) -> str:
        (attended,) = self._linear(f"{name}.attended", (layer.attended,), context)
        middle = self._norm(layer.attended_norm, self._node("Add", attended, state))
        (raised,) = self._linear(f"{name}.up", (layer.up,), middle)
        (lowered,) = self._linear(f"{name}.down", (layer.down,), self._node("Gelu", raised))
        return self._norm(layer.down_norm, self._node("Add", lowered, middle))

    def _linear(self, name: str, linears: Sequence[Linear], value: str) -> list[str]:
        """The results of linear operations that read the same input."""
        if self._recipe.observe:
            columns = self._constant([0], np.int64)
            self._outputs.append(
                self._node("ReduceMax", self._node("Abs", value), columns, keepdims=0, output=OBSERVED + name)
            )
        if self._recipe.arithmetic == "fp32":
            return [self._linear_fp32(linear, value) for linear in linears]
        if self._recipe.arithmetic == "weights":
            return [self._linear_8_bit_weights(linear, value) for linear in linears]
        kind = name.rpartition(".")[2]
        if self._recipe.ranges is None or kind in self._recipe.dynamic:
            return self._linear_by_token(linears, value, after_gelu=kind == "down")
        return self._linear_fixed(linears, value, self._recipe.ranges[name])

    def _linear_fp32(self, linear: Linear, value: str) -> str:
        product = self._node("MatMul", value, self._constant(linear.weight))
        return self._node("Add", product, self._constant(linear.bias))

    def _linear_8_bit_weights(self, linear: Linear, value: str) -> str:
        codes, scales = (self._constant(each, each.dtype) for each in quantised(linear.weight, 127))
        zeros = self._constant(np.zeros(linear.bias.shape), np.int8)
        product = self._node("MatMul", value, self._node("DequantizeLinear", codes, scales, zeros, axis=1))
        return self._node("Add", product, self._constant(linear.bias))

    def _linear_by_token(self, linears: Sequence[Linear], value: str, *, after_gelu: bool) -> list[str]:
        """One scale for each token, by the largest of its values; the multiplication itself then needs none."""
        # gelu is never below -0.17: 32 codes hold that where the largest is at least 223 / 32 * 0.17 = 1.19.
        zero, codes_above, least = (32, 223, 1.19) if after_gelu else (128, 127, 1e-6)
        magnitude = value if after_gelu else self._node("Abs", value)
        largest = self._node("ReduceMax", magnitude, self._constant([1], np.int64), keepdims=1)
        scale = self._node(
            "Mul", self._node("Max", largest, self._constant([least])), self._constant([1 / codes_above])
        )
        zeros = self._node("Expand", self._constant([zero], np.uint8), self._node("Shape", scale))
        inputs = linears[0].weight.shape[0]
        codes = self._node("QuantizeLinear", value, scale, zeros, axis=1, block_size=inputs)
        products = [self._multiply(codes, zero, linear.weight, 1.0) for linear in linears]
        return [
            self._node("Add", self._node("Mul", product, scale), self._constant(linear.bias))
            for product, linear in zip(products, linears, strict=True)
        ]

    def _linear_fixed(self, linears: Sequence[Linear], value: str, largest: Array) -> list[str]:
        joint = np.hstack([linear.weight for linear in linears])
        smooth = smoothing_factors(largest, joint, self._recipe.smoothing)
        scale = float((largest / smooth).max()) / 127
        if not np.allclose(smooth, 1.0):
            value = self._node("Mul", value, self._constant(1 / smooth))
        codes = self._node("QuantizeLinear", value, self._constant(scale), self._constant(128, np.uint8))
        return [self._multiply(codes, 128, linear.weight * smooth[:, None], scale, linear.bias) for linear in linears]

    def _multiply(self, codes: str, zero: int, weight: Array, scale: float, bias: Array | None = None) -> str:
        weight_codes, weight_scales = quantised(weight, self._recipe.weight_limit)
        inputs = [codes, self._constant(weight_codes, np.int8), self._constant(scale), self._constant(weight_scales)]
        inputs += [self._constant(zero, np.uint8), ""]
        inputs += [self._constant(bias)] if bias is not None else []
        return self._node("MatMulIntegerToFloat", *inputs, domain=MICROSOFT)


def quantised(weight: Array, limit: int) -> tuple[NDArray[np.int8], Array]:
    """Codes in [-limit, limit] and the scale of each output: weight ~ codes * scales, shape (inputs, outputs)."""
    scales = np.maximum(np.abs(weight).max(axis=0), 1e-9) / limit
    return np.round(weight / scales).astype(np.int8), scales.astype(np.float32)


def smoothing_factors(largest: Array, weight: Array, strength: float) -> Array:
    """What each column of the input is divided by, and each row of the weight multiplied by, shape (inputs,)."""
    if not strength:
        return np.ones_like(largest)
    rows = np.maximum(np.abs(weight).max(axis=1), 1e-5)
    factors = np.maximum(largest, 1e-5) ** strength / rows ** (1 - strength)
    return np.asarray(factors / np.exp(np.log(factors).mean()), dtype=np.float32)
