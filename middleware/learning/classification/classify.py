"""What a category is said to be, with how sure that is, and which products a person should look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from middleware.catalog.prepare import Prepared
from middleware.learning.classification.head import load_classifier
from middleware.learning.classification.products import JOINT, Product, Reading
from middleware.rerank.backends import FloatArray

_AT_ONCE = 256
_OTHERS = 3
# A shop's own category is doubted only where the classifier is as good as certain of another.
_SURE = 0.95


class Says(Protocol):
    """Says the probability of each class."""

    @property
    def classes(self) -> Sequence[str]: ...

    def probabilities(self, texts: Sequence[str]) -> FloatArray:
        """Shape (n, c)."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """The likeliest class of a product with its probability, and the next ones. `why`: what a person should look at.

    `why` is empty, "low confidence", or "doubt": the product's own category is another, which is most unlikely.
    """

    product: Product
    label: str
    confidence: float
    others: tuple[tuple[str, float], ...]
    why: str


def classify(says: Says, products: Iterable[Product], least_confidence: float) -> Iterator[Finding]:
    """A finding of each product, in their order, in constant memory."""
    products = iter(products)
    while some := list(islice(products, _AT_ONCE)):
        for product, row in zip(some, says.probabilities([product.text for product in some]), strict=True):
            best = np.argsort(-row, kind="stable")[: _OTHERS + 1]
            (label, confidence), *others = ((says.classes[place], float(row[place])) for place in best)
            why = _why(product.label, label, confidence, least_confidence)
            yield Finding(product, label, confidence, tuple(others), why)


def _why(own: str, label: str, confidence: float, least: float) -> str:
    if own:
        return "doubt" if label != own and confidence >= max(least, _SURE) else ""
    return "" if confidence >= least else "low confidence"


class Filler:
    """Fills in the category of products on their way into an index; `key` changes with what it would fill in."""

    def __init__(self, says: Says, reading: Reading, least_confidence: float, key: str) -> None:
        self._says, self._reading, self._least = says, reading, least_confidence
        self.key = f"{key} {least_confidence}"
        self.counts: Counter[str] = Counter(filled=0, unsure=0)
        self.unsure: list[Finding] = []

    def fill(self, documents: Iterable[Prepared]) -> Iterator[Prepared]:
        """The documents, in their order; one without a category that is sure enough stays without, and is noted."""
        documents = iter(documents)
        while some := list(islice(documents, _AT_ONCE)):
            products = {each.line: self._reading.product(each.id, each.document) for each in some}
            without = [product for product in products.values() if not product.label and product.text]
            found = {finding.product.id: finding for finding in classify(self._says, without, self._least)}
            for each in some:
                if each.id in found and not products[each.line].label:
                    self._settle(each, found[each.id])
                yield each

    def _settle(self, prepared: Prepared, finding: Finding) -> None:
        if finding.why:
            self.counts["unsure"] += 1
            self.unsure.append(finding)
            return
        names = finding.label.split(JOINT)
        prepared.document[self._reading.field] = names[0] if len(names) == 1 else names
        self.counts["filled"] += 1


def open_filler(folder: Path) -> Filler:
    """A filler by the classifier in a folder. Raises what `load_classifier` raises."""
    classifier = load_classifier(folder)
    return Filler(classifier, classifier.reading, classifier.least_confidence, classifier.key)
