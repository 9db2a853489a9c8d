"""Searches invented from a catalogue, with graded targets: a few judged queries alone teach a model too little."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from middleware.learning.demo.product_pieces import STOP_WORDS, Product, split_terms

MISSPELT_SHARE = 0.12
GROUP_SIZE = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """An invented search: its text, the category its inventor meant and the terms a perfect answer mentions."""

    text: str
    anchor: Product
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One training pair; `target` in [0, 1] is what the cross-encoder should say."""

    query_text: str
    product: Product
    target: float


class Inventor:
    """Invents searches of one catalogue and says how well each product answers them; all chance comes from `rng`."""

    def __init__(self, products: Sequence[Product], rng: random.Random) -> None:
        self._products = products
        self._rng = rng
        self._matches: dict[str, frozenset[int]] = {}
        self._kinds: Sequence[tuple[int, Callable[[Product], tuple[list[str], list[str]] | None]]] = (
            (20, self._wish_model),
            (24, self._wish_title_part),
            (14, self._wish_accessory),
            (18, self._wish_category),
            (16, self._wish_chinese),
            (8, self._wish_mixed),
            (8, self._wish_description),
        )

    def examples(self, groups: int) -> list[Example]:
        """`groups` invented searches, each with GROUP_SIZE products: answers, near misses and a stranger."""
        made: list[Example] = []
        while groups > 0:
            wish = self._invent()
            if wish is not None:
                made += self._judge(wish)
                groups -= 1
        return made

    def _invent(self) -> Wish | None:
        anchor = self._rng.choice(self._products)
        (invent,) = self._rng.choices([kind for _, kind in self._kinds], [share for share, _ in self._kinds])
        found = invent(anchor)
        if found is None or not found[0]:
            return None
        words, terms = found
        text = " ".join(words)
        if self._rng.random() < MISSPELT_SHARE:
            text = _misspell(text, self._rng)
        return Wish(text if self._rng.random() < 0.3 else text.lower(), anchor, split_terms(terms))

    def _some(self, words: Sequence[str], low: int, high: int) -> list[str]:
        count = min(len(words), self._rng.randint(low, high))
        return [words[place] for place in sorted(self._rng.sample(range(len(words)), count))]

    def _maybe(self, probability: float, words: Iterable[str]) -> list[str]:
        chosen = [word for word in words if word]
        return [self._rng.choice(chosen)] if chosen and self._rng.random() < probability else []

    def _wish_model(self, anchor: Product) -> tuple[list[str], list[str]] | None:
        if not anchor.model:
            return None
        words = [*self._maybe(0.4, [anchor.brand]), anchor.model, *self._maybe(0.3, anchor.traits)]
        return words, words

    def _wish_title_part(self, anchor: Product) -> tuple[list[str], list[str]] | None:
        if len(anchor.head) < 2:
            return None
        # The last words of a title's head are the thing's name: without one of them the wish would be anybody's.
        words = [*self._some(anchor.head[:-2], 0, 2), *self._some(anchor.head[-2:], 1, 2)]
        words += self._maybe(0.25, anchor.traits)
        if self._rng.random() < 0.3:
            words = [*self._maybe(1, [anchor.brand]), *words]
        return words, words

    def _wish_accessory(self, anchor: Product) -> tuple[list[str], list[str]] | None:
        if not anchor.fits or not anchor.head:
            return None
        thing = [anchor.head[-1]] if self._rng.random() < 0.6 else list(anchor.head[-2:])
        device = self._rng.choice(anchor.fits)
        colour = self._maybe(0.25, anchor.document.get("colors", ()))
        orders = ([*colour, device, *thing], [*colour, *thing, "for", device], [*thing, device, *colour])
        return self._rng.choice(orders), [*thing, device, *colour]

    def _wish_category(self, anchor: Product) -> tuple[list[str], list[str]] | None:
        first = anchor.category.split(" & ")[0]
        names = [anchor.category, first, first.removesuffix("s"), str(anchor.document.get("category_zh", ""))]
        name = self._maybe(1.0, names)
        extra = self._maybe(0.6, [anchor.brand, *anchor.traits])
        # The name is a term, too: what mentions it without being it, as ink does a printer, is the nearest miss.
        return self._rng.choice(([*extra, *name], [*name, *extra])), [*extra, *name]

    def _wish_chinese(self, anchor: Product) -> tuple[list[str], list[str]] | None:
        if not anchor.chinese:
            return None
        parts = [self._part(run) for run in self._some(anchor.chinese, 1, 2)]
        return parts, parts

    def _wish_mixed(self, anchor: Product) -> tuple[list[str], list[str]] | None:
        if not anchor.chinese:
            return None
        chinese = self._part(self._rng.choice(anchor.chinese))
        english = self._maybe(1, [anchor.model, anchor.brand, *anchor.fits])
        return self._rng.choice(([*english, chinese], [chinese, *english])), [*english, chinese]

    def _part(self, run: str) -> str:
        """Two characters or more, from the end more often than not: Chinese names the thing last."""
        length = self._rng.randint(2, min(6, len(run)))
        start = len(run) - length if self._rng.random() < 0.6 else self._rng.randint(0, len(run) - length)
        return run[start : start + length]

    def _wish_description(self, anchor: Product) -> tuple[list[str], list[str]] | None:
        sentences = re.split(r"(?<=[.;])\s", str(anchor.document.get("description", "")))
        words = [word.strip(".,;") for word in self._rng.choice(sentences).split()]
        content = [word for word in words if word.lower() not in STOP_WORDS]
        if len(content) < 3:
            return None
        chosen = self._some(content, 2, 4)
        return [*self._maybe(0.5, [anchor.category.split(" & ")[0]]), *chosen], chosen

    def _judge(self, wish: Wish) -> list[Example]:
        shares = self._shares(wish.terms)
        graded = [
            (_target(wish, product, share), product) for product, share in zip(self._products, shares, strict=True)
        ]
        others = [place for place, (_, product) in enumerate(graded) if product is not wish.anchor]
        self._rng.shuffle(others)
        near = sorted(others, key=lambda place: -shares[place])
        same = [place for place in near if graded[place][1].category == wish.anchor.category]
        different = [place for place in near if graded[place][1].category != wish.anchor.category]
        missed = [place for place in same if graded[place][0] < 1.0]
        chosen = dict.fromkeys([*same[:1], *missed[: 1 + (self._rng.random() < 0.5)], *different[:2], *others])
        places = list(chosen)[: GROUP_SIZE - 1]
        return [Example(wish.text, wish.anchor, 1.0)] + [
            Example(wish.text, graded[place][1], graded[place][0]) for place in places
        ]

    def _shares(self, terms: Sequence[str]) -> list[float]:
        """Of each product: the share of the terms that it mentions, rare terms counting more."""
        shares, total = [0.0] * len(self._products), 0.0
        for term in terms:
            if term not in self._matches:
                self._matches[term] = frozenset(
                    place for place, product in enumerate(self._products) if product.mentions(term)
                )
            weight = math.log((1 + len(self._products)) / (1 + len(self._matches[term]))) + 0.1
            total += weight
            for place in self._matches[term]:
                shares[place] += weight
        return [share / total for share in shares] if total else [1.0] * len(shares)


def _target(wish: Wish, product: Product, share: float) -> float:
    """1 for a full answer; a near miss of the right category less; what only shares words (an accessory) little."""
    if product.category != wish.anchor.category:
        return 0.2 * share * share
    return 1.0 if share > 0.999 else 0.1 + 0.55 * share * share


def _misspell(text: str, rng: random.Random) -> str:
    words = text.split()
    long = [place for place, word in enumerate(words) if len(word) >= 5 and word.isascii() and word.isalpha()]
    if not long:
        return text
    place = rng.choice(long)
    word, at = words[place], rng.randint(1, len(words[place]) - 2)
    words[place] = rng.choice(
        (
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
    )
    return " ".join(words)
