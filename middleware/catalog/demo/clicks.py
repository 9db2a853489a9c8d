"""What shoppers saw and clicked in the demo shop, as a UBI log with its position bias: what a shop learns from."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from middleware.catalog.demo.intents import Intent
from middleware.catalog.demo.shelf import Item
from middleware.catalog.demo.wishes import words_of

_SHOWN = 20
_DAYS = 60
_CLIENTS = 400
# a page's order differs from visit to visit, as stock, prices and campaigns change
_UNREST = 0.25
# position k is looked at with a chance of k to this power
_EXAMINATION = -0.7
_CLICKED = {0: 0.03, 1: 0.1, 2: 0.35, 3: 0.6}
_CARTED, _BOUGHT = 0.4, 0.5


def make_clicks(
    items: Sequence[Item], intents: Sequence[Intent], searches: int, now: datetime, rng: random.Random
) -> list[dict[str, Any]]:
    """Records of `ubi_queries` and `ubi_events` of the sixty days before `now`, by time.

    The first intents are searched most (Zipf's law). Each search shows the shop's twenty best products by the words
    that they share with it, a little shuffled; whether one is clicked depends on where it stood and on how well it
    answers, and on nothing else.
    """
    shop = _Words(items)
    pages = [shop.scores(intent.text) for intent in intents]
    weights = [1 / rank for rank in range(1, len(intents) + 1)]
    records: list[dict[str, Any]] = []
    for place in rng.choices(range(len(intents)), weights, k=searches):
        shown = _page(pages[place], rng)
        if shown:
            start = now - timedelta(seconds=rng.randint(3600, _DAYS * 86_400))
            records += _visit(intents[place], [items[row] for row in shown], start, rng)
    return sorted(records, key=lambda record: (record["timestamp"], record["query_id"]))


class _Words:
    """The shop's own search before es-rerank: the sum of the rarities of the words that a product shares."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._holders: defaultdict[str, list[int]] = defaultdict(list)
        self._lengths = []
        for row, item in enumerate(items):
            document = item.document
            words = words_of(" ".join(str(document.get(name, "")) for name in ("title", "brand", "category")))
            self._lengths.append(len(words))
            for word in words:
                self._holders[word].append(row)

    def scores(self, text: str) -> Mapping[int, float]:
        """Row of the product -> score, of those that share a word."""
        found: Counter[int] = Counter()
        for word in sorted(words_of(text)):
            holders = self._holders.get(word, ())
            rarity = math.log(1 + len(self._lengths) / (1 + len(holders)))
            for row in holders:
                found[row] += rarity / math.sqrt(self._lengths[row])  # type: ignore[assignment]
        return found


def _page(scores: Mapping[int, float], rng: random.Random) -> list[int]:
    shuffled = {row: score * rng.lognormvariate(0, _UNREST) for row, score in scores.items()}
    return sorted(shuffled, key=lambda row: (-shuffled[row], row))[:_SHOWN]


def _visit(intent: Intent, shown: Sequence[Item], start: datetime, rng: random.Random) -> Iterator[dict[str, Any]]:
    search, client_id = f"{rng.getrandbits(128):032x}", f"visitor-{rng.randrange(_CLIENTS):03d}"
    yield {
        "query_id": search,
        "client_id": client_id,
        "user_query": intent.text,
        "timestamp": start.isoformat(timespec="seconds"),
        "query_response_object_ids": [item.document["id"] for item in shown],
    }
    when = start
    for position, item in enumerate(shown, start=1):
        for action in _acts(intent.grade(item), position, rng):
            when += timedelta(seconds=rng.randint(3, 60))
            yield {
                "action_name": action,
                "client_id": client_id,
                "query_id": search,
                "timestamp": when.isoformat(timespec="seconds"),
                "event_attributes": {
                    "object": {"object_id": item.document["id"], "object_id_field": "id"},
                    "position": {"ordinal": position},
                },
            }


def _acts(grade: int, position: int, rng: random.Random) -> Iterator[str]:
    if rng.random() >= position**_EXAMINATION * _CLICKED[grade]:
        return
    yield "click"
    if grade < 2 or rng.random() >= _CARTED:
        return
    yield "add_to_cart"
    if rng.random() < _BOUGHT:
        yield "purchase"
