"""What is kept of a user's behaviour: sums that fade with time, so that new events are added to what is stored.

Every sum is one of event weights, action_weight * 2^(-age / half_life) (exponential decay), as they stood at `as_of_s`.
All ages grow alike, so that a later moment's sums are these times one number: a batch that folds all events and a
search that folds the newest on what the batch stored come to the same state.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from middleware.config import ProfileSettings
from middleware.personalization.events import Event
from middleware.personalization.fields import HitFields

Vector = NDArray[np.float32]

SECONDS_PER_DAY = 86_400.0
LEAST_WEIGHT = 1e-9
"""What weighs less is as good as forgotten, and too small to divide by."""
MOST_NAMES = 256
"""Of each kind of affinity the heaviest are kept; the others still count in the whole."""
MOST_BOUGHT = 256
MOST_AT_EDGE = 64


class Product(NamedTuple):
    """What behaviour on a product is counted on; `vector`: of unit length, shape (d,)."""

    fields: HitFields
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class ProfileState:
    """The sums of one user at `as_of_s`; moments are seconds since 1970.

    `weight` is the sum of the weights of all events that counted, `events` their number, `last_event_s` the latest's
    moment (never after as_of_s). `edge`: event id -> moment of those not before it, which are told from new ones by it.
    Maps hold the weight of each name as in HitFields, and of each price band. `price_sum` and `price_square_sum` are of
    natural logarithms. `vector_sum`, shape (d,), is of the products' unit vectors, made by `vector_model`. `bought`:
    object_id -> moment of its last purchase.
    """

    as_of_s: float = 0.0
    weight: float = 0.0
    events: int = 0
    last_event_s: float = -math.inf
    edge: Mapping[str, float] = field(default_factory=dict)
    brands: Mapping[str, float] = field(default_factory=dict)
    categories: Mapping[str, float] = field(default_factory=dict)
    attributes: Mapping[str, float] = field(default_factory=dict)
    price_bands: Mapping[int, float] = field(default_factory=dict)
    price_weight: float = 0.0
    price_sum: float = 0.0
    price_square_sum: float = 0.0
    vector_sum: Vector | None = field(default=None, compare=False)
    vector_weight: float = 0.0
    vector_model: str | None = None
    bought: Mapping[str, float] = field(default_factory=dict)
    cluster: str | None = None

    def has_seen(self, event_id: str, timestamp_s: float) -> bool:
        """Whether an event is in the sums already, or too late for them: those wait for the next batch."""
        if timestamp_s < self.last_event_s or event_id in self.edge:
            return True
        # Without ids nothing tells the events of one moment apart: they count once.
        return timestamp_s == self.last_event_s and not (event_id and self.edge)


EMPTY = ProfileState()
"""Of somebody who has done nothing."""


def price_band(price: float) -> int:
    """Bands of equal width in log price: floor(2 log2 price), each from its lower end to 41 % above it. price > 0."""
    return math.floor(2 * math.log2(price))


def decayed(state: ProfileState, settings: ProfileSettings, now: float) -> ProfileState:
    """The state as it stands at `now`; of a moment before as_of_s it stays what it is."""
    age_s = now - state.as_of_s
    if age_s <= 0:
        return state
    left = math.exp2(-age_s / (settings.half_life_days * SECONDS_PER_DAY))
    return replace(
        state,
        as_of_s=now,
        weight=state.weight * left,
        brands=_times(state.brands, left),
        categories=_times(state.categories, left),
        attributes=_times(state.attributes, left),
        price_bands={band: weight * left for band, weight in state.price_bands.items()},
        price_weight=state.price_weight * left,
        price_sum=state.price_sum * left,
        price_square_sum=state.price_square_sum * left,
        vector_sum=None if state.vector_sum is None else state.vector_sum * np.float32(left),
        vector_weight=state.vector_weight * left,
    )


def fold(
    state: ProfileState,
    events: Iterable[Event],
    products: Mapping[str, Product],
    settings: ProfileSettings,
    now: float,
    vector_model: str | None = None,
) -> ProfileState:
    """The state at `now` with those of one user's events added that it has not seen; they come in any order.

    An event from the future, of a clock that is ahead, counts as one from now. One on a product not in `products`, or
    with an action that has no weight, does not count. No two events are one and the same: `Folding` asks the state
    alone. `vector_model`: of the products' vectors; a sum of another model's is dropped.
    """
    folding = Folding(state, settings, now, vector_model)
    for event in events:
        product = products.get(event.object_id)
        if product is not None:
            folding.add(event.event_id, event.action_name, event.object_id, event.timestamp_s, product)
    return folding.finish()


class Folding:
    """A state on its way to the next: takes events one by one, and makes no object for any."""

    __slots__ = (
        *("_attributes", "_before", "_bought", "_brands", "_categories", "_edge", "_events", "_half_life_s", "_mark"),
        *("_model", "_moment", "_price_bands", "_price_square_sum", "_price_sum", "_price_weight", "_vectors"),
        *("_weight", "_weights", "_weights_of_vectors"),
    )

    def __init__(
        self, state: ProfileState, settings: ProfileSettings, now: float, vector_model: str | None = None
    ) -> None:
        self._before = before = decayed(state, settings, now)
        self._moment, self._model = max(now, before.as_of_s), vector_model
        self._half_life_s = settings.half_life_days * SECONDS_PER_DAY
        self._weights = settings.action_weights
        self._weight, self._events, self._mark = before.weight, before.events, before.last_event_s
        self._edge, self._bought = dict(before.edge), dict(before.bought)
        self._brands, self._categories = dict(before.brands), dict(before.categories)
        self._attributes, self._price_bands = dict(before.attributes), dict(before.price_bands)
        self._price_weight, self._price_sum = before.price_weight, before.price_sum
        self._price_square_sum = before.price_square_sum
        self._vectors: list[Vector] = []
        self._weights_of_vectors: list[float] = []

    def add(self, event_id: str, action_name: str, object_id: str, timestamp_s: float, product: Product) -> None:
        """Count an event unless the state has seen it; `event_id` may be empty."""
        act = self._weights.get(action_name, 0.0)
        if not act or self._before.has_seen(event_id, timestamp_s):
            return
        at = min(timestamp_s, self._moment)
        weight = act * math.exp2((at - self._moment) / self._half_life_s)
        if weight < LEAST_WEIGHT:
            return
        self._weight += weight
        self._events += 1
        if timestamp_s >= self._mark:
            self._mark = max(self._mark, at)
            if event_id:
                self._edge[event_id] = timestamp_s
        if action_name == PURCHASE:
            self._bought[object_id] = max(at, self._bought.get(object_id, at))
        self._count(weight, product)

    def _count(self, weight: float, product: Product) -> None:
        fields, vector = product
        _share_out(self._brands, fields.brand, weight)
        _share_out(self._categories, fields.category, weight)
        _share_out(self._attributes, fields.attributes, weight)
        if fields.price:
            log_price, band = math.log(fields.price), price_band(fields.price)
            self._price_bands[band] = self._price_bands.get(band, 0.0) + weight
            self._price_weight += weight
            self._price_sum += weight * log_price
            self._price_square_sum += weight * log_price * log_price
        if vector is not None:
            self._vectors.append(vector)
            self._weights_of_vectors.append(weight)

    def finish(self) -> ProfileState:
        """The state with all that was added."""
        edge = sorted((at, event_id) for event_id, at in self._edge.items() if at >= self._mark)[-MOST_AT_EDGE:]
        newest = sorted(((at, name) for name, at in self._bought.items()), reverse=True)[:MOST_BOUGHT]
        vector_sum, vector_weight, model = self._sum_vectors()
        return ProfileState(
            as_of_s=self._moment,
            weight=self._weight,
            events=self._events,
            last_event_s=self._mark,
            edge={event_id: at for at, event_id in edge},
            brands=_heaviest(self._brands),
            categories=_heaviest(self._categories),
            attributes=_heaviest(self._attributes),
            price_bands=self._price_bands,
            price_weight=self._price_weight,
            price_sum=self._price_sum,
            price_square_sum=self._price_square_sum,
            vector_sum=vector_sum,
            vector_weight=vector_weight,
            vector_model=model,
            bought={name: at for at, name in newest},
            cluster=self._before.cluster,
        )

    def _sum_vectors(self) -> tuple[Vector | None, float, str | None]:
        before = self._before
        old, weight = before.vector_sum, before.vector_weight
        if self._model is None or not self._vectors:
            return old, weight, before.vector_model
        weights = np.array(self._weights_of_vectors, dtype=np.float32)
        new: Vector = weights @ np.stack(self._vectors)
        if old is None or before.vector_model != self._model or old.shape != new.shape:
            return new, float(weights.sum()), self._model
        return old + new, weight + float(weights.sum()), self._model


PURCHASE = "purchase"
"""The action_name after which a product counts as bought."""


def _times(weights: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: weight * factor for name, weight in weights.items()}


def _share_out(counts: dict[str, float], names: tuple[str, ...], weight: float) -> None:
    """An event on a product with several names is split evenly, so that no root takes it all."""
    for name in names:
        counts[name] = counts.get(name, 0.0) + weight / len(names)


def _heaviest(counts: dict[str, float]) -> dict[str, float]:
    if len(counts) <= MOST_NAMES:
        return counts
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMES])
