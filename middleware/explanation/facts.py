"""What a profile holds, in words that a person can check: of the user, and of what speaks for one hit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from middleware.features.table import FEATURES
from middleware.personalization.documents import ClusterStatistics
from middleware.personalization.fields import HitFields
from middleware.personalization.profiles import Profile

_SHOWN_NAMES = 3
_LEAST_SHARE = 0.05
_LEAST_USUAL = 0.01
_UNKNOWN = ClusterStatistics("nobody", 0)
# Below, more of the profile is others' than the user's own.
_KNOWN = 0.5


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one profile; `bought`: object_id -> fields of the products that the user bought, as far as they are known."""

    profile: Profile
    bought: Mapping[str, HitFields] = field(default_factory=dict)

    def about_user(self) -> list[str]:
        """How well we know the user, then the tastes that set this user apart most."""
        profile, usual = self.profile, self.profile.everybody or _UNKNOWN
        told = [self._acquaintance()]
        told += [self._brand(name) for name in _telling(profile.brand_affinity, usual.brand_affinity)]
        told += [self._category(name) for name in _telling(profile.category_affinity, usual.category_affinity)]
        told += [self._attribute(name) for name in _telling(profile.attribute_affinity, usual.attribute_affinity)]
        return told + ([f"usual price {self._usual_price()}"] if profile.price_log_mean is not None else [])

    def about_hit(self, hit: HitFields, object_id: str, features: Mapping[str, float]) -> dict[str, str]:
        """Feature -> the fact behind it, of those features that tell the hit from one of which nothing is known."""
        profile = self.profile
        likes = {
            "brand_affinity": [self._brand(name) for name in _best(hit.brand, profile.brand_affinity)],
            "category_affinity": [self._category(name) for name in _best(hit.category, profile.category_affinity)],
            "attribute_affinity": [self._attribute(name) for name in _best(hit.attributes, profile.attribute_affinity)],
            "price_fit": self._price(hit),
            "vector_affinity": ["its text is like that of what the user looks at and buys"],
            "session_affinity": ["its text is like that of what the user did in this session"],
            "bought_before": [f"bought on {_day(profile.bought[object_id])}"] if object_id in profile.bought else [],
            "cluster_popularity": [f"popular with {self._others()}"],
        }
        is_told = {name: features.get(name, FEATURES[name].neutral) != FEATURES[name].neutral for name in likes}
        return {name: "; ".join(each) for name, each in likes.items() if each and is_told[name]}

    def _acquaintance(self) -> str:
        profile = self.profile
        if not profile.events:
            return f"new user: what {self._others()} buy"
        counted = f"{profile.events} {'event' if profile.events == 1 else 'events'} counted"
        of_others = f", so little that what {self._others()} buy counts more" if profile.confidence < _KNOWN else ""
        return counted + of_others

    def _others(self) -> str:
        return f"users of cluster {self.profile.cluster}" if self.profile.cluster else "all users"

    def _brand(self, name: str) -> str:
        return self._told("brand", name, self.profile.brand_affinity, [hit.brand for hit in self.bought.values()])

    def _category(self, name: str) -> str:
        bought = [hit.category for hit in self.bought.values()]
        return self._told("category", name, self.profile.category_affinity, bought)

    def _attribute(self, name: str) -> str:
        bought = [hit.attributes for hit in self.bought.values()]
        kind, _, value = name.partition("=")
        return self._told(kind, name, self.profile.attribute_affinity, bought, value)

    def _told(
        self,
        kind: str,
        name: str,
        shares: Mapping[str, float],
        bought: Sequence[Sequence[str]],
        shown: str | None = None,
    ) -> str:
        """Bought 3 products of brand acme (24 % of the profile)."""
        count = sum(name in names for names in bought)
        products = f"bought {count} {'product' if count == 1 else 'products'} of " if count else ""
        return f"{products}{kind} {shown or name} ({shares[name]:.0%} of the profile)"

    def _usual_price(self) -> str:
        """One standard deviation around the mean, on the scale of logarithms: two of three prices lie within."""
        mean, std = self.profile.price_log_mean or 0.0, self.profile.price_log_std
        return f"{math.exp(min(mean - std, 700)):.4g} to {math.exp(min(mean + std, 700)):.4g}"

    def _price(self, hit: HitFields) -> list[str]:
        if hit.price is None or self.profile.price_log_mean is None:
            return []
        return [f"costs {hit.price:.4g}, usual price {self._usual_price()}"]


def _telling(shares: Mapping[str, float], usual: Mapping[str, float]) -> list[str]:
    """The names that tell the user best from everybody: by their part of the Kullback-Leibler divergence, p ln(p / q).

    Kullback and Leibler 1951. What is rarer than 1 % is taken as 1 %; where nothing is known, the heaviest come first.
    """
    parts = {
        name: share * math.log(share / max(usual.get(name, 0.0), _LEAST_USUAL))
        for name, share in shares.items()
        if share >= _LEAST_SHARE
    }
    return sorted(parts, key=lambda name: (-parts[name], -shares[name]))[:_SHOWN_NAMES]


def _best(names: Sequence[str], shares: Mapping[str, float]) -> list[str]:
    """The hit's name that counts most, where any does."""
    known = [name for name in names if shares.get(name)]
    return [max(known, key=lambda name: shares[name])] if known else []


def _day(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).date().isoformat()
