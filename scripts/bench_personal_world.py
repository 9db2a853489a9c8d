"""The world of bench_personal.py, whose truth is known: shoppers with latent tastes who look, click and buy by chance.

Whether a hit is looked at depends on its rank alone, with probability 1 / rank^bias (the position-based model, as in
Joachims, Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017). Of the hits that were
looked at, a shopper clicks one after the other, and buys one, by a multinomial logit with an outside option (McFadden,
"Conditional logit analysis of qualitative choice behavior", 1974): utility is relevance + what everybody sees in the
product + taste, plus Gumbel noise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DAY_S = 86_400.0
TASTES: Mapping[str, float] = {"brand": 0.5, "colour": 0.5, "price": 0.5}
"""What a taste may be about, and how many shoppers have such a one, each drawn by itself: an eighth has none."""
# With fewer relevant hits there is nothing to choose from.
_LEAST_RELEVANT = 10
# To be had in a search: so much of its relevant hits has the name.
_LEAST_THERE = 0.02


@dataclass(frozen=True, slots=True)
class Rules:
    """How shoppers behave: chosen, not measured. Utilities are those of the logit: +1 makes a hit e times as likely.

    `tastes`: what they may be about, and how many shoppers have such a one. `strength`: the least and the most that a
    taste adds to a hit that has what it is about. `quality`, `fit`: standard deviations of what everybody sees in a
    product, and in it for one query, and no ranker knows. `thrift`: what one standard deviation of price within a
    search costs everybody. `click_at`, `buy_at`: utility of going away instead. `interests`: what a shopper searches
    for, related to each other by what is found (`relatedness`) and drawn without a look at their taste; `wander`: the
    share of searches for anything else. `durable`: the share of products that are seldom bought twice, for owning one
    takes `owned` from its utility. `newcomers`: their share; the others have searched `searches` times in `past_days`
    at the median, log-normal with `spread`.
    """

    bias: float = 0.7
    strength: tuple[float, float] = (3.0, 5.0)
    quality: float = 0.5
    fit: float = 0.5
    thrift: float = 0.3
    click_at: float = 2.5
    buy_at: float = 3.0
    most_clicks: int = 3
    interests: int = 8
    relatedness: float = 8.0
    wander: float = 0.1
    durable: float = 0.5
    owned: float = 4.0
    newcomers: float = 0.15
    searches: float = 7.0
    spread: float = 1.0
    past_days: float = 60.0
    tastes: Mapping[str, float] = field(default_factory=lambda: dict(TASTES))


class Shown(NamedTuple):
    """A search's hits in Elasticsearch's order: places on the shelf, relevance as log odds (above 0: relevant)."""

    query_text: str
    places: NDArray[np.intp]
    relevance: FloatArray


@dataclass(frozen=True, slots=True)
class Shelf:
    """All products: id, brands and colours as the product names them, price (NaN: none), vector of unit length."""

    ids: Sequence[str]
    brands: Sequence[frozenset[str]]
    colours: Sequence[frozenset[str]]
    prices: FloatArray
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Taste:
    """What a shopper likes, and how much; `price_level`: standard deviations from a search's mean log price."""

    brand: str = ""
    brand_utility: float = 0.0
    colour: str = ""
    colour_utility: float = 0.0
    price_level: float = 0.0
    price_utility: float = 0.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it is about; nothing for somebody without a taste."""
        utilities = {"brand": self.brand_utility, "colour": self.colour_utility, "price": self.price_utility}
        return tuple(kind for kind, utility in utilities.items() if utility)


class Act(NamedTuple):
    """One event: seconds since 1970, the place of a product on the shelf, the search it came of."""

    at_s: float
    action_name: str
    place: int
    search: int


class Purchase(NamedTuple):
    """A later search and what was bought of its hits: their ranks in Elasticsearch's order, from 0.

    `bought`: every hit was looked at; `bought_by_rank`: with position bias, in Elasticsearch's order.
    """

    search: int
    bought: int
    bought_by_rank: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Shopper:
    """One user: the truth, the past, and later purchases; `is_new` of those tells a search never made before."""

    name: str
    taste: Taste
    past: Sequence[Act]
    later: Sequence[Purchase]


class World:
    """Draws shoppers over the searches of a shop, those with something to choose. The same seed draws the same."""

    def __init__(self, shelf: Shelf, found: Iterable[Shown], rules: Rules, seed: int) -> None:
        """Raises ValueError where no search has enough relevant hits."""
        self.shelf, self.rules = shelf, rules
        self.searches = [shown for shown in found if (shown.relevance > 0).sum() >= _LEAST_RELEVANT]
        if not self.searches:
            raise ValueError(f"no search finds {_LEAST_RELEVANT} relevant hits")
        self._rng = rng = np.random.default_rng(seed)
        self._levels = [_price_levels(shelf.prices[shown.places], shown.relevance) for shown in self.searches]
        self._durable = rng.random(len(shelf.ids)) < rules.durable
        self._everybodys = self._draw_everybodys()
        popularity = rng.permutation(1.0 / np.arange(1, len(self.searches) + 1) ** 0.7)
        self._popularity = popularity / popularity.sum()
        centres = np.stack([shelf.vectors[shown.places[shown.relevance > 0]].mean(axis=0) for shown in self.searches])
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        self._brands = self._where(lambda place: shelf.brands[place])
        self._colours = self._where(lambda place: shelf.colours[place])

    def shoppers(self, count: int, now: float, later: int) -> list[Shopper]:
        """`count` of them with a past that ends at `now` (seconds since 1970), and `later` purchases each."""
        return [self._shopper(f"shopper-{number}", now, later) for number in range(count)]

    def taste_utility(self, search: int, taste: Taste) -> FloatArray:
        """What the taste adds to each hit of a search."""
        places, shelf = self.searches[search].places, self.shelf
        liked = np.zeros(len(places))
        if taste.brand:
            liked += taste.brand_utility * np.array([taste.brand in shelf.brands[place] for place in places])
        if taste.colour:
            liked += taste.colour_utility * np.array([taste.colour in shelf.colours[place] for place in places])
        if taste.price_utility:
            liked += taste.price_utility * (1 - np.abs(self._levels[search] - taste.price_level))
        return liked

    def _draw_everybodys(self) -> list[FloatArray]:
        """Of each search what everybody sees in its hits."""
        rng, rules = self._rng, self.rules
        quality = rng.normal(0.0, rules.quality, len(self.shelf.ids))
        return [
            shown.relevance
            + quality[shown.places]
            + rng.normal(0.0, rules.fit, len(shown.places))
            - rules.thrift * levels
            for shown, levels in zip(self.searches, self._levels, strict=True)
        ]

    def _where(self, names_of: Callable[[int], Iterable[str]]) -> dict[str, NDArray[np.bool_]]:
        """Name -> in which searches it is to be had."""
        shares: defaultdict[str, FloatArray] = defaultdict(lambda: np.zeros(len(self.searches)))
        for number, shown in enumerate(self.searches):
            relevant = shown.places[shown.relevance > 0]
            for place in relevant:
                for name in names_of(int(place)):
                    shares[name][number] += 1 / len(relevant)
        return {name: shares[name] >= _LEAST_THERE for name in sorted(shares)}

    def _shopper(self, name: str, now: float, later: int) -> Shopper:
        rng, rules = self._rng, self.rules
        interests = self._draw_interests()
        taste = self._draw_taste(interests)
        chances = rules.wander * self._popularity
        chances[interests] += (1 - rules.wander) / len(interests)
        chances /= chances.sum()
        searches = (
            0 if rng.random() < rules.newcomers else max(1, round(rng.lognormal(np.log(rules.searches), rules.spread)))
        )
        past: list[Act] = []
        owned: set[int] = set()
        for at in np.sort(now - rng.random(searches) * rules.past_days * DAY_S):
            past += self._browse(int(rng.choice(len(chances), p=chances)), taste, float(at), owned)
        known = {act.search for act in past}
        purchases = [self._buy(int(rng.choice(len(chances), p=chances)), taste, owned, known) for _ in range(later)]
        # Nobody's future counts as past: an act may not lie behind `now`.
        return Shopper(name, taste, [act._replace(at_s=min(act.at_s, now)) for act in past], purchases)

    def _draw_interests(self) -> NDArray[np.intp]:
        count, rng = len(self.searches), self._rng
        first = rng.choice(count, p=self._popularity)
        weights = self._popularity * np.exp(self.rules.relatedness * self._centres @ self._centres[first])
        return rng.choice(count, min(self.rules.interests, count), replace=False, p=weights / weights.sum())

    def _draw_taste(self, interests: NDArray[np.intp]) -> Taste:
        rng, rules = self._rng, self.rules
        has = {kind: rng.random() < rules.tastes.get(kind, 0.0) for kind in TASTES}
        brand, colour = self._draw_name(self._brands, interests), self._draw_name(self._colours, interests)
        brand_utility, colour_utility, price_utility = rng.uniform(*rules.strength, size=3)
        level = float(rng.choice([-1.2, 1.2]))
        taste = Taste()
        if has["brand"] and brand:
            taste = replace(taste, brand=brand, brand_utility=brand_utility)
        if has["colour"] and colour:
            taste = replace(taste, colour=colour, colour_utility=colour_utility)
        if has["price"]:
            # From one end of a search's prices to the other it is more than one step: so none outweighs the others.
            taste = replace(taste, price_level=level, price_utility=price_utility / 1.5)
        return taste

    def _draw_name(self, where: Mapping[str, NDArray[np.bool_]], interests: NDArray[np.intp]) -> str:
        """One can only be loyal to what is to be had: likelier the more of the interests have it."""
        counts = np.array([float(there[interests].sum()) ** 2 for there in where.values()])
        return str(self._rng.choice(list(where), p=counts / counts.sum())) if counts.sum() else ""

    def _utility(self, search: int, taste: Taste, owned: set[int]) -> FloatArray:
        utility = self._everybodys[search] + self.taste_utility(search, taste)
        places = self.searches[search].places
        return utility - self.rules.owned * np.array([place in owned and self._durable[place] for place in places])

    def _browse(self, search: int, taste: Taste, at: float, owned: set[int]) -> list[Act]:
        """Clicks, the best first, until nothing pleases; then one of what was clicked may be bought."""
        rng, rules, places = self._rng, self.rules, self.searches[search].places
        utility = self._utility(search, taste, owned)
        seen = looked_at(len(utility), rules.bias, rng)
        clicked: list[int] = []
        while len(clicked) < min(rules.most_clicks, len(seen)):
            left = np.setdiff1d(seen, clicked)
            chosen = choose(np.append(utility[left], rules.click_at), rng)
            if chosen == len(left):
                break
            clicked.append(int(left[chosen]))
        acts = [Act(at + 20 * step, "click", int(places[rank]), search) for step, rank in enumerate(clicked)]
        if not clicked:
            return acts
        chosen = choose(np.append(utility[clicked], rules.buy_at), rng)
        if chosen < len(clicked):
            acts.append(acts[chosen]._replace(at_s=at + 20 * len(clicked), action_name="purchase"))
            owned.add(acts[-1].place)
        return acts

    def _buy(self, search: int, taste: Taste, owned: set[int], known: set[int]) -> Purchase:
        """One purchase of all hits, and one of those that were looked at."""
        rng, utility = self._rng, self._utility(search, taste, owned)
        seen = looked_at(len(utility), self.rules.bias, rng)
        return Purchase(search, choose(utility, rng), int(seen[choose(utility[seen], rng)]), search not in known)


def looked_at(count: int, bias: float, rng: np.random.Generator) -> NDArray[np.intp]:
    """Which of `count` ranks are looked at; the first always is."""
    return np.flatnonzero(rng.random(count) < 1.0 / np.arange(1, count + 1) ** bias)


def choose(utility: FloatArray, rng: np.random.Generator) -> int:
    """One of the hits by the multinomial logit: the highest utility with Gumbel noise."""
    return int(np.argmax(utility + rng.gumbel(size=len(utility))))


def _price_levels(prices: FloatArray, relevance: FloatArray) -> FloatArray:
    """Log prices in standard deviations from the mean of the relevant ones, within +-3; 0 without a price."""
    logs = np.log(prices)
    known = logs[(relevance > 0) & np.isfinite(logs)]
    if not len(known):
        return np.zeros(len(prices))
    return np.nan_to_num(np.clip((logs - known.mean()) / max(known.std(), 0.25), -3, 3))
