"""One ad as it lies in the index of ads: which product, for how much, for whom, and how long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from middleware.features.words import word_set
from middleware.personalization.events import read_timestamp


@dataclass(frozen=True, slots=True)
class Ad:
    """`bid` is what one showing costs, `budget` the most that all may, in the shop's currency; None: no end.

    `starts_s` and `ends_s`: seconds since 1970. A search fits where the words of one of `queries` are all in it (none:
    every search) and those of none of `not_queries`, and where its user is of one of `clusters` (none: everybody).
    """

    ad_id: str
    object_id: str
    bid: float
    budget: float | None = None
    starts_s: float = -math.inf
    ends_s: float = math.inf
    queries: tuple[frozenset[int], ...] = ()
    not_queries: tuple[frozenset[int], ...] = ()
    clusters: frozenset[str] = frozenset()

    def is_open(self, now_s: float, spent: float) -> bool:
        """Whether it may be shown once more: in its time, and another showing is within the budget."""
        return self.starts_s <= now_s < self.ends_s and (self.budget is None or spent + self.bid <= self.budget)

    def fits(self, query_words: frozenset[int], cluster: str | None) -> bool:
        """Whether it is meant for this search and this user."""
        if any(words <= query_words for words in self.not_queries):
            return False
        if self.clusters and cluster not in self.clusters:
            return False
        return not self.queries or any(words <= query_words for words in self.queries)


def read_ad(ad_id: str, source: object) -> Ad | str:
    """The ad of a document's `_source`, or what is wrong with it."""
    if not isinstance(source, Mapping):
        return "no document"
    object_id, bid, budget = source.get("object_id"), source.get("bid"), source.get("budget")
    if not isinstance(object_id, str | int) or not str(object_id).strip():
        return "object_id must name a product"
    if not _is_amount(bid) or not bid:
        return "bid must be a number above 0"
    if budget is not None and not _is_amount(budget):
        return "budget must be a number that is not negative"
    if source.get("enabled") is False:
        return "switched off"
    times = {name: _time(source, name) for name in ("starts_at", "ends_at")}
    wrong = next((name for name, value in times.items() if value is None and source.get(name) is not None), None)
    if wrong:
        return f"{wrong} must be a date"
    return Ad(
        ad_id=ad_id,
        object_id=str(object_id),
        bid=float(bid),
        budget=None if budget is None else float(budget),
        starts_s=-math.inf if times["starts_at"] is None else times["starts_at"],
        ends_s=math.inf if times["ends_at"] is None else times["ends_at"],
        queries=_phrases(source.get("queries")),
        not_queries=_phrases(source.get("not_queries")),
        clusters=frozenset(map(str, _listed(source.get("clusters")))),
    )


def _is_amount(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _time(source: Mapping[Any, Any], name: str) -> float | None:
    return read_timestamp(source.get(name))


def _phrases(value: object) -> tuple[frozenset[int], ...]:
    phrases = (word_set(str(text)) for text in _listed(value))
    return tuple(words for words in phrases if words)


def _listed(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [] if value is None else [value]
