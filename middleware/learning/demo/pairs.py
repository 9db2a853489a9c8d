"""What the demo cross-encoder learns from: searches invented from the catalogue, and its judged training queries."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from middleware.catalog.demo import DemoCatalog
from middleware.learning.demo.product_pieces import CJK, Product, read_product
from middleware.learning.demo.pseudo_queries import Inventor
from middleware.learning.starter import embed

TEMPLATE = "{title}[ | {title_zh}][ | {brand}][ | {category}][ | {description}]"

_SEPARATOR = " | "
_ALL_PARTS = ("title", "title_zh", "brand", "category", "description")
_TARGET_OF_GRADE = {0: 0.0, 1: 0.3, 2: 0.65, 3: 1.0}


@dataclass(frozen=True, slots=True)
class TextPair:
    """What the cross-encoder reads, and the score in [0, 1] that it should give."""

    query_text: str
    document_text: str
    target: float


@dataclass(frozen=True, slots=True)
class Share:
    """How much of what goes into the training pairs."""

    invented_searches: int = 950
    passes_over_judgments: int = 2
    judged_per_query: int = 14
    bi_encoder: float = 0.25
    described: float = 0.25
    chinese_title: float = 0.4
    brand_and_category: float = 0.8


def make_pairs(catalog: DemoCatalog, share: Share, seed: int) -> list[TextPair]:
    """Training pairs in a fixed order for one seed; held-out queries and their judgments are never looked at."""
    rng = random.Random(seed)
    products = [read_product(document["id"], document) for document in catalog.products]
    invented = [
        (example.query_text, example.product, example.target)
        for example in Inventor(products, rng).examples(share.invented_searches)
    ]
    judged = _judged(catalog, {product.product_id: product for product in products}, share, rng)
    return _soften([*invented, *judged], share, rng)


def render(document: Mapping[str, Any], parts: Sequence[str] = _ALL_PARTS) -> str:
    """The document text as TEMPLATE gives it, of the `parts` that the document has."""
    return _SEPARATOR.join(str(document[part]) for part in parts if document.get(part))


def _judged(
    catalog: DemoCatalog, products: Mapping[str, Product], share: Share, rng: random.Random
) -> list[tuple[str, Product, float]]:
    texts = {query.query_id: query.text for query in catalog.queries if query.split == "train"}
    by_query: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for judgment in catalog.qrels:
        if judgment.query_id in texts:
            by_query[judgment.query_id].append((judgment.product_id, judgment.grade))
    made = []
    half = share.judged_per_query // 2
    for query_id in sorted(by_query) * share.passes_over_judgments:
        for relevant in (True, False):
            candidates = sorted(pair for pair in by_query[query_id] if (pair[1] > 0) == relevant)
            for product_id, grade in rng.sample(candidates, min(half, len(candidates))):
                made.append((texts[query_id], products[product_id], _TARGET_OF_GRADE[grade]))
    return made


def _soften(examples: Sequence[tuple[str, Product, float]], share: Share, rng: random.Random) -> list[TextPair]:
    """Document texts with parts left out at random, and targets mixed with the bi-encoder's opinion.

    Leaving parts out is faster and teaches the model not to lean on one of them. The bi-encoder cannot read Chinese,
    so it has no say there; its usual cosines, 0.15 to 0.75, are spread over 0 to 1.
    """
    pairs = [TextPair(query, _some_parts(query, product, share, rng), target) for query, product, target in examples]
    if not share.bi_encoder:
        return pairs
    english = [row for row, (query, _, _) in enumerate(examples) if not CJK.search(query)]
    full = [render(examples[row][1].document, ("title", "brand", "category", "description")) for row in english]
    distinct = sorted({*full, *(pairs[row].query_text for row in english)})
    vectors = dict(zip(distinct, embed(distinct), strict=True))
    for row, text in zip(english, full, strict=True):
        cosine = float(vectors[pairs[row].query_text] @ vectors[text])
        opinion = float(np.clip((cosine - 0.15) / 0.6, 0.0, 1.0))
        mixed = (1.0 - share.bi_encoder) * pairs[row].target + share.bi_encoder * opinion
        pairs[row] = replace(pairs[row], target=mixed)
    return pairs


def _some_parts(query: str, product: Product, share: Share, rng: random.Random) -> str:
    chances = {
        "title": 1.0,
        "title_zh": 1.0 if CJK.search(query) else share.chinese_title,
        "brand": share.brand_and_category,
        "category": share.brand_and_category,
        "description": share.described,
    }
    return render(product.document, [part for part, chance in chances.items() if rng.random() < chance])
