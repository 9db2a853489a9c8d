"""The world of bench_personal.py, whose truth is known: shoppers with latent tastes who look, click and buy by chance.

A shopper buys one of the hits that they looked at by a multinomial logit (McFadden, "Conditional logit analysis of
qualitative choice behavior", 1974): utility is relevance + the product's quality + taste, plus Gumbel noise. Whether a
hit is looked at depends on its rank alone, 1 / rank^bias (the position-based model of Craswell, Zoeter, Taylor and
Ramsey, "An experimental comparison of click position-bias models", WSDM 2008, in the form of Joachims, Swaminathan and
Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DAY_S = 86_400.0
KINDS: Mapping[str, float] = {"none": 0.2, "brand": 0.25, "colour": 0.15, "price": 0.2, "mixed": 0.2}
"""What a shopper's taste is about, and how many shoppers have such a one; mixed: a brand, and a price or a colour."""
LEAST_RELEVANT = 10
"""A search is one of the world's where so many hits are relevant: else there is nothing to choose by taste."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How shoppers behave. Utilities are in units of the Gumbel noise: +1 makes a hit e times as likely.

    `strength`: lowest and highest utility that a taste has for what it is about. `quality`, `fit`: standard deviations
    of what everybody sees in a product, and in a product for one query, and no ranker knows. `thrift`: what one
    standard deviation of price within a search costs everybody. `interests`: what a shopper searches for, drawn by
    the popularity of searches alone; `wander`: the share of searches for anything else.
    """

    bias: float = 0.7
    strength: tuple[float, float] = (2.0, 4.0)
    quality: float = 0.5
    fit: float = 0.5
    thrift: float = 0.3
    interests: int = 8
    relatedness: float = 8.0
    wander: float = 0.1
    click_at: float = 2.5
    buy_at: float = 3.0
    most_clicks: int = 3
    kinds: Mapping[str, float] = field(default_factory=lambda: dict(KINDS))
    newcomers: float = 0.15
    searches: float = 7.0
    spread: float = 1.0
    past_days: float = 60.0
    later_days: float = 7.0


class Shown(NamedTuple):
    """A search's hits in Elasticsearch's order: places on the shelf and the relevance of each as log odds."""

    query_text: str
    places: NDArray[np.intp]
    relevance: FloatArray
    price_level: FloatArray


@dataclass(frozen=True, slots=True)
class Shelf:
    """All products: id, brand, colours and price of each; brand "" and price NaN where there is none."""

    ids: Sequence[str]
    brands: NDArray[np.str_]
    colours: Sequence[frozenset[str]]
    prices: FloatArray
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Taste:
    """What a shopper likes, and how much: utilities of a brand, of a colour, and per step away from a price level."""

    kind: str
    brand: str = ""
    brand_utility: float = 0.0
    colour: str = ""
    colour_utility: float = 0.0
    price_level: float = 0.0
    price_utility: float = 0.0


class Act(NamedTuple):
    """One event: seconds since 1970, the place of a product on the shelf."""

    at_s: float
    action_name: str
    place: int


@dataclass(frozen=True, slots=True)
class Purchase:
    """A later search and what was bought of its hits: a rank in Elasticsearch's order, from 0."""

    at_s: float
    search: int
    bought: int


@dataclass(frozen=True, slots=True)
class Shopper:
    """One user: the truth, the past, and later purchases, seen without position bias and with it."""

    name: str
    taste: Taste
    past: Sequence[Act]
    later: Sequence[Purchase]
    later_biased: Sequence[Purchase]


class World:
    """Draws shoppers over the searches of a shop. The same seed draws the same."""

    def __init__(self, shelf: Shelf, searches: Sequence[Shown], rules: Rules, seed: int) -> None:
        self.shelf, self.searches, self.rules = shelf, searches, rules
        self._rng = np.random.default_rng(seed)
        rng = self._rng
        quality = rng.normal(0.0, rules.quality, len(shelf.ids))
        self._everybody = [
            shown.relevance
            + quality[shown.places]
            + rng.normal(0.0, rules.fit, len(shown.places))
            - rules.thrift * shown.price_level
            for shown in searches
        ]
        popularity = rng.permutation(1.0 / np.arange(1, len(searches) + 1) ** 0.7)
        self._popularity = popularity / popularity.sum()
        centres = np.stack([shelf.vectors[shown.places[shown.relevance > 0]].mean(axis=0) for shown in searches])
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        self._brand_there = self._presence(lambda place: [shelf.brands[place]])
        self._colour_there = self._presence(lambda place: shelf.colours[place])

    def _presence(self, names_of) -> dict[str, FloatArray]:  # type: ignore[no-untyped-def]
        """name -> of each search, the share of its relevant hits with that name."""
        there: dict[str, FloatArray] = {}
        for number, shown in enumerate(self.searches):
            relevant = shown.places[shown.relevance > 0]
            for place in relevant:
                for name in names_of(place):
                    if name:
                        there.setdefault(name, np.zeros(len(self.searches)))[number] += 1 / len(relevant)
        return there

    def shoppers(self, count: int, now: float, sessions: int = 3) -> list[Shopper]:
        return [self._shopper(f"shopper-{number}", now, sessions) for number in range(count)]

    def _shopper(self, name: str, now: float, sessions: int) -> Shopper:
        rng, rules = self._rng, self.rules
        interests = self._draw_interests()
        taste = self.draw_taste(interests)
        utilities: dict[int, FloatArray] = {}
        chances = self._chances(interests)
        newcomer = rng.random() < rules.newcomers
        searches = 0 if newcomer else max(1, round(float(rng.lognormal(np.log(rules.searches), rules.spread))))
        past: list[Act] = []
        for at in np.sort(now - rng.random(searches) * rules.past_days * DAY_S):
            past += self._browse(int(rng.choice(len(chances), p=chances)), taste, float(at), utilities)
        later, biased = [], []
        for _ in range(sessions):
            at, number = now + float(rng.random()) * rules.later_days * DAY_S, int(rng.choice(len(chances), p=chances))
            utility = self.utility(number, taste, utilities)
            later.append(Purchase(at, number, choose(utility, rng)))
            seen = np.flatnonzero(looked_at(len(utility), rules.bias, rng))
            biased.append(Purchase(at, number, int(seen[choose(utility[seen], rng)])))
        return Shopper(name, taste, past, later, biased)

    def _draw_interests(self) -> NDArray[np.intp]:
        """Searches that go together, as headset and microphone: nearness of what they find, and popularity."""
        first = self._rng.choice(len(self.searches), p=self._popularity)
        weights = self._popularity * np.exp(self.rules.relatedness * self._centres @ self._centres[first])
        count = min(self.rules.interests, len(self.searches))
        return self._rng.choice(len(self.searches), count, replace=False, p=weights / weights.sum())

    def draw_taste(self, interests: NDArray[np.intp]) -> Taste:
        rng, rules = self._rng, self.rules
        kind = str(rng.choice(list(rules.kinds), p=np.array(list(rules.kinds.values())) / sum(rules.kinds.values())))
        second = str(rng.choice(["price", "colour"]))
        about = {kind} if kind != "mixed" else {"brand", second}
        strength = lambda: float(rng.uniform(*rules.strength))  # noqa: E731
        return Taste(
            kind,
            brand=self._draw_name(self._brand_there, interests) if "brand" in about else "",
            brand_utility=strength() if "brand" in about else 0.0,
            colour=self._draw_name(self._colour_there, interests) if "colour" in about else "",
            colour_utility=strength() if "colour" in about else 0.0,
            price_level=float(rng.choice([-1.2, 1.2])) if "price" in about else 0.0,
            price_utility=strength() / 1.5 if "price" in about else 0.0,
        )

    def _draw_name(self, there: Mapping[str, FloatArray], interests: NDArray[np.intp]) -> str:
        """A name that is to be had in what the shopper is interested in, likelier the more of their searches have it."""
        counts = np.array([int((values[interests] > 0.02).sum()) for values in there.values()], dtype=float)
        return str(self._rng.choice(list(there), p=counts**2 / (counts**2).sum()))

    def _chances(self, interests: NDArray[np.intp]) -> FloatArray:
        """How likely the shopper searches for what: mostly an interest, which knows nothing of their taste."""
        weights = self._popularity * self.rules.wander
        weights[interests] += (1 - self.rules.wander) / len(interests)
        return np.asarray(weights / weights.sum())

    def utility(self, number: int, taste: Taste, known: dict[int, FloatArray]) -> FloatArray:
        """What each hit of a search is worth to a shopper, without the noise."""
        if number not in known:
            shown, shelf = self.searches[number], self.shelf
            liked = np.zeros(len(shown.places))
            if taste.brand:
                liked += taste.brand_utility * (shelf.brands[shown.places] == taste.brand)
            if taste.colour:
                liked += taste.colour_utility * np.array([taste.colour in shelf.colours[p] for p in shown.places])
            if taste.price_utility:
                liked += taste.price_utility * (1 - np.abs(shown.price_level - taste.price_level))
            known[number] = self._everybody[number] + liked
        return known[number]

    def _browse(self, number: int, taste: Taste, at: float, known: dict[int, FloatArray]) -> list[Act]:
        """Clicks on the best of what was looked at, one after the other until nothing pleases; one may be bought."""
        rng, rules, shown = self._rng, self.rules, self.searches[number]
        utility = self.utility(number, taste, known)
        seen = np.flatnonzero(looked_at(len(utility), rules.bias, rng))
        clicked: list[int] = []
        while len(clicked) < min(rules.most_clicks, len(seen)):
            left = np.setdiff1d(seen, clicked)
            chosen = choose(np.append(utility[left], rules.click_at), rng)
            if chosen == len(left):
                break
            clicked.append(int(left[chosen]))
        acts = [Act(at + 20 * step, "click", int(shown.places[place])) for step, place in enumerate(clicked)]
        if clicked:
            chosen = choose(np.append(utility[clicked], rules.buy_at), rng)
            if chosen < len(clicked):
                acts.append(Act(at + 20 * len(clicked), "purchase", int(shown.places[clicked[chosen]])))
        return acts


def looked_at(count: int, bias: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of `count` ranks are looked at; the first always is."""
    looked: NDArray[np.bool_] = rng.random(count) < 1.0 / np.arange(1, count + 1) ** bias
    return looked


def choose(utility: FloatArray, rng: np.random.Generator) -> int:
    """One of the hits by the multinomial logit: the highest utility with Gumbel noise."""
    return int(np.argmax(utility + rng.gumbel(size=len(utility))))
