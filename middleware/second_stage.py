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
from middleware.errors import DeadlineExceeded, NoModel, RerankError
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

_LEAST_MODEL_SCORE = 1.0


@dataclass(frozen=True, slots=True)
class Reader:
    """Who searches: the user of the profile, which may still be on its way; both absent for everybody."""

    user: str | None = None
    profile: Future[Profile | None] | None = None


@dataclass(frozen=True, slots=True)
class Scored:
    """A reranked window; every array has shape (k,), in first-stage order. `order` are its positions, best first.

    k is the window's length, or less: the first hits, which were scored within the budget.
    """

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

    The ranking of a window is remembered for a while under all that it was made of, but for the profile and the budget:
    the next pages of a search cost no second rerank, and neither behaviour between two pages nor a window that the
    budget cut short tears them apart. The first ranking stays the one that is remembered.
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
        for done, (model, tasks) in enumerate(by_model.items()):
            share = (deadline - time.monotonic()) / (len(by_model) - done)
            for task, outcome in zip(tasks, self._score(model, tasks, reader, share), strict=True):
                outcomes[task.place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _score(self, model: str, tasks: Sequence[_Task], reader: Reader, budget_s: float) -> Sequence[Outcome]:
        engine, started = self._engines[model], time.monotonic()
        queries = [(task.plan.query_text, task.window.passages) for task in tasks]
        try:
            scores = engine.score_many(queries, budget_ms=budget_s * 1000)
        except RerankError as error:
            return [error] * len(tasks)
        patience = time.monotonic() + self._settings.profiles.budget_ms / 1000
        profile = _finished(reader.profile, min(started + budget_s, patience))
        return [
            self._rank(task, passage_scores, engine.name, profile)
            for task, passage_scores in zip(tasks, scores, strict=True)
        ]

    def _rank(self, task: _Task, passage_scores: FloatArray, model: str, profile: Profile | None) -> Outcome:
        scores = task.window.best_of_passages(passage_scores)
        if not len(scores):
            return DeadlineExceeded(
                f"{model} did not score the first of {len(task.window.document_texts)} hits in time"
            )
        scored = _order(task.plan, task.window, scores, model, profile)
        ttl_s = self._settings.rankings.ttl_s
        return self._remembered.put_first(task.key, scored, ttl_s) if ttl_s else scored


def make_ranking(plan: Plan, response: SearchResponse, scored: Scored) -> Ranking:
    """The order of the whole answer: the window's, then Elasticsearch's; what the request itself excludes is gone.

    Hits of the window for which there was no time follow it in Elasticsearch's order, with Elasticsearch's scores.
    """
    fused = scored.fused_scores[list(scored.order)]
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


def _order(plan: Plan, window: Window, scores: FloatArray, model: str, profile: Profile | None) -> Scored:
    known = len(scores)
    features = {"cross_encoder": scores, "first_stage": scale_first_stage(window.first_stage_scores[:known])}
    if profile is not None:
        features |= profile_features(profile, window.hit_fields[:known])
    fused = fuse(features, plan.variant.weights)
    return Scored(features, fused, rank(fused).tolist(), window.document_texts[:known], model, profile)


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
