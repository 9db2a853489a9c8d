"""A reranked window told hit by hit: every feature, its weight's share, and the rank before and after."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from middleware.personalization.profiles import Profile
from middleware.ranking import Scored
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan

_SHOWN_AFFINITIES = 5


def explain_ranking(plan: Plan, response: SearchResponse, scored: Scored) -> Mapping[str, Any]:
    """The explanation of one page, in the order of the ranking; scores as in DESIGN's vocabulary."""
    model = plan.variant.fusion.model
    why = model.contributions(scored.features)
    hits = []
    for place, position in list(enumerate(scored.order))[plan.page.start : plan.page.end]:
        hit = response.hits[position]
        hits.append(
            {
                "_index": hit.index,
                "_id": hit.decoded("_id"),
                "rank": place + 1,
                "read": place < scored.read,
                "first_stage_rank": position + 1,
                "first_stage_score": hit.first_stage_score,
                # As they are, to the last digit: logged, they can be replayed.
                "fused_score": float(scored.fused_scores[position]),
                "features": {name: float(values[position]) for name, values in scored.features.items()},
                "contributions": {name: round(float(values[position]), 6) for name, values in why.parts.items()},
                "document_text": scored.document_texts[position],
            }
        )
    return {
        "query_text": plan.query_text,
        "variant": plan.variant.name,
        "model": scored.model,
        "window": len(scored.fused_scores),
        "depth": scored.read,
        "weights": dict(plan.variant.weights),
        "fusion": {
            "kind": model.kind,
            "contributions_add_up_to": why.total,
            "base": round(float(why.base[0]), 6) if len(why.base) else 0.0,
            "method": why.method,
        },
        "profile": _explain_profile(scored.profile),
        "hits": hits,
    }


def _explain_profile(profile: Profile | None) -> Mapping[str, Any] | None:
    if profile is None:
        return None
    return {
        "brand_affinity": _strongest(profile.brand_affinity),
        "category_affinity": _strongest(profile.category_affinity),
        "price_log_mean": profile.price_log_mean,
        "price_log_std": profile.price_log_std,
    }


def _strongest(affinities: Mapping[str, float]) -> Mapping[str, float]:
    ordered = sorted(affinities.items(), key=lambda item: -item[1])[:_SHOWN_AFFINITIES]
    return {name: round(value, 4) for name, value in ordered}
