"""The second stage of a request's searches: document texts, cross-encoder, profile features, fusion, ranking."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from middleware.config import Settings
from middleware.errors import DeadlineExceeded, NoModel, Overloaded, RerankError
from middleware.fusion import FloatArray, rank, scale_first_stage
from middleware.personalization.features import profile_features
from middleware.personalization.profiles import Profile
from middleware.ranking import Scored
from middleware.rerank.engine import Engine
from middleware.rerank.reading import Reading, Stop
from middleware.rerank.served_model import Servable
from middleware.rerank.vector_reader import Pending, VectorReader
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.window import Window, read_window, vector_texts
from middleware.ttl_cache import TtlLruCache


@dataclass(frozen=True, slots=True)
class Reader:
    """Who searches: the user of the profile, which may still be on its way; both absent for everybody.

    `credentials`: headers with which vectors are asked for.
    """

    user: str | None = None
    profile: Future[Profile | None] | None = None
    credentials: Mapping[str, str] = field(default_factory=dict)


Outcome = Scored | Reason | RerankError
"""What became of one search: its ranking, why there is nothing to rerank, or our failure."""


@dataclass(frozen=True, slots=True)
class _Vectors:
    """The cosines of a window, on their way, and until when they are waited for (seconds, monotonic)."""

    reader: VectorReader
    pending: Pending
    deadline: float


@dataclass(frozen=True, slots=True)
class _Task:
    """A window to be scored: its place among the request's searches, and the key under which it is remembered."""

    place: int
    plan: Plan
    window: Window
    key: bytes
    vectors: _Vectors | None = None


@dataclass(frozen=True, slots=True)
class _Begun:
    """A task on its way through the model; `estimates` of its scores, shape (n,), where not all of them are read.

    `cosines`: of those with estimates, shape (n,), where there are any: what is read depends on them.
    """

    task: _Task
    reading: Reading
    estimates: FloatArray | None
    cosines: FloatArray | None = None


class SecondStage:
    """Scores and orders windows with the engines of the configured models. Thread-safe.

    The ranking of a window is remembered for a while under all that it was made of, but for the profile and the budget:
    the next pages of a search cost no second rerank, and neither behaviour between two pages nor a window that the
    budget cut short tears them apart. The first ranking stays the one that is remembered.
    """

    def __init__(
        self, settings: Settings, engines: Mapping[str, Servable], vectors: Mapping[str, VectorReader] | None = None
    ) -> None:
        """`vectors`: by name of a section of `indices`."""
        self._settings = settings
        self._engines = engines
        self._vectors = vectors or {}
        self._remembered: TtlLruCache[bytes, Scored] = TtlLruCache(settings.rankings.size)

    def forget(self) -> None:
        """Forget all rankings: one of them may be made of a profile that was erased."""
        self._remembered.clear()

    def rerank(
        self, searches: Sequence[tuple[Plan, SearchResponse]], reader: Reader, budget_ms: float
    ) -> list[Outcome]:
        """Order the window of each search within `budget_ms`; the pairs of all go to their model in one go."""
        with ExitStack() as holding:
            names = {plan.variant.model for plan, _ in searches}
            engines = {
                name: holding.enter_context(each.hold()) for name, each in self._engines.items() if name in names
            }
            return self._rerank(searches, engines, reader, budget_ms)

    def _rerank(
        self,
        searches: Sequence[tuple[Plan, SearchResponse]],
        engines: Mapping[str, Engine],
        reader: Reader,
        budget_ms: float,
    ) -> list[Outcome]:
        deadline = time.monotonic() + budget_ms / 1000
        outcomes: list[Outcome | None] = [None] * len(searches)
        by_model: defaultdict[str, list[_Task]] = defaultdict(list)
        for place, (plan, response) in enumerate(searches):
            wants_profile = reader.user is not None and plan.variant.fusion.maker.wants_profile
            window = read_window(plan, response, has_profile=wants_profile)
            if isinstance(window, Reason):
                outcomes[place] = window
            elif plan.variant.model is None or plan.variant.model not in engines:
                outcomes[place] = NoModel(f"variant {plan.variant.name!r} has no model; define one under models")
            else:
                task = _Task(place, plan, window, _key(plan, window, reader, engines[plan.variant.model].name))
                remembered = self._remembered.get(task.key)
                if remembered is None:
                    vectors = self._begin_vectors(plan, response, window, reader)
                    by_model[plan.variant.model].append(replace(task, vectors=vectors))
                else:
                    outcomes[place] = remembered[0]
        for done, (model, tasks) in enumerate(by_model.items()):
            share = (deadline - time.monotonic()) / (len(by_model) - done)
            for task, outcome in zip(tasks, self._score(engines[model], tasks, reader, share), strict=True):
                outcomes[task.place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _begin_vectors(self, plan: Plan, response: SearchResponse, window: Window, reader: Reader) -> _Vectors | None:
        """Set out for the cosines, which are fetched while the model reads."""
        found = vector_texts(plan, response, window)
        if found is None or found[0] not in self._vectors:
            return None
        vectors = self._vectors[found[0]]
        pending = vectors.begin(plan.query_text, found[1], reader.credentials)
        return _Vectors(vectors, pending, time.monotonic() + vectors.budget_s) if pending else None

    def _score(self, engine: Engine, tasks: Sequence[_Task], reader: Reader, budget_s: float) -> Sequence[Outcome]:
        started = time.monotonic()
        until = started + budget_s
        begun = [_begin(task, engine, _finished(reader.profile, started), until) for task in tasks]
        try:
            _read(engine, begun, until)
        except RerankError as error:
            return [error] * len(tasks)
        patience = time.monotonic() + self._settings.profiles.budget_ms / 1000
        profile = _finished(reader.profile, min(until, patience))
        return [self._remember(each.task, _finish(each, engine.name, profile, until)) for each in begun]

    def _remember(self, task: _Task, outcome: Scored | DeadlineExceeded) -> Outcome:
        ttl_s = self._settings.rankings.ttl_s
        if isinstance(outcome, DeadlineExceeded) or not ttl_s:
            return outcome
        return self._remembered.put_first(task.key, outcome, ttl_s)


def _begin(task: _Task, engine: Engine, profile: Profile | None, until: float) -> _Begun:
    """What to read of a window: all of it in Elasticsearch's order, or with estimates the best of it first."""
    plan, window = task.plan, task.window
    cascade, count = plan.variant.cascade, len(window.document_texts)
    whole = _Begun(task, Reading(np.arange(len(window.passages)), len(window.passages)), None)
    if not cascade.enabled or plan.wish.limits_hits or count <= cascade.page:
        return whole
    first_stage = scale_first_stage(window.first_stage_scores)
    estimates = engine.estimate(plan.query_text, window.document_texts, first_stage, cascade.certainty)
    if estimates is None:
        return whole
    cosines = _cosines(task, until)
    model, others = plan.variant.fusion.model, _features(task, cosines, profile)

    def fuse(places: NDArray[np.intp], scores: FloatArray) -> FloatArray:
        part = {name: values[places] for name, values in others.items()}
        return model.fuse(part | {"cross_encoder": scores})

    everywhere = np.arange(count)
    stop = None
    if cascade.early_stop and model.is_monotone_in("cross_encoder"):
        stop = Stop(fuse, fuse(everywhere, estimates.uppers), cascade.page)
    order = rank(fuse(everywhere, estimates.scores))
    return _Begun(task, Reading(order, min(cascade.depth or estimates.depth, count), stop), estimates.scores, cosines)


def _read(engine: Engine, begun: Sequence[_Begun], deadline: float) -> None:
    """Read every window as far as it goes, the wanted pairs of all in one go. Raises RerankError.

    Where the time ends or no place is free in the queue after the first round, what was read stays.
    """
    while active := [each for each in begun if len(each.reading.wanted)]:
        queries = [
            (each.task.plan.query_text, [each.task.window.passages[place] for place in each.reading.wanted])
            for each in active
        ]
        try:
            found = engine.score_many(queries, budget_ms=(deadline - time.monotonic()) * 1000)
        except (DeadlineExceeded, Overloaded):
            if not any(each.reading.scores for each in active):
                raise
            return
        for each, scores in zip(active, found, strict=True):
            each.reading.add(scores.tolist())


def _finish(begun: _Begun, model: str, profile: Profile | None, until: float) -> Scored | DeadlineExceeded:
    """The order of what was read, by fused score, and behind it of what was estimated."""
    plan, window, scores = begun.task.plan, begun.task.window, np.array(begun.reading.scores)
    read = begun.reading.order[: len(scores)]
    if begun.estimates is None:
        cross_encoder = window.best_of_passages(scores)
        read = np.arange(len(cross_encoder))
    else:
        cross_encoder = begun.estimates.copy()
        cross_encoder[read] = scores
    if not len(read):
        return DeadlineExceeded(f"{model} did not score the first of {len(window.document_texts)} hits in time")
    cosines = _cosines(begun.task, until) if begun.estimates is None else begun.cosines
    made = _features(begun.task, cosines, profile)
    features = {"cross_encoder": cross_encoder} | {name: values[: len(cross_encoder)] for name, values in made.items()}
    fused = plan.variant.fusion.model.fuse(features)
    is_unread = np.ones(len(fused))
    is_unread[read] = 0
    order = np.lexsort((-fused, is_unread)).tolist()  # stable: equal ones keep Elasticsearch's order
    return Scored(features, fused, order, len(read), window.document_texts[: len(fused)], model, profile)


def _features(task: _Task, cosines: FloatArray | None, profile: Profile | None) -> dict[str, FloatArray]:
    """The features of a whole window but for cross_encoder."""
    maker, window = task.plan.variant.fusion.maker, task.window
    features = maker.make(window.evidence(task.plan.query_text, cosines))
    return features | (profile_features(profile, window.hit_fields) if profile and maker.wants_profile else {})


def _cosines(task: _Task, until: float) -> FloatArray | None:
    """Of each hit of the window, NaN without a vector; None where the query's is not there by `until` (monotonic)."""
    if task.vectors is None:
        return None
    return task.vectors.reader.cosines(task.vectors.pending, min(until, task.vectors.deadline))


def _key(plan: Plan, window: Window, reader: Reader, model: str) -> bytes:
    """A digest of all that a ranking is made of, but for the profile, for which the user stands.

    `model`: what the engine is called, which the version of a registered model is a part of.
    """
    variant = plan.variant
    ours = (variant.name, variant.model, model, variant.fusion.model.key, variant.cascade)
    parts = (*ours, reader.user, plan.query_text)
    digest = hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16)
    read = (window.passages, window.hit_fields, window.values if variant.trained else ())
    digest.update(repr(read).encode("utf-8", "surrogatepass"))
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
