"""A scored window and what it makes of the whole answer: the order and the `_score` of every hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from middleware.fusion import FloatArray, response_scores
from middleware.personalization.profiles import Profile
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.response import Ranking

_LEAST_MODEL_SCORE = 1.0


@dataclass(frozen=True, slots=True)
class Scored:
    """A reranked window; every array has shape (k,), in first-stage order. `order` are its positions, best first.

    The model read the first `read` of `order`; those behind have estimates for its scores, and never come before one
    that was read. k is the window's length, or, where nothing is estimated, of its head that the budget allowed.
    `profile` is the one that joined, `impersonal_order` what `order` would be without its features, None where none
    joined. `is_spared`: the query names a product, so that none may.
    """

    features: Mapping[str, FloatArray]
    fused_scores: FloatArray
    order: Sequence[int]
    read: int
    document_texts: Sequence[str]
    model: str
    profile: Profile | None
    impersonal_order: Sequence[int] | None = None
    is_spared: bool = False


def make_ranking(plan: Plan, response: SearchResponse, scored: Scored) -> Ranking:
    """The order of the whole answer: the window's, then Elasticsearch's; what the request itself excludes is gone.

    Hits of the window for which there was no time follow it in Elasticsearch's order, with Elasticsearch's scores.
    An estimate that says more of a hit than the model said of those before it says as much as the last of them.
    """
    fused = np.minimum.accumulate(scored.fused_scores[list(scored.order)])
    order, scores = list(scored.order), response_scores(fused, _floor(plan, response, scored)).tolist()
    if plan.wish.limits_hits:
        return _limited_ranking(plan, response, order, fused, scores)
    return Ranking([*order, *range(len(order), len(response.hits))], scores)


def _limited_ranking(
    plan: Plan, response: SearchResponse, order: list[int], fused: FloatArray, scores: list[float]
) -> Ranking:
    """The ranking of a `text_similarity_reranker`, which gives its window and nothing else.

    Elasticsearch waits for its model without an end; we do not. Hits for which there was no time follow in the order
    of the retriever inside, with the score of a hit of which the model says 0: the least there is. Under a `min_score`
    they are left out, since nothing vouches for them.
    """
    if plan.wish.min_score is not None:
        kept = int((fused >= plan.wish.min_score).sum())
        return Ranking(order[:kept], scores[:kept])
    unscored = range(len(order), min(len(response.hits), plan.variant.window))
    return Ranking([*order, *unscored], [*scores, *[_LEAST_MODEL_SCORE] * len(unscored)])


def _floor(plan: Plan, response: SearchResponse, scored: Scored) -> float:
    """The score that no hit behind those that were scored exceeds; where no hit can be behind them there is none.

    A score s of `text_similarity_reranker` is max(s, 0) + min(exp(s), 1), which is 1 + s for one in [0, 1].
    """
    if plan.wish.model_only:
        return _LEAST_MODEL_SCORE
    known = len(scored.order)
    nothing_behind = known == len(response.hits) < plan.variant.window
    return 0.0 if nothing_behind else response.hits[known - 1].first_stage_score
