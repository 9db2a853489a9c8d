"""A BERT-type model as an ONNX graph of our own: nothing computed that the score, or the vector, does not need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from middleware.errors import ModelUnavailable
from middleware.rerank.backends.encoder import Array, CrossEncoder, Encoder, Layer, Linear, Norm
from middleware.rerank.backends.folding import fold, quantised, smoothing_factors
from middleware.rerank.backends.recipe import Recipe

IDS, KINDS, POSITIONS, PLACES, SLOTS = "input_ids", "token_type_ids", "position_ids", "places", "slots"
BIAS, LOGITS, VECTORS = "attention_bias", "logits", "vectors"
MICROSOFT = "com.microsoft"
OBSERVED = "largest."

EDITION = 2
"""Counted up where lossy arithmetic gives other scores than before: part of a backend's name."""


Pooling = Literal["mean", "cls", "max"]
"""What becomes of the states of a text's tokens: their mean, the first one's, or the largest of each dimension."""


def build_graph(encoder: CrossEncoder, recipe: Recipe) -> bytes:
    """The serialised ONNX model of a cross-encoder.

    Inputs: IDS, KINDS and POSITIONS, int64 (rows,), of the tokens of all pairs; PLACES, int64 (pairs, slots), the row
    that each slot of attention reads; BIAS, float32 (pairs, 1, 1, slots), 0 at a token and very negative at padding;
    where the recipe is packed SLOTS, int64 (rows,), the slot of each row, counted over all pairs; where it is not, rows
    are slots. Output: LOGITS, float32 (pairs, labels). Raises ModelUnavailable when the onnx package is missing.
    """
    if recipe.ranges is not None:
        encoder, ranges = fold(encoder, recipe.ranges, recipe.smoothing)
        recipe = replace(recipe, ranges=ranges)
    return _Graph(_import_onnx(), encoder, recipe, LOGITS).build_scores(encoder.pooler, encoder.classifier)


def build_vector_graph(encoder: Encoder, recipe: Recipe, pooling: Pooling) -> bytes:
    """The serialised ONNX model of a bi-encoder: inputs as above, a text for a pair; output VECTORS, (texts, width)."""
    return _Graph(_import_onnx(), encoder, recipe, VECTORS).build_vectors(pooling)


def _import_onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ModelUnavailable("onnx is not installed; pip install 'es-rerank[onnx]'") from error
    return onnx


class _Graph:
    """The graph as it grows: each method adds the nodes of one part and returns the name of its result."""

    def __init__(self, onnx: Any, encoder: Encoder, recipe: Recipe, output: str) -> None:
        self._onnx = onnx
        self._encoder = encoder
        self._recipe = recipe
        self._nodes: list[Any] = []
        self._constants: dict[str, NDArray[Any]] = {}
        self._outputs = [output]

    def build_scores(self, pooler: Linear, classifier: Linear) -> bytes:
        pooled = self._node("Tanh", self._linear_fp32(pooler, self._first_state()))
        self._node("Identity", self._linear_fp32(classifier, pooled), output=LOGITS)
        return self._serialised()

    def build_vectors(self, pooling: Pooling) -> bytes:
        self._node("Identity", self._pool(pooling), output=VECTORS)
        return self._serialised()

    def _first_state(self) -> str:
        """State of each pair's first token, (pairs, width)."""
        layers = self._encoder.layers
        return self._last_layer(f"{len(layers) - 1}", layers[-1], self._states(layers[:-1]))

    def _states(self, layers: Sequence[Layer]) -> str:
        """State of every row after these layers, (rows, width)."""
        state, bias = self._embed(), self._bias_by_query()
        for index, layer in enumerate(layers):
            state = self._layer(f"{index}", layer, state, bias)
        return state

    def _pool(self, pooling: Pooling) -> str:
        if pooling == "cls":
            return self._first_state()
        states, second = self._by_pair(self._states(self._encoder.layers)), self._constant([1], np.int64)
        by_slot = self._node("Squeeze", BIAS, second)  # (pairs, 1, slots)
        if pooling == "mean":  # a softmax of 0 at tokens and nothing at padding is the same share for each token
            mixed = self._node("MatMul", self._node("Softmax", by_slot, axis=-1), states)
            return self._node("Squeeze", mixed, second)
        biased = self._node("Add", states, self._node("Transpose", by_slot, perm=[0, 2, 1]))
        return self._node("ReduceMax", biased, second, keepdims=0)

    def _serialised(self) -> bytes:
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        by_row = (IDS, KINDS, POSITIONS, *([SLOTS] if self._recipe.packed else []))
        inputs = [
            *(helper.make_tensor_value_info(name, kinds.INT64, ["rows"]) for name in by_row),
            helper.make_tensor_value_info(PLACES, kinds.INT64, ["pairs", "slots"]),
            helper.make_tensor_value_info(BIAS, kinds.FLOAT, ["pairs", 1, 1, "slots"]),
        ]
        outputs = [helper.make_tensor_value_info(name, kinds.FLOAT, None) for name in self._outputs]
        constants = [self._onnx.numpy_helper.from_array(value, name) for name, value in self._constants.items()]
        graph = helper.make_graph(self._nodes, "encoder", inputs, outputs, constants)
        opset, version = (23, 11) if self._recipe.packed else (21, 10)  # the oldest that will do; 23 has Attention
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=version, producer_name="es-rerank")
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
        """State of every row, (rows, width)."""
        encoder = self._encoder
        words = self._node("Gather", self._constant(encoder.words), IDS)
        kinds = self._node("Gather", self._constant(encoder.kinds), KINDS)
        positions = encoder.positions[encoder.first_position :]
        # Padding may go a little beyond the model's positions (passes.py); nothing reads what comes of it.
        positions = np.vstack([positions, np.zeros((16, encoder.width), np.float32)])
        rows = self._node("Gather", self._constant(positions), POSITIONS)
        return self._norm(encoder.embedding_norm, self._node("Add", self._node("Add", words, kinds), rows))

    def _bias_by_query(self) -> str:
        """BIAS as the operation Attention wants it, (pairs, 1, slots, slots)."""
        if not self._recipe.packed:
            return BIAS
        slots = self._node("Shape", PLACES, start=1)
        return self._node("Expand", BIAS, self._node("Concat", slots, self._constant([1], np.int64), axis=0))

    def _reshape(self, value: str, shape: list[int]) -> str:
        return self._node("Reshape", value, self._constant(shape, np.int64))

    def _by_pair(self, value: str) -> str:
        """(rows, width) as (pairs, slots, width)."""
        if self._recipe.packed:
            return self._node("Gather", value, PLACES)
        shape = self._node("Concat", self._node("Shape", PLACES), self._constant([-1], np.int64), axis=0)
        return self._node("Reshape", value, shape)

    def _by_row(self, value: str) -> str:
        """(pairs, slots, width) as (rows, width)."""
        flat = self._reshape(value, [-1, self._encoder.width])
        return self._node("Gather", flat, SLOTS) if self._recipe.packed else flat

    def _norm(self, norm: Norm, value: str) -> str:
        scale, shift = self._constant(norm.scale), self._constant(norm.shift)
        return self._node("LayerNormalization", value, scale, shift, axis=-1, epsilon=self._encoder.epsilon)

    def _layer(self, name: str, layer: Layer, state: str, bias: str) -> str:
        parts = self._linear(f"{name}.qkv", (self._halved(layer.query), layer.key, layer.value), state)
        query, key, value = (self._by_pair(part) for part in parts)
        context = self._attend(query, key, value, bias)
        return self._after_attention(name, layer, self._by_row(context), state)

    def _last_layer(self, name: str, layer: Layer, state: str) -> str:
        """Only the state of each pair's first token, (pairs, width): the head reads no other.

        With one query a pair it is less work to take that back through the weights of the keys than to compute keys,
        and to mix states than values; a key's bias adds the same to all of a query's matches, so nothing.
        """
        heads, width = self._encoder.heads, self._encoder.width
        states = self._by_pair(state)
        first = self._node("Gather", states, self._constant(0, np.int64), axis=1)
        (query,) = self._linear(f"{name}.q", (self._halved(layer.query),), first)
        by_head = (heads, width // heads, width)
        asked = self._each_head(self._reshape(query, [-1, heads, width // heads]), layer.key.weight.T.reshape(by_head))
        matches = self._node("MatMul", asked, self._node("Transpose", states, perm=[0, 2, 1]))
        bias = self._node("Squeeze", BIAS, self._constant([1], np.int64))
        mixed = self._node("MatMul", self._node("Softmax", self._node("Add", matches, bias), axis=-1), states)
        values = self._each_head(mixed, layer.value.weight.T.reshape(by_head).transpose(0, 2, 1))
        context = self._node("Add", self._reshape(values, [-1, width]), self._constant(layer.value.bias))
        return self._after_attention(name, layer, context, first)

    def _each_head(self, value: str, weights: Array) -> str:
        """(pairs, heads, inputs) times (heads, inputs, outputs) to (pairs, heads, outputs)."""
        product = self._node("MatMul", self._node("Transpose", value, perm=[1, 0, 2]), self._constant(weights))
        return self._node("Transpose", product, perm=[1, 0, 2])

    def _halved(self, query: Linear) -> Linear:
        """The query's part with the 1 / sqrt(size of a head) of attention in it."""
        factor = np.float32(1 / math.sqrt(self._encoder.width // self._encoder.heads))
        return Linear(query.weight * factor, query.bias * factor)

    def _by_head(self, value: str) -> str:
        """(pairs, tokens, width) as (pairs, heads, tokens, size)."""
        heads = self._encoder.heads
        return self._node("Transpose", self._reshape(value, [0, 0, heads, -1]), perm=[0, 2, 1, 3])

    def _attend(self, query: str, key: str, value: str, bias: str) -> str:
        """All of (pairs, slots, width)."""
        if self._recipe.packed:
            heads = self._encoder.heads
            return self._node("Attention", query, key, value, bias, scale=1.0, q_num_heads=heads, kv_num_heads=heads)
        query, key, value = (self._by_head(part) for part in (query, key, value))
        matches = self._node("MatMul", query, self._node("Transpose", key, perm=[0, 1, 3, 2]))
        shares = self._node("Softmax", self._node("Add", matches, bias), axis=-1)
        return self._node("Transpose", self._node("MatMul", shares, value), perm=[0, 2, 1, 3])

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
        scaled = [self._node("Mul", product, scale) for product in products]
        return [
            self._node("Add", value, self._constant(linear.bias)) if linear.bias.any() else value
            for value, linear in zip(scaled, linears, strict=True)
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
