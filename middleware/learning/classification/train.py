"""The making of a classifier: vectors, cross-validation, the confidence to ask for, and the head of all products."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from middleware.catalog.prepare import PrepareOptions
from middleware.config import ModelSettings
from middleware.learning.cascade.make import start_engine
from middleware.learning.classification.head import Classifier, train_head
from middleware.learning.classification.measures import Measured, cross_validated, least_confidence, measure
from middleware.learning.classification.products import Product, Reading, read_labelled
from middleware.learning.classification.zero_shot import zero_shot_probabilities
from middleware.learning.step_bar import Step
from middleware.rerank.backends import FloatArray
from middleware.rerank.bi_encoder import BiEncoder, load_bi_encoder

_TEXTS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """`least` products a class needs; `wanted` is the share that shall be right of what no person looks at.

    `model`: a cross-encoder whose zero-shot answers on `sample` products are measured, too.
    """

    encoder: str = "starter"
    least: int = 5
    wanted: float = 0.95
    model: ModelSettings | None = None
    sample: int = 300
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier and what it is worth. `zero_shot` and `head_there` are of the same sample of `products`.

    `coverage`: share of the products that are at least as sure as is asked for.
    """

    classifier: Classifier
    products: Sequence[Product]
    left_out: Counter[str]
    head: Measured
    coverage: float
    zero_shot: Measured | None = None
    head_there: Measured | None = None


def train(source: str | Path, reading: Reading, prepare: PrepareOptions, options: TrainOptions, step: Step) -> Trained:
    """Raises ConfigError, CommandError or ModelUnavailable, in one line."""
    step("reading", 0, 1)
    products, left_out = read_labelled(source, reading, prepare, options.least)
    encoder = load_bi_encoder(options.encoder)
    vectors = _encode(encoder, [product.text for product in products], step)
    step("cross-validation", 0, 1)
    labels = [product.label for product in products]
    classes = sorted(set(labels))
    said = cross_validated(products, vectors, options.seed)
    measured = measure(classes, labels, said)
    confidence, coverage = least_confidence(measured, options.wanted)
    step("training on all", 0, 1)
    head = train_head(vectors, labels, options.seed)
    classifier = Classifier(head, encoder, options.encoder, reading, confidence)
    if options.model is None:
        return Trained(classifier, products, left_out, measured, coverage)
    chosen = sorted(random.Random(options.seed).sample(range(len(products)), min(options.sample, len(products))))
    sample = [products[row] for row in chosen]
    zero_shot = _zero_shot(sample, classes, encoder, options.model, step)
    there = measure(classes, [product.label for product in sample], said[chosen])
    return Trained(classifier, products, left_out, measured, coverage, zero_shot, there)


def _encode(encoder: BiEncoder, texts: Sequence[str], step: Step) -> FloatArray:
    blocks = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        step("encoding", start, len(texts))
        blocks.append(encoder.encode_documents(texts[start : start + _TEXTS_AT_ONCE]))
    return np.concatenate(blocks).astype(np.float64)


def _zero_shot(
    sample: Sequence[Product], classes: Sequence[str], encoder: BiEncoder, model: ModelSettings, step: Step
) -> Measured:
    engine = start_engine(model)
    try:
        said = zero_shot_probabilities(
            [product.text for product in sample],
            classes,
            encoder,
            engine,
            step=lambda done: step("zero-shot", done, len(sample)),
        )
    finally:
        engine.stop()
    return measure(classes, [product.label for product in sample], said)
