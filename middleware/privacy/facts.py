"""What a profile says of somebody, in words that this person understands: pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

_SHOWN = 3
_LIKED = (("brands", "brand"), ("categories", "category"), ("attributes", "attribute"))


def facts_of(profile: Mapping[str, Any] | None, counts: Mapping[str, int]) -> list[str]:
    """Sentences about a profile document (`_source`), or None, and how many documents there are of each kind."""
    facts = [f"{count} {_noun(kind, count)} kept in the index." for kind, count in counts.items() if kind != "profiles"]
    if profile is None:
        return [*facts, "No profile is stored."]
    sums = profile.get("state")
    return [*facts, *_of_profile(profile), *_of_sums(sums if isinstance(sums, Mapping) else {}, profile)]


def _noun(kind: str, count: int) -> str:
    if count != 1:
        return f"{kind} are"
    return f"{ {'queries': 'query'}.get(kind, kind.removesuffix('s')) } is"


def _of_profile(profile: Mapping[str, Any]) -> Iterator[str]:
    count, last = profile.get("event_count"), profile.get("last_event_at")
    if isinstance(count, int):
        latest = f", the latest from {_day(last)}" if isinstance(last, int | float) else ""
        yield f"The profile counts {count} events{latest}."
    if profile.get("cluster") is not None:
        yield f"It belongs to cluster {profile['cluster']} of users with alike tastes."
    if profile.get("vector"):
        yield "It holds a vector, the mean of the products that these events were on."


def _of_sums(sums: Mapping[str, Any], profile: Mapping[str, Any]) -> Iterator[str]:
    whole = profile.get("event_weight")
    for key, noun in _LIKED:
        weights = sums.get(key)
        if isinstance(weights, Mapping) and weights and isinstance(whole, int | float) and whole > 0:
            heaviest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
            named = ", ".join(f"{name} ({weight / whole:.0%})" for name, weight in heaviest)
            yield f"Of the behaviour, by {noun}: {named}."
    weight, logs = sums.get("price_weight"), sums.get("price_sum")
    if isinstance(weight, int | float) and weight > 0 and isinstance(logs, int | float):
        yield f"The usual price is {math.exp(logs / weight):.2f} (geometric mean)."
    bought = sums.get("bought")
    if isinstance(bought, Mapping) and bought:
        yield f"Bought: {', '.join(sorted(map(str, bought)))}."


def _day(moment_ms: float) -> str:
    return datetime.fromtimestamp(moment_ms / 1000, UTC).date().isoformat()
