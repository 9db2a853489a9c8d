"""From a classification head's logits to scores in [0, 1], by what the model's configuration says of its head."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from middleware.errors import ModelUnavailable
from middleware.rerank.backends import FloatArray

log = logging.getLogger(__name__)

RELEVANT_LABELS = frozenset({"relevant", "true", "yes", "positive", "match", "1"})


def sigmoid(logits: FloatArray) -> FloatArray:
    """1 / (1 + exp(-x)), written with tanh since that cannot overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


# Names of torch.nn classes, never imported: a model's configuration must not choose code that we run.
# Each value is the activation itself where its range is [0, 1], and an increasing map of it into [0, 1] elsewhere,
# so that the order of the documents is the model's own.
ACTIVATIONS: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "Sigmoid": sigmoid,
    "Identity": sigmoid,
    "Tanh": lambda logits: 0.5 * (1.0 + np.tanh(logits)),
    "Hardsigmoid": lambda logits: np.clip(logits / 6.0 + 0.5, 0.0, 1.0),
    "ReLU": lambda logits: np.tanh(np.maximum(logits, 0.0)),
    "LogSigmoid": sigmoid,
}


@dataclass(frozen=True, slots=True)
class Head:
    """How to read a head: how many labels it has, which one means relevant, and the model's own activation."""

    labels: int
    relevant: int
    activation: str

    def scores(self, logits: FloatArray) -> FloatArray:
        """Scores, shape (n,), of logits, shape (n, labels).

        One label: its activation (ACTIVATIONS). Two labels: softmax probability of the relevant one, which is the
        sigmoid of the difference of the two logits; or its sigmoid where the model says Sigmoid.
        """
        relevant = logits[:, self.relevant]
        if self.labels == 1:
            return ACTIVATIONS[self.activation](relevant)
        if self.activation == "Sigmoid":
            return sigmoid(relevant)
        return sigmoid(relevant - logits[:, 1 - self.relevant])


def read_head(config: Mapping[str, Any], sentence_transformers: Mapping[str, Any] | None = None) -> Head:
    """The head that config.json (and sentence-transformers' own configuration file, where there is one) describes.

    Raises ModelUnavailable where the head has more than two labels.
    """
    names = {int(label): str(name) for label, name in (config.get("id2label") or {0: "", 1: ""}).items()}
    if len(names) > 2:
        raise ModelUnavailable(f"its head has {len(names)} labels; a reranker has one, or two (not relevant, relevant)")
    relevant = len(names) - 1
    for label, name in names.items():
        if name.lower() in RELEVANT_LABELS:
            relevant = label
    return Head(len(names), relevant, _activation(config, sentence_transformers or {}, len(names)))


def _activation(config: Mapping[str, Any], sentence_transformers: Mapping[str, Any], labels: int) -> str:
    # The three places in which sentence-transformers has kept it, newest first.
    dotted = (
        sentence_transformers.get("activation_fn")
        or (config.get("sentence_transformers") or {}).get("activation_fn")
        or config.get("sbert_ce_default_activation_function")
        or ""
    )
    name = str(dotted).rpartition(".")[2]
    default = "Sigmoid" if labels == 1 else "Softmax"
    if name and name not in ACTIVATIONS and name != "Softmax":
        log.warning("activation %s of the model is not one we know; %s is used", dotted, default)
    return name if name in ACTIVATIONS else default
