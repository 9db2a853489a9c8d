"""A department's shelf: makes items of table rows, each a public document beside the hidden facts it was made from."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from middleware.catalog.demo.taxonomy import CATEGORIES, brand_zh, color_zh

CURRENCY = "USD"
# pairs of one sentence in English and the same in Chinese; {words} are filled from the item
Pitch = Sequence[tuple[str, str]]
Facts = Mapping[str, frozenset[str]]
T = TypeVar("T")

# share of the products that lack a field, as shops' data do
_GAPS = {
    "description": 0.06,
    "description_zh": 0.08,
    "title_zh": 0.02,
    "brand": 0.04,
    "attributes": 0.05,
    "date_released": 0.12,
}


@dataclass(frozen=True, slots=True)
class Item:
    """A product document without its id, and the facts that judgments are derived from (never published)."""

    document: dict[str, Any]
    facts: Facts


class Shelf:
    """Collects the items of one department; all chance comes from `rng`, so a department never disturbs another."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.items: list[Item] = []

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.rng.randrange(len(options))]

    def some(self, options: Sequence[T], count: int) -> list[T]:
        """`count` different options (all of them where there are fewer), in the order given."""
        chosen = sorted(self.rng.sample(range(len(options)), min(count, len(options))))
        return [options[index] for index in chosen]

    def add(
        self,
        category: str,
        titles: tuple[str, str],
        price: float,
        *,
        kind: str,
        pitch: Pitch,
        brand: str | None = None,
        colors: Iterable[str] = (),
        specs: Mapping[str, str | int] | None = None,
        year: int | None = None,
        more: Mapping[str, str] | None = None,
        **named: str,
    ) -> None:
        """Put one product on the shelf.

        `titles` are English and Chinese with {brand}, {brand_zh}, {color}, {color_zh} and the names of facts as blanks;
        `price` is about right, in CURRENCY; a fact's value (named, or in `more`) may hold several divided by `|`.
        """
        facts = {**named, **(more or {})}
        colors = list(colors)
        words = {"brand": brand or "", "brand_zh": brand_zh(brand or ""), **facts, **_color_words(colors)}
        document: dict[str, Any] = {
            **self._write_texts(titles, pitch, words),
            "brand": brand,
            "category": CATEGORIES[category][0],
            "category_zh": CATEGORIES[category][1],
            "price": self._price(price),
            "currency": CURRENCY,
            "attributes": [{"name": name, "value": str(value)} for name, value in (specs or {}).items()],
            "colors": colors,
            "popularity": self._popularity(),
            "date_released": self._date(year or self.rng.randint(2016, 2024)),
        }
        known = {"kind": kind, "category": category, "brand": brand or "", "color": "|".join(colors), **facts}
        self.items.append(Item(self._with_gaps(document), {name: _values(value) for name, value in known.items()}))

    def _write_texts(self, titles: tuple[str, str], pitch: Pitch, words: Mapping[str, str]) -> dict[str, str]:
        chosen = self.some(pitch, self.pick((1, 2, 2, 3)))
        return {
            "title": _clean(titles[0].format_map(words)),
            "title_zh": _clean(titles[1].format_map(words)),
            "description": " ".join(en.format_map(words) for en, _ in chosen),
            "description_zh": "".join(zh.format_map(words) for _, zh in chosen),
        }

    def _price(self, about: float) -> float:
        wobbled = about * (0.92 + 0.16 * self.rng.random())
        if wobbled >= 200:
            return float(round(wobbled / 10) * 10 - 1)
        return max(1, round(wobbled)) - self.pick((0.01, 0.05, 0.5, 0.01))

    def _popularity(self) -> int:
        luck = self.rng.random()
        return int(10_000 * luck * luck * luck)

    def _date(self, year: int) -> str:
        return f"{year}-{self.rng.randint(1, 12):02d}-{self.rng.randint(1, 28):02d}"

    def _with_gaps(self, document: dict[str, Any]) -> dict[str, Any]:
        missing = {name for name, share in _GAPS.items() if self.rng.random() < share}
        return {
            name: value for name, value in document.items() if name not in missing and value not in (None, "", [], {})
        }


def _color_words(colors: Sequence[str]) -> dict[str, str]:
    return {
        "color": " / ".join(color.title() for color in colors),
        "color_zh": "/".join(color_zh(color) for color in colors),
    }


def _clean(text: str) -> str:
    return " ".join(text.split())


def _values(value: str) -> frozenset[str]:
    return frozenset(part for part in value.split("|") if part)
