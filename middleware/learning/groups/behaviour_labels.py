"""Labels out of behaviour: what people did with a document, each act weighed by how unlikely its place was seen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from middleware.learning.groups.behaviour_bias import Examination
from middleware.learning.groups.behaviour_log import BehaviourOptions, SearchSeen

_FEW_CLICKS = 5.0


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A query, the targets of the objects it showed, in (0, 1], and what it counts: near 0 for a single act."""

    query_text: str
    targets: Mapping[str, float]
    weight: float


@dataclass(slots=True)
class _Totals:
    text: Counter[str] = field(default_factory=Counter)
    shown: Counter[str] = field(default_factory=Counter)
    rewards: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    acts: int = 0


def label_queries(
    searches: Sequence[SearchSeen], examination: Examination, options: BehaviourOptions, dropped: Counter[str]
) -> list[LabelledQuery]:
    """Targets by inverse propensity scoring (Joachims, Swaminathan, Schnabel, WSDM 2017), in the order of the log.

    A document's worth is the mean over its impressions of reward / propensity of the position, which in expectation is
    what it would earn if every position were looked at; smoothed by `options.smoothing` impressions of the log's mean.
    Relative to the best of its query, since queries differ in how much is clicked at all. Queries that nobody
    acted on are counted in `dropped`: they tell nothing apart.
    """
    totals: defaultdict[str, _Totals] = defaultdict(_Totals)
    for search in searches:
        total = totals[search.query_text.casefold()]
        total.text[search.query_text] += 1
        for each in search.shown:
            total.shown[each.object_id] += 1
            if each.reward > 0:
                total.acts += 1
                total.rewards[each.object_id] += each.reward / examination.at(each.position)
    impressions = sum(total.shown.total() for total in totals.values())
    mean = sum(sum(total.rewards.values()) for total in totals.values()) / max(impressions, 1)
    dropped["logged queries that nobody acted on"] += sum(not total.acts for total in totals.values())
    return [_labelled(total, mean, options.smoothing) for total in totals.values() if total.acts]


def _labelled(total: _Totals, mean: float, smoothing: float) -> LabelledQuery:
    worth = {
        each: (total.rewards.get(each, 0.0) + smoothing * mean) / (count + smoothing)
        for each, count in total.shown.items()
    }
    best = max(worth.values())
    text = total.text.most_common(1)[0][0]
    return LabelledQuery(
        text, {each: value / best for each, value in worth.items()}, total.acts / (total.acts + _FEW_CLICKS)
    )
