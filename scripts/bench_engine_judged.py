"""The judged searches of bench_engine.py: the demo's held-out ones, Chorus' and, for narrow intervals, invented."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from middleware.catalog.demo import DemoCatalog, generate
from middleware.learning.demo.pairs import Share, render
from middleware.learning.demo.product_pieces import Product, read_product
from middleware.learning.demo.pseudo_queries import Example, Inventor, Wish, _target
from middleware.learning.reranker.recipe import Recipe

Judged = Sequence[tuple[str, Mapping[str, int]]]
"""Queries, each with the grade of each document text."""

INVENTED_SEED = 20_000
PRODUCTS, FULL_ANSWERS = 20, 7
LEAST_TARGETS = (0.15, 0.475, 0.825)
"""Of the grades 1 to 3: halfway between what the demo's training makes of each grade."""


def demo_judged() -> Judged:
    catalog = generate()
    products = {product["id"]: render(product) for product in catalog.products}
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    for judgment in catalog.qrels:
        grades[judgment.query_id][products[judgment.product_id]] = judgment.grade
    held_out = [query for query in catalog.queries if query.split == "held_out"]
    return [(query.text, grades[query.query_id]) for query in held_out if len(grades[query.query_id]) > 1]


def chorus_judged(path: Path, texts: Mapping[str, str]) -> Judged:
    grades: dict[str, dict[str, int]] = defaultdict(dict)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["doc_id"] in texts:
                grades[row["query"]][texts[row["doc_id"]]] = int(row["rating"])
    return [(query, found) for query, found in grades.items() if len(found) > 1]


def invented_judged(count: int) -> Judged:
    """`count` searches that the demo's model was never trained on, of the kind that it was, with PRODUCTS products."""
    catalog = generate()
    products = [read_product(document["id"], document) for document in catalog.products]
    seen = trained_on(catalog, products)
    inventor = HarderInventor(products, random.Random(INVENTED_SEED))
    judged: dict[str, dict[str, int]] = {}
    while len(judged) < count:
        examples = inventor.examples(1)
        text = examples[0].query_text
        if text.lower() not in seen:
            seen.add(text.lower())
            judged[text] = {render(each.product.document): grade_of(each.target) for each in examples}
    return list(judged.items())


def trained_on(catalog: DemoCatalog, products: Sequence[Product]) -> set[str]:
    """Every query text of the demo model's training, in lower case."""
    invented = Inventor(products, random.Random(Recipe().seed)).examples(Share().invented_searches)
    judged = [query.text for query in catalog.queries if query.split == "train"]
    return {text.lower() for text in (*judged, *(example.query_text for example in invented))}


def grade_of(target: float) -> int:
    return sum(target >= least for least in LEAST_TARGETS)


class HarderInventor(Inventor):
    """Shows more products than training does, and those that a lexical first stage would find first.

    FULL_ANSWERS at most are full answers: were all ten of a page, any order of them would be as good.
    """

    def _judge(self, wish: Wish) -> list[Example]:
        shares = self._shares(wish.terms)
        targets = [_target(wish, product, share) for product, share in zip(self._products, shares, strict=True)]
        others = [place for place, product in enumerate(self._products) if product is not wish.anchor]
        self._rng.shuffle(others)
        near = sorted(others, key=lambda place: -shares[place])
        full = [place for place in near if targets[place] == 1.0][: FULL_ANSWERS - 1]
        missed = [place for place in near if targets[place] < 1.0][: PRODUCTS - 1 - len(full)]
        chosen = [Example(wish.text, self._products[place], targets[place]) for place in (*full, *missed)]
        chosen.append(Example(wish.text, wish.anchor, 1.0))
        # Equal scores keep the order given: the answers must not stand first.
        self._rng.shuffle(chosen)
        return chosen
