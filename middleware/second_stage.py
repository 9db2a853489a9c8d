"""The second stage of a request's searches: document texts, cross-encoder, profile features, fusion, ranking."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from middleware.config import Settings
from middleware.errors import NoModel, RerankError
from middleware.fusion import FloatArray, fuse, rank, response_scores, scale_first_stage
from middleware.personalization.features import profile_features
from middleware.personalization.profiles import Profile
from middleware.rerank.engine import Engine
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.response import Ranking
from middleware.search.window import Window, read_window
from middleware.ttl_cache import TtlLruCache


@dataclass(frozen=True, slots=True)
class Reader:
    """Who searches: the user of the profile, which may still be on its way; both absent for everybody."""

    user: str | None = None
    profile: Future[Profile | None] | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A reranked window; every array has shape (n,), in first-stage order. `order` are its positions, best first."""

    features: Mapping[str, FloatArray]
    fused_scores: FloatArray
    order: Sequence[int]
    document_texts: Sequence[str]
    model: str
    profile: Profile | None


Outcome = Scored | Reason | RerankError
"""What became of one search: its ranking, why there is nothing to rerank, or our failure."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A window to be scored: its place among the request's searches, and the key under which it is remembered."""

    place: int
    plan: Plan
    window: Window
    key: bytes


class SecondStage:
    """Scores and orders windows with the engines of the configured models. Thread-safe.

    The ranking of a window is remembered for a while under all that it was made of, but for the profile: the next
    pages of a search cost no second rerank, and behaviour between two pages does not tear them apart.
    """

    def __init__(self, settings: Settings, engines: Mapping[str, Engine]) -> None:
        self._settings = settings
        self._engines = engines
        self._remembered: TtlLruCache[bytes, Scored] = TtlLruCache(settings.rankings.size)

    def rerank(
        self, searches: Sequence[tuple[Plan, SearchResponse]], reader: Reader, budget_ms: float
    ) -> list[Outcome]:
        """Order the window of each search within `budget_ms`; the pairs of all go to their model in one go."""
        deadline = time.monotonic() + budget_ms / 1000
        outcomes: list[Outcome | None] = [None] * len(searches)
        by_model: defaultdict[str, list[_Task]] = defaultdict(list)
        for place, (plan, response) in enumerate(searches):
            window = read_window(plan, response)
            if isinstance(window, Reason):
                outcomes[place] = window
            elif plan.variant.model is None or plan.variant.model not in self._engines:
                outcomes[place] = NoModel(f"variant {plan.variant.name!r} has no model; define one under models")
            else:
                task = _Task(place, plan, window, _key(plan, window, reader))
                remembered = self._remembered.get(task.key)
                if remembered is None:
                    by_model[plan.variant.model].append(task)
                else:
                    outcomes[place] = remembered[0]
        for model, tasks in by_model.items():
            for task, outcome in zip(tasks, self._score(model, tasks, reader, deadline), strict=True):
                outcomes[task.place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _score(self, model: str, tasks: Sequence[_Task], reader: Reader, deadline: float) -> Sequence[Outcome]:
        engine = self._engines[model]
        queries = [(task.plan.query_text, task.window.passages) for task in tasks]
        try:
            scores = engine.score_many(queries, budget_ms=(deadline - time.monotonic()) * 1000)
        except RerankError as error:
            return [error] * len(tasks)
        patience = time.monotonic() + self._settings.profiles.budget_ms / 1000
        profile = _finished(reader.profile, min(deadline, patience))
        scored = []
        for task, passage_scores in zip(tasks, scores, strict=True):
            document_scores = task.window.best_of_passages(passage_scores)
            scored.append(_order(task.plan, task.window, document_scores, engine.name, profile))
            if self._settings.rankings.ttl_s:
                self._remembered.put(task.key, scored[-1], self._settings.rankings.ttl_s)
        return scored


def make_ranking(plan: Plan, response: SearchResponse, scored: Scored) -> Ranking:
    """The order of the whole answer: the window's, then Elasticsearch's; what the request itself excludes is gone."""
    fused = scored.fused_scores[list(scored.order)]
    scores = response_scores(fused, _floor(plan, response))
    order = list(scored.order)
    if plan.wish.min_score is not None:
        order = order[: int((fused >= plan.wish.min_score).sum())]
    beyond = () if plan.wish.limits_hits else range(len(scored.order), len(response.hits))
    return Ranking([*order, *beyond], scores[: len(order)].tolist())


def _floor(plan: Plan, response: SearchResponse) -> float:
    """The score that no hit beyond the window exceeds; a window that is not full has none beyond it.

    A score s of `text_similarity_reranker` is max(s, 0) + min(exp(s), 1), which is 1 + s for one in [0, 1].
    """
    if plan.wish.model_only:
        return 1.0
    window = plan.variant.window
    return response.hits[window - 1].first_stage_score if len(response.hits) >= window else 0.0


def _order(plan: Plan, window: Window, scores: FloatArray, model: str, profile: Profile | None) -> Scored:
    features = {"cross_encoder": scores, "first_stage": scale_first_stage(window.first_stage_scores)}
    if profile is not None:
        features |= profile_features(profile, window.hit_fields)
    fused = fuse(features, plan.variant.weights)
    return Scored(features, fused, rank(fused).tolist(), window.document_texts, model, profile)


def _key(plan: Plan, window: Window, reader: Reader) -> bytes:
    """A digest of all that a ranking is made of, but for the profile, for which the user stands."""
    variant = plan.variant
    parts = (variant.name, variant.model, sorted(variant.weights.items()), reader.user, plan.query_text)
    digest = hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16)
    digest.update(repr((window.passages, window.hit_fields)).encode("utf-8", "surrogatepass"))
    digest.update(window.first_stage_scores.tobytes())
    return digest.digest()


def _finished(profile: Future[Profile | None] | None, deadline: float) -> Profile | None:
    """The profile if it is there by `deadline` (seconds, monotonic); a late one is left out of this search."""
    if profile is None:
        return None
    try:
        return profile.result(timeout=max(0.0, deadline - time.monotonic()))
    except FutureTimeout:
        return None
