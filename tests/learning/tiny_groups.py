"""Groups that a tiny model can learn something from: a document is as good as the share of the query's words in it."""

from __future__ import annotations

import random

from tiny_model import WORDS

from middleware.learning.groups.group import Group

_ASCII = [word for word in WORDS if word.isascii()]


def tiny_groups(count: int, seed: int, most: int = 7) -> list[Group]:
    """Groups of three to `most` documents, of two query words each; no group has one target alone."""
    rng = random.Random(seed)
    return [_group(rng, rng.randint(3, most)) for _ in range(count)]


def _group(rng: random.Random, size: int) -> Group:
    query = rng.sample(_ASCII, 2)
    texts, targets = [], []
    for number in range(size):
        share = number if number < 2 else rng.choice((0, 0, 1, 2))
        others = rng.sample([word for word in _ASCII if word not in query], rng.randint(1, 6))
        words = [*others, *query[:share]]
        texts.append(" ".join(rng.sample(words, len(words))))
        targets.append(share / 2)
    return Group(
        query_text=" ".join(query),
        document_ids=tuple(f"d{number}" for number in range(size)),
        document_texts=tuple(texts),
        targets=tuple(targets),
        first_stage=tuple(rng.random() for _ in texts),
        origin="judged",
    )
