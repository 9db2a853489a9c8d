"""A linear head on a bi-encoder's vectors: from a product's text to the probability of each category."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from middleware.durable_files import write_durably
from middleware.errors import CommandError, ConfigError
from middleware.learning.classification.products import Reading
from middleware.rerank.backends import FloatArray
from middleware.rerank.bi_encoder import BiEncoder, load_bi_encoder

FILE, WEIGHTS = "classifier.json", "weights.npy"
_INVERSE_PENALTY = 20.0


@dataclass(frozen=True, slots=True)
class Head:
    """Multinomial logistic regression: `weights` (c, d) and `bias` (c,) over the c `classes`."""

    classes: tuple[str, ...]
    weights: FloatArray
    bias: FloatArray

    def probabilities(self, vectors: FloatArray) -> FloatArray:
        """Shape (n, c) of vectors of unit length, (n, d); each row adds up to 1."""
        logits = vectors @ self.weights.T + self.bias
        odds: FloatArray = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: FloatArray = odds / odds.sum(axis=1, keepdims=True)
        return shares


def train_head(vectors: FloatArray, labels: Sequence[str], seed: int = 0) -> Head:
    """The head of vectors (n, d) of unit length with a label each; at least two labels.

    The penalty (L2, C = 20) is that which cross-validation on the demo's and Chorus' categories preferred.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=500, random_state=seed)
    model.fit(vectors, list(labels))
    weights, bias = np.asarray(model.coef_, dtype=np.float64), np.asarray(model.intercept_, dtype=np.float64)
    if len(model.classes_) == 2:  # scikit-learn keeps the second one's alone
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return Head(tuple(map(str, model.classes_)), weights, bias)


class Classifier:
    """A head with the bi-encoder and the reading that it was trained on."""

    def __init__(self, head: Head, encoder: BiEncoder, source: str, reading: Reading, least_confidence: float) -> None:
        """`least_confidence`: below it a person should look."""
        self.head, self.encoder, self.source, self.reading = head, encoder, source, reading
        self.least_confidence = least_confidence

    def probabilities(self, texts: Sequence[str]) -> FloatArray:
        """Shape (n, c)."""
        return self.head.probabilities(self.encoder.encode_documents(texts).astype(np.float64))

    @property
    def classes(self) -> tuple[str, ...]:
        return self.head.classes

    @property
    def key(self) -> str:
        """Equal for classifiers that say the same."""
        digest = blake2b(self.head.weights.tobytes(), digest_size=16)
        digest.update(repr((self.head.classes, self.reading, self.encoder.revision, self.least_confidence)).encode())
        return digest.hexdigest()

    def save(self, folder: Path, about: dict[str, Any]) -> None:
        """Write the folder; `about` is kept for people. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / WEIGHTS, np.column_stack([self.head.weights, self.head.bias]).astype(np.float32))
        told = {
            "field": self.reading.field,
            "template": self.reading.template,
            "encoder": self.source,
            "encoder_revision": self.encoder.revision,
            "least_confidence": self.least_confidence,
            "classes": list(self.head.classes),
            "about": about,
        }
        write_durably(folder / FILE, json.dumps(told, ensure_ascii=False, indent=2) + "\n")


def load_classifier(folder: Path) -> Classifier:
    """What `save` wrote. Raises ConfigError where there is none, CommandError where it is damaged or misfits.

    Raises ModelUnavailable where its bi-encoder cannot be loaded.
    """
    if not (folder / FILE).is_file():
        raise ConfigError("--classifier", str(folder), "no classifier there; `es-rerank classify train` makes one")
    try:
        told = json.loads((folder / FILE).read_text(encoding="utf-8"))
        matrix = np.load(folder / WEIGHTS, allow_pickle=False).astype(np.float64)
        head = Head(tuple(told["classes"]), matrix[:, :-1], matrix[:, -1])
        reading, least = Reading(told["field"], told["template"]), float(told["least_confidence"])
        source, revision = str(told["encoder"]), told["encoder_revision"]
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise CommandError(f"{folder}: the classifier is damaged ({error}); train it again") from error
    encoder = load_bi_encoder(source)
    if encoder.revision != revision or len(head.classes) != len(head.weights):
        raise CommandError(f"{folder}: {source} is not the encoder that it was trained on; train it again")
    return Classifier(head, encoder, source, reading, least)
