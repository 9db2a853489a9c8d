"""The second stage of one search: document texts, cross-encoder, profile features, fusion, ranking."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

import numpy as np

from middleware.config import Settings
from middleware.errors import NoModel
from middleware.fusion import FloatArray, fuse, rank, response_scores, scale_first_stage
from middleware.personalization.features import profile_features
from middleware.personalization.fields import HitFields, read_hit_fields
from middleware.personalization.profiles import Profile
from middleware.rerank.engine import Engine
from middleware.search.document import parse_template
from middleware.search.hits import Hit, SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.response import Ranking


@dataclass(frozen=True, slots=True)
class Window:
    """What the second stage reads of the first n hits: document texts and feature fields, in first-stage order."""

    document_texts: Sequence[str]
    hit_fields: Sequence[HitFields]
    first_stage_scores: FloatArray
    floor: float


@dataclass(frozen=True, slots=True)
class Scored:
    """A reranked window; every array has shape (n,), in first-stage order."""

    ranking: Ranking
    features: Mapping[str, FloatArray]
    fused_scores: FloatArray
    document_texts: Sequence[str]
    model: str
    profile: Profile | None


class SecondStage:
    """Scores and orders windows with the engines of the configured models."""

    def __init__(self, settings: Settings, engines: Mapping[str, Engine]) -> None:
        self._settings = settings
        self._engines = engines

    def rerank(
        self, plan: Plan, response: SearchResponse, profile: Future[Profile | None] | None, budget_ms: float
    ) -> Scored | Reason:
        """Order the window; a Reason where there is nothing to rerank. Raises RerankError within `budget_ms`."""
        deadline = time.monotonic() + budget_ms / 1000
        engine = self._engines.get(plan.variant.model or "")
        if engine is None:
            raise NoModel(f"variant {plan.variant.name!r} has no model; define one under models")
        window = read_window(plan, response)
        if isinstance(window, Reason):
            return window
        scores = engine.score(plan.query_text, window.document_texts, budget_ms=(deadline - time.monotonic()) * 1000)
        features = {"cross_encoder": scores, "first_stage": scale_first_stage(window.first_stage_scores)}
        known = _finished(profile, min(deadline, time.monotonic() + self._settings.profiles.budget_ms / 1000))
        if known is not None:
            features |= profile_features(known, window.hit_fields)
        return _order(plan, response, window, features, engine.name, known)


def _order(
    plan: Plan,
    response: SearchResponse,
    window: Window,
    features: Mapping[str, FloatArray],
    model: str,
    profile: Profile | None,
) -> Scored:
    fused = fuse(features, plan.variant.weights)
    order = rank(fused)
    scores = response_scores(fused[order], window.floor)
    positions = [*order.tolist(), *range(len(order), len(response.hits))]
    ranking = Ranking(positions, scores.tolist())
    return Scored(ranking, features, fused, window.document_texts, model, profile)


def read_window(plan: Plan, response: SearchResponse) -> Window | Reason:
    """Texts and fields of the hits to rerank, or why there is nothing to rerank."""
    hits = response.hits[: plan.variant.window]
    if not hits:
        return Reason.NO_HITS
    texts, fields = [], []
    for hit in hits:
        section = plan.sections.of_hit(hit.index)
        if section is None:
            return Reason.INDEX_NOT_CONFIGURED
        template = parse_template(section.template)
        values = {path: hit.values(path) for path in (*template.fields, *section.features.names)}
        texts.append(template.render(values, section.max_field_chars))
        fields.append(read_hit_fields(values, section.features))
    if not any(texts):
        return Reason.NO_DOCUMENT_TEXT
    first_stage_scores = np.array([hit.first_stage_score for hit in hits], dtype=np.float64)
    return Window(texts, fields, first_stage_scores, _floor(hits, plan.variant.window))


def _floor(hits: Sequence[Hit], window: int) -> float:
    """The score that no hit beyond the window exceeds; a window that is not full has none beyond it."""
    return hits[-1].first_stage_score if len(hits) == window else 0.0


def _finished(profile: Future[Profile | None] | None, deadline: float) -> Profile | None:
    """The profile if it is there by `deadline` (seconds, monotonic); a late one is left out of this search."""
    if profile is None:
        return None
    try:
        return profile.result(timeout=max(0.0, deadline - time.monotonic()))
    except FutureTimeout:
        return None
