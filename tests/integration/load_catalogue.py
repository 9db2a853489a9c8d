"""The products that the load searches, small enough to say without a node what a search must find."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from threading import Lock
from typing import Any

from http_call import call, fill
from tiny_model import WORDS

INDEX, WRITES, EVENTS = "load-products", "load-writes", "load-events"
NARROW, WIDE = 40, 120
"""The windows of the two variants."""
PRODUCTS, USERS, TEXTS = 400, 200, 3000
_ASCII = [word for word in WORDS if word.isascii()]


def title(number: int) -> str:
    draw = random.Random(number)
    return " ".join(draw.choices(_ASCII, k=draw.randint(2, 7)))


@cache
def text_of(rank: int) -> str:
    """A query text; its number makes it a text of its own without finding anything, and some have nothing else."""
    draw = random.Random(-1 - rank)
    words = draw.choices(_ASCII, k=draw.choice((1, 1, 2, 3))) if rank % 50 != 49 else []
    return " ".join([*words, f"{rank}x"])


def draw_text(draw: random.Random) -> str:
    """As people search: few texts often, most of them once in a while."""
    return text_of(draw.randrange(TEXTS) if draw.random() < 0.5 else int(draw.paretovariate(0.6)) % TEXTS)


@cache
def _words_of(number: int) -> frozenset[str]:
    return frozenset(title(number).split())


@cache
def matching(text: str) -> frozenset[str]:
    """The ids of all products that a `match` on the title finds."""
    words = set(text.split())
    return frozenset(str(number) for number in range(PRODUCTS) if words & _words_of(number))


def check_hits(found: dict[str, Any], text: str, size: int, start: int = 0, most: int = PRODUCTS) -> None:
    """The page has as many hits as it must, each once, each one that matches, by scores that never rise."""
    assert "error" not in found
    expected = matching(text)
    assert most < PRODUCTS or found["hits"]["total"] == {"value": len(expected), "relation": "eq"}
    ids = [hit["_id"] for hit in found["hits"]["hits"]]
    assert len(ids) == len(set(ids)) == max(0, min(size, min(len(expected), most) - start))
    assert set(ids) <= expected
    assert all(upper["_score"] >= lower["_score"] for upper, lower in pairwise(found["hits"]["hits"]))


_scores: defaultdict[tuple[str, int], dict[str, float]] = defaultdict(dict)
_scores_lock = Lock()


def check_scores(found: dict[str, Any], text: str, window: int) -> None:
    """Each hit has the score that it had in every answer to this search whose whole window was read.

    But for a rounding: a batch is padded as its company demands.
    """
    with _scores_lock:
        known = _scores[text, window]
        for hit in found["hits"]["hits"]:
            before = known.setdefault(hit["_id"], hit["_score"])
            assert abs(hit["_score"] - before) <= 1e-3 * before, f"{hit['_id']} had {before}"


def fill_node(url: str) -> None:
    """Make the products, an index to write to, and what users did."""
    drop(url)
    keyword = {"type": "keyword"}
    fields = {"title": {"type": "text"}, "text": {"type": "text"}, "brand": keyword, "category": keyword}
    for name in (INDEX, WRITES, EVENTS):
        properties = fields | ({"client_id": keyword} if name == EVENTS else {})
        settings = {"number_of_shards": 1, "number_of_replicas": 0}
        made = call(f"{url}/{name}", {"settings": settings, "mappings": {"properties": properties}}, method="PUT")
        assert made.status == 200, made.body
    fill(url, INDEX, _products())
    fill(url, EVENTS, _events())


def drop(url: str) -> None:
    for name in (INDEX, WRITES, EVENTS):
        call(f"{url}/{name}", method="DELETE")


def _products() -> Iterator[dict[str, Any]]:
    for number in range(PRODUCTS):
        draw = random.Random(1000 + number)
        text = " ".join(draw.choices(WORDS, k=draw.choice((3, 10, 40))))
        yield {"index": {"_id": str(number)}}
        brand, category = f"brand-{draw.randrange(20)}", f"category-{draw.randrange(8)}"
        yield {
            "title": title(number),
            "text": text,
            "brand": brand,
            "category": category,
            "price": draw.randint(5, 900),
        }


def _events() -> Iterator[dict[str, Any]]:
    draw = random.Random(3)
    for user in range(0, USERS, 2):  # the others have none
        for _ in range(draw.randint(1, 20)):
            product = {"object": {"object_id": str(draw.randrange(PRODUCTS))}}
            yield {"index": {}}
            yield {
                "client_id": f"user-{user}",
                "action_name": draw.choice(("view", "click", "purchase")),
                "timestamp": "2099-01-01T00:00:00Z",
                "event_attributes": product,
            }
