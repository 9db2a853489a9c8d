"""The weights of a BERT- or RoBERTa-type model as plain arrays, so that a runtime's graph can be our own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.errors import ModelUnavailable

Array = NDArray[np.float32]

KNOWN_ARCHITECTURES = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta"}
"""model_type in config.json -> prefix of its tensors' names."""


@dataclass(frozen=True, slots=True)
class Linear:
    """y = x @ weight + bias; weight has shape (inputs, outputs)."""

    weight: Array
    bias: Array


@dataclass(frozen=True, slots=True)
class Norm:
    """Layer normalisation over the last axis."""

    scale: Array
    shift: Array


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer layer, normalised after each residual (Devlin et al., BERT, NAACL 2019)."""

    query: Linear
    key: Linear
    value: Linear
    attended: Linear
    attended_norm: Norm
    up: Linear
    down: Linear
    down_norm: Norm


@dataclass(frozen=True, slots=True)
class Encoder:
    """A model without a head. `first_position` is the row of `positions` that belongs to a text's first token."""

    words: Array
    positions: Array
    first_position: int
    kinds: Array
    embedding_norm: Norm
    layers: tuple[Layer, ...]
    heads: int
    epsilon: float

    @property
    def width(self) -> int:
        return int(self.words.shape[1])

    @property
    def multiplications_per_token(self) -> int:
        """Of the linear operations of all layers, every token computed: the model's plain cost."""
        return sum(
            each.weight.size
            for layer in self.layers
            for each in (layer.query, layer.key, layer.value, layer.attended, layer.up, layer.down)
        )


@dataclass(frozen=True, slots=True)
class CrossEncoder(Encoder):
    """A model with the head that makes logits of a pair's first token."""

    pooler: Linear
    classifier: Linear


def why_unknown(config: Mapping[str, Any]) -> str | None:
    """Why the model that config.json describes has no graph of ours; None where it has."""
    kind = config.get("model_type")
    if kind not in KNOWN_ARCHITECTURES:
        return f"model type {kind} has no graph of ours (only {', '.join(KNOWN_ARCHITECTURES)})"
    if config.get("hidden_act", "gelu") != "gelu":
        return f"its activation is {config['hidden_act']}, not gelu"
    if config.get("position_embedding_type", "absolute") != "absolute":
        return "its positions are not absolute"
    return "it is a decoder" if config.get("is_decoder") else None


def read_encoder(config: Mapping[str, Any], files: Sequence[Path]) -> CrossEncoder:
    """The cross-encoder that config.json and *.safetensors hold. Raises ModelUnavailable."""
    prefix, tensors = _open(config, files)
    pooler, classifier = (
        ("bert.pooler.dense", "classifier") if prefix == "bert" else ("classifier.dense", "classifier.out_proj")
    )
    if f"{classifier}.weight" not in tensors:
        raise ModelUnavailable(
            f"has no trained classification head ({classifier}.weight missing); "
            "give a cross-encoder, not an embedding or language model"
        )
    parts = _read_parts(config, tensors, f"{prefix}.")
    return CrossEncoder(**parts, pooler=tensors.linear(pooler), classifier=tensors.linear(classifier))


def read_headless_encoder(config: Mapping[str, Any], files: Sequence[Path]) -> Encoder:
    """The model that config.json and *.safetensors hold, whatever head it has. Raises ModelUnavailable."""
    prefix, tensors = _open(config, files)
    is_whole = "embeddings.word_embeddings.weight" in tensors  # saved without a head, names have no prefix
    return Encoder(**_read_parts(config, tensors, "" if is_whole else f"{prefix}."))


def read_linear(file: Path, name: str) -> Linear:
    """One linear operation of a safetensors file; without a bias where it has none. Raises ModelUnavailable."""
    tensors = _Tensors([file])
    weight = np.ascontiguousarray(tensors[f"{name}.weight"].T)
    return Linear(weight, tensors[f"{name}.bias"] if f"{name}.bias" in tensors else np.zeros(weight.shape[1], "f4"))


def _open(config: Mapping[str, Any], files: Sequence[Path]) -> tuple[str, _Tensors]:
    """The prefix of the tensors' names, and the tensors."""
    if reason := why_unknown(config):
        raise ModelUnavailable(reason)
    return KNOWN_ARCHITECTURES[config["model_type"]], _Tensors(files)


def _read_parts(config: Mapping[str, Any], tensors: _Tensors, prefix: str) -> dict[str, Any]:
    """The fields of an Encoder."""
    embeddings = f"{prefix}embeddings"
    is_roberta = KNOWN_ARCHITECTURES[config["model_type"]] == "roberta"
    return {
        "words": tensors[f"{embeddings}.word_embeddings.weight"],
        "positions": tensors[f"{embeddings}.position_embeddings.weight"],
        "first_position": int(config.get("pad_token_id", 1)) + 1 if is_roberta else 0,
        "kinds": tensors[f"{embeddings}.token_type_embeddings.weight"],
        "embedding_norm": tensors.norm(f"{embeddings}.LayerNorm"),
        "layers": tuple(
            _read_layer(tensors, f"{prefix}encoder.layer.{index}") for index in range(config["num_hidden_layers"])
        ),
        "heads": int(config["num_attention_heads"]),
        "epsilon": float(config.get("layer_norm_eps", 1e-12)),
    }


def _read_layer(tensors: _Tensors, name: str) -> Layer:
    return Layer(
        query=tensors.linear(f"{name}.attention.self.query"),
        key=tensors.linear(f"{name}.attention.self.key"),
        value=tensors.linear(f"{name}.attention.self.value"),
        attended=tensors.linear(f"{name}.attention.output.dense"),
        attended_norm=tensors.norm(f"{name}.attention.output.LayerNorm"),
        up=tensors.linear(f"{name}.intermediate.dense"),
        down=tensors.linear(f"{name}.output.dense"),
        down_norm=tensors.norm(f"{name}.output.LayerNorm"),
    )


class _Tensors:
    """All tensors of some safetensors files, as float32, read one by one."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._places = {name: place for file in files for name, place in _places(file).items()}

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def __getitem__(self, name: str) -> Array:
        if name not in self._places:
            raise ModelUnavailable(f"its weights lack {name}")
        file, kind, shape, start, size = self._places[name]
        raw = np.fromfile(file, dtype=np.uint8, count=size, offset=start)
        if kind == "BF16":
            return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
        if kind not in ("F32", "F16", "F64"):
            raise ModelUnavailable(f"tensor {name} holds {kind}, which we cannot read")
        return raw.view({"F32": "<f4", "F16": "<f2", "F64": "<f8"}[kind]).astype(np.float32).reshape(shape)

    def linear(self, name: str) -> Linear:
        return Linear(np.ascontiguousarray(self[f"{name}.weight"].T), self[f"{name}.bias"])

    def norm(self, name: str) -> Norm:
        # Old checkpoints, converted from TensorFlow, name them as that did.
        scale, shift = ("gamma", "beta") if f"{name}.gamma" in self._places else ("weight", "bias")
        return Norm(self[f"{name}.{scale}"], self[f"{name}.{shift}"])


_Place = tuple[Path, str, tuple[int, ...], int, int]


def _places(file: Path) -> dict[str, _Place]:
    """Where each tensor lies: file, type, shape, first byte, bytes. The format: 8 bytes of length, JSON, the data."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if length > file.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(opened.read(length))
        found: dict[str, _Place] = {}
        for name, entry in header.items():
            if name != "__metadata__":
                first, last = entry["data_offsets"]
                found[name] = (file, entry["dtype"], tuple(entry["shape"]), 8 + length + first, last - first)
        return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"cannot be loaded: {file.name} is no safetensors file ({error})") from error
