"""What invented users did in the demo shop, as UBI events, so that two of them see one query in different orders."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from middleware.catalog.demo.shelf import Item
from middleware.catalog.demo.taxonomy import CATEGORIES

_BACKGROUND_USERS = 40
_DAYS = 60
_SHOWN = 10
# how often a shopper goes on: from a view to a click, to the cart, to the till
_FUNNEL = (("click", 0.75), ("add_to_cart", 0.5), ("purchase", 0.6))


@dataclass(frozen=True, slots=True)
class Taste:
    """What one user looks at: departments, brands there, and a band of prices relative to the department's median."""

    client_id: str
    categories: tuple[str, ...]
    brands: frozenset[str] = frozenset()
    price_band: tuple[float, float] = (0.0, float("inf"))
    sessions: int = 6


DEMO_USERS = (
    Taste(
        client_id="anna",
        categories=("headphones", "phones", "wearables", "laptops", "speakers"),
        brands=frozenset({"Apple", "Bose"}),
        price_band=(1.2, 9.0),
        sessions=24,
    ),
    Taste(
        client_id="ben",
        categories=("headphones", "phones", "coffee", "vacuums", "chargers"),
        brands=frozenset({"Xiaomi", "QCY", "Soundcore", "Edifier", "JBL", "Motorola", "Anker", "Baseus"}),
        price_band=(0.0, 0.9),
        sessions=24,
    ),
    Taste(
        client_id="chen",
        categories=("shoes", "bicycles", "mens_clothing", "headphones"),
        brands=frozenset({"Nike", "Asics", "Giant", "Shokz", "Beats"}),
        sessions=24,
    ),
)


def make_events(items: Sequence[Item], now: datetime, rng: random.Random) -> tuple[dict[str, Any], ...]:
    """UBI events of the demo users and of forty others in the sixty days before `now`, oldest first."""
    by_category: dict[str, list[Item]] = {}
    for item in items:
        by_category.setdefault(item.document["category"], []).append(item)
    tastes = (*DEMO_USERS, *(_invent_taste(number, by_category, rng) for number in range(1, _BACKGROUND_USERS + 1)))
    events = [event for taste in tastes for event in _live(taste, by_category, now, rng)]
    return tuple(sorted(events, key=lambda event: (event["timestamp"], event["client_id"])))


def _invent_taste(number: int, by_category: Mapping[str, Sequence[Item]], rng: random.Random) -> Taste:
    keys = rng.sample(sorted(CATEGORIES), 3)
    brands = {str(item.document["brand"]) for key in keys for item in _of(key, by_category) if "brand" in item.document}
    loved = frozenset(rng.sample(sorted(brands), min(4, len(brands))))
    band = ((0.0, 1.0), (0.6, 1.6), (1.0, 9.0))[rng.randrange(3)]
    return Taste(f"shopper-{number:02d}", tuple(keys), loved, band, rng.randint(3, 9))


def _live(
    taste: Taste, by_category: Mapping[str, Sequence[Item]], now: datetime, rng: random.Random
) -> Iterator[dict[str, Any]]:
    for session in range(taste.sessions):
        # demo users go through their departments in turn, so that no luck decides what their profile holds
        category = taste.categories[session % len(taste.categories)]
        shown = _of(category, by_category)
        liked = _liked(taste, shown)
        # one view in five strays from the taste, as people do
        chosen = [
            shown[rng.randrange(len(shown))] if rng.random() < 0.2 else liked[rng.randrange(len(liked))]
            for _ in range(3)
        ]
        start = now - timedelta(minutes=rng.randint(60, _DAYS * 24 * 60))
        search = f"{rng.getrandbits(128):032x}"
        yield from _visit(taste.client_id, search, start, list({item.document["id"]: item for item in chosen}), rng)


def _liked(taste: Taste, shown: Sequence[Item]) -> Sequence[Item]:
    """Products of a loved brand in the price band; where there are none, of the band alone; where none, all."""
    prices = sorted(item.document["price"] for item in shown)
    median = prices[len(prices) // 2]
    low, high = taste.price_band
    in_band = [item for item in shown if low * median <= item.document["price"] <= high * median]
    of_brand = [item for item in in_band if not taste.brands.isdisjoint(item.facts["brand"])]
    return of_brand or in_band or shown


def _visit(
    client_id: str, search: str, start: datetime, product_ids: Sequence[str], rng: random.Random
) -> Iterator[dict[str, Any]]:
    when = start
    for product_id in product_ids:
        ordinal = rng.randint(1, _SHOWN)
        yield _event("view", client_id, search, when, product_id, ordinal)
        for action, chance in _FUNNEL:
            if rng.random() >= chance:
                break
            when += timedelta(seconds=rng.randint(5, 90))
            yield _event(action, client_id, search, when, product_id, ordinal)
        when += timedelta(seconds=rng.randint(5, 60))


def _event(action: str, client_id: str, search: str, when: datetime, product_id: str, ordinal: int) -> dict[str, Any]:
    return {
        "action_name": action,
        "client_id": client_id,
        "query_id": search,
        "timestamp": when.isoformat(timespec="seconds"),
        "event_attributes": {
            "object": {"object_id": product_id, "object_id_field": "id"},
            "position": {"ordinal": ordinal},
        },
    }


def _of(category: str, by_category: Mapping[str, Sequence[Item]]) -> Sequence[Item]:
    return by_category[CATEGORIES[category][0]]
