"""How good a classification is: accuracy, macro-F1, what is taken for what, and from which confidence on it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from middleware.learning.classification.head import train_head
from middleware.learning.classification.products import Product
from middleware.rerank.backends import FloatArray

_FOLDS = 5
_LEAST = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """Of n products with a label: `predicted` and `confidence` (n,), and what they amount to.

    `confusion` (c, c): rows are the true `classes`, columns the predicted ones. `f1`, (c,), is 0 for a class never
    predicted; macro-F1 is its mean.
    """

    classes: tuple[str, ...]
    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    confidence: FloatArray
    accuracy: float
    macro_f1: float
    f1: FloatArray
    confusion: NDArray[np.int64]

    @property
    def right(self) -> NDArray[np.bool_]:
        return np.asarray(self.truth == self.predicted, dtype=np.bool_)


def measure(classes: Sequence[str], labels: Sequence[str], probabilities: FloatArray) -> Measured:
    """`probabilities` (n, c) against the n labels, each of which is one of the c classes."""
    from sklearn.metrics import confusion_matrix, f1_score

    place = {name: number for number, name in enumerate(classes)}
    truth = np.array([place[label] for label in labels], dtype=np.intp)
    predicted = probabilities.argmax(axis=1)
    every = np.arange(len(classes))
    f1 = np.asarray(f1_score(truth, predicted, labels=every, average=None, zero_division=0.0), dtype=np.float64)
    present = np.isin(every, truth)
    return Measured(
        classes=tuple(classes),
        truth=truth,
        predicted=predicted,
        confidence=probabilities.max(axis=1),
        accuracy=float((truth == predicted).mean()),
        macro_f1=float(f1[present].mean()),
        f1=f1,
        confusion=np.asarray(confusion_matrix(truth, predicted, labels=every), dtype=np.int64),
    )


def cross_validated(products: Sequence[Product], vectors: FloatArray, seed: int = 0) -> FloatArray:
    """Shape (n, c), columns in the order of the sorted labels: of each product what a head says that never saw it.

    Variations of a product are all in one fold, so that none is told by its twin; a class that lies in one fold alone
    has probability 0 there.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels = np.array([product.label for product in products])
    families = [product.family for product in products]
    classes = sorted(set(labels.tolist()))
    place = {name: number for number, name in enumerate(classes)}
    found = np.zeros((len(products), len(classes)))
    folds = StratifiedGroupKFold(min(_FOLDS, len(set(families))), shuffle=True, random_state=seed)
    for learn, test in folds.split(vectors, labels, families):
        if len(set(labels[learn].tolist())) < 2:
            continue
        head = train_head(vectors[learn], labels[learn].tolist(), seed)
        columns = [place[name] for name in head.classes]
        found[np.ix_(test, columns)] = head.probabilities(vectors[test])
    return found


def least_confidence(measured: Measured, wanted: float) -> tuple[float, float]:
    """The lowest confidence from which on at least a share `wanted` is right, and the share of products that have it.

    Not below 0.5, since what is unlike all that was learned is never sure. Where no confidence is enough: 1 and 0.
    """
    order = np.argsort(-measured.confidence, kind="stable")
    shares = np.cumsum(measured.right[order]) / np.arange(1, len(order) + 1)
    confidence = measured.confidence[order]
    is_last = np.append(confidence[1:] < confidence[:-1], True)  # equal confidences stand or fall together
    good = np.flatnonzero((shares >= wanted) & is_last)
    if not len(good):
        return 1.0, 0.0
    least = max(_LEAST, float(confidence[good[-1]]))
    return least, float((confidence >= least).mean())


def most_confused(measured: Measured, count: int) -> list[tuple[str, str, int]]:
    """(true, predicted, how often), the most frequent mistakes first."""
    off = measured.confusion.copy()
    np.fill_diagonal(off, 0)
    rows, columns = np.unravel_index(np.argsort(-off, axis=None, kind="stable")[:count], off.shape)
    names = measured.classes
    return [(names[r], names[c], int(off[r, c])) for r, c in zip(rows, columns, strict=True) if off[r, c]]
