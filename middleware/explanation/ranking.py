"""A reranked window told hit by hit: every feature with what it added, the ranks before and after, and the facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from middleware.explanation.facts import Facts
from middleware.fusion_models import Contributions
from middleware.ranking import Scored
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.window import read_window

_SHOWN_AFFINITIES = 5


def explain_ranking(
    plan: Plan, response: SearchResponse, scored: Scored, facts: Facts | None = None, id_field: str | None = None
) -> dict[str, Any]:
    """The explanation of one page, in the order of the ranking; scores as in DESIGN's vocabulary.

    `facts`: about the profile that joined. `id_field`: of the object_ids; default: _id.
    """
    why = plan.variant.fusion.model.contributions(scored.features)
    page = list(scored.order)[plan.page.start : plan.page.end]
    told = _facts_by_hit(plan, response, scored, why, facts, id_field)
    hits = [_explain_hit(response, scored, why, position) | told.get(position, {}) for position in page]
    return _explain_search(plan, scored, why, facts) | {"hits": hits}


def _explain_hit(response: SearchResponse, scored: Scored, why: Contributions, position: int) -> dict[str, Any]:
    """Numbers as they are, to the last digit: logged, they can be replayed, and they add up."""
    hit, order = response.hits[position], list(scored.order)
    impersonal = order if scored.impersonal_order is None else list(scored.impersonal_order)
    return {
        "_index": hit.index,
        "_id": hit.decoded("_id"),
        "rank": order.index(position) + 1,
        "rank_without_profile": impersonal.index(position) + 1,
        "first_stage_rank": position + 1,
        "read": order.index(position) < scored.read,
        "first_stage_score": hit.first_stage_score,
        "fused_score": float(scored.fused_scores[position]),
        "features": {name: float(values[position]) for name, values in scored.features.items()},
        "contributions": {name: float(values[position]) for name, values in why.parts.items()},
        "document_text": scored.document_texts[position],
    }


def _explain_search(plan: Plan, scored: Scored, why: Contributions, facts: Facts | None) -> dict[str, Any]:
    personal = plan.variant.personal
    return {
        "query_text": plan.query_text,
        "variant": plan.variant.name,
        "model": scored.model,
        "window": len(scored.fused_scores),
        "depth": scored.read,
        "weights": dict(plan.variant.weights),
        "fusion": {
            "kind": plan.variant.fusion.model.kind,
            "contributions_add_up_to": why.total,
            "base": float(why.base[0]) if len(why.base) else 0.0,
            "method": why.method,
        },
        "personal": {
            "strength": personal.strength,
            "most_ranks": personal.most_ranks,
            "query_names_a_product": scored.is_spared,
        },
        "profile": None if facts is None else _explain_profile(facts),
    }


def _facts_by_hit(
    plan: Plan, response: SearchResponse, scored: Scored, why: Contributions, facts: Facts | None, id_field: str | None
) -> dict[int, dict[str, Any]]:
    """Of each hit of the page what of the profile speaks for it, what counts most first."""
    window = read_window(plan, response, id_field=id_field) if facts is not None else Reason.NO_HITS
    if facts is None or isinstance(window, Reason):
        return {}
    told = {}
    for position in scored.order[plan.page.start : plan.page.end]:
        features = {name: float(values[position]) for name, values in scored.features.items()}
        parts = {name: float(values[position]) for name, values in why.parts.items()}
        about = facts.about_hit(window.hit_fields[position], window.object_ids[position], features)
        ordered = sorted((name for name in about if parts.get(name)), key=lambda name: -parts[name])
        told[position] = {"facts": [about[name] for name in ordered]}
    return told


def _explain_profile(facts: Facts) -> Mapping[str, Any]:
    profile = facts.profile
    return {
        "facts": facts.about_user(),
        "events": profile.events,
        "confidence": profile.confidence,
        "cluster": profile.cluster,
        "brand_affinity": _strongest(profile.brand_affinity),
        "category_affinity": _strongest(profile.category_affinity),
        "attribute_affinity": _strongest(profile.attribute_affinity),
        "price_log_mean": profile.price_log_mean,
        "price_log_std": profile.price_log_std,
    }


def _strongest(affinities: Mapping[str, float]) -> Mapping[str, float]:
    ordered = sorted(affinities.items(), key=lambda item: -item[1])[:_SHOWN_AFFINITIES]
    return {name: round(value, 4) for name, value in ordered}
