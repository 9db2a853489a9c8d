"""Where ads go: which hits of a ranking move up into which slots, and nothing else moves but to make room. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from middleware.ads.ad import Ad


@dataclass(frozen=True, slots=True)
class Offer:
    """A hit that somebody pays for: `relevance` is the cross-encoder's score, in [0, 1]."""

    ad: Ad
    relevance: float

    @property
    def expected_value(self) -> float:
        """What a showing is worth: the bid times the chance that it is what was searched for."""
        return self.ad.bid * self.relevance


@dataclass(frozen=True, slots=True)
class Blend:
    """The order with its ads: positions, best first, and of the sponsored ones the offer."""

    positions: Sequence[int]
    sponsored: Mapping[int, Offer]


def most_ads(size: int, share: float) -> int:
    """How many of a page of `size` hits may be sponsored."""
    return int(size * share + 1e-9)


def blend(positions: Sequence[int], offers: Mapping[int, Offer], slots: Sequence[int], most: int) -> Blend:
    """Move up to `most` hits with an offer into `slots` (places from 1), the most valuable first.

    A hit is only ever moved up: one that would stand in its slot or above it without paying is not made to pay. All
    others keep their order among themselves.
    """
    order, sponsored = list(positions), dict[int, Offer]()
    unpaid = {position: place for place, position in enumerate(positions) if position in offers}
    for slot in slots:
        below = [position for position, place in unpaid.items() if place >= slot and position not in sponsored]
        if len(sponsored) >= most or not below:
            continue
        best = max(below, key=lambda position: offers[position].expected_value)
        order.remove(best)
        order.insert(slot - 1, best)
        sponsored[best] = offers[best]
    return Blend(order, sponsored)
