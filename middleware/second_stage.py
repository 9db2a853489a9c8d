"""The second stage of a request's searches, all together: windows, the models that read them, rankings remembered."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from middleware.config import Settings
from middleware.errors import DeadlineExceeded, NoModel, Overloaded, RerankError
from middleware.personalization.navigational import is_navigational
from middleware.personalization.profiles import Profile
from middleware.personalization.store import profile_by
from middleware.ranking import Scored
from middleware.rerank.engine import Engine
from middleware.rerank.served_model import Servable
from middleware.rerank.vector_reader import VectorReader
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.window import Window, read_window, vector_texts
from middleware.ttl_cache import TtlLruCache
from middleware.window_ranking import Begun, Fetching, Task, begin, finish


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


class SecondStage:
    """Scores and orders windows with the engines of the configured models. Thread-safe.

    The ranking of a window is remembered for a while under all that it was made of, but for the profile and the budget:
    the next pages of a search cost no second rerank, and neither behaviour between two pages nor a window that the
    budget cut short tears them apart. The first ranking stays the one that is remembered, until its first page is asked
    for again and the user has done something since.
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
        patience = min(deadline, time.monotonic() + self._settings.profiles.budget_ms / 1000)
        outcomes: list[Outcome | None] = [None] * len(searches)
        by_model: defaultdict[str, list[Task]] = defaultdict(list)
        for place, (plan, response) in enumerate(searches):
            wants_profile = reader.user is not None and plan.variant.wants_profile
            id_field = self._settings.profiles.id_field
            window = read_window(plan, response, has_profile=wants_profile, id_field=id_field)
            if isinstance(window, Reason):
                outcomes[place] = window
            elif plan.variant.model is None or plan.variant.model not in engines:
                outcomes[place] = NoModel(f"variant {plan.variant.name!r} has no model; define one under models")
            else:
                engine = engines[plan.variant.model]
                taken_up = self._take_up(Task(place, plan, window), response, reader, engine, patience)
                if isinstance(taken_up, Task):
                    by_model[plan.variant.model].append(taken_up)
                else:
                    outcomes[place] = taken_up
        for done, (model, tasks) in enumerate(by_model.items()):
            share = (deadline - time.monotonic()) / (len(by_model) - done)
            for task, outcome in zip(tasks, self._score(engines[model], tasks, reader, share), strict=True):
                outcomes[task.place] = outcome
        return [outcome for outcome in outcomes if outcome is not None]

    def _take_up(
        self, task: Task, response: SearchResponse, reader: Reader, engine: Engine, until: float
    ) -> Task | Scored:
        """The task with all that it needs, on its way; or the ranking that is remembered."""
        plan, window = task.plan, task.window
        key = _key(plan, window, reader, engine.name)
        remembered = self._remembered.get(key)
        if remembered is not None and not _is_outdated(remembered[0], plan, reader, until):
            return remembered[0]
        has_profile = reader.user is not None and plan.variant.wants_profile
        is_spared = has_profile and _is_spared(plan, window)
        wants_vectors = plan.variant.wants_cosines or (
            has_profile and not is_spared and plan.variant.wants_user_cosines
        )
        fetching = self._fetch_vectors(plan, response, window, reader) if wants_vectors else None
        return replace(task, key=key, is_spared=is_spared, fetching=fetching, is_renewed=remembered is not None)

    def _fetch_vectors(self, plan: Plan, response: SearchResponse, window: Window, reader: Reader) -> Fetching | None:
        """Set out for the vectors, which are fetched while the model reads."""
        found = vector_texts(plan, response, window)
        if found is None or found[0] not in self._vectors:
            return None
        vectors = self._vectors[found[0]]
        query_text = plan.query_text if plan.variant.wants_cosines else None
        pending = vectors.begin(query_text, found[1], reader.credentials)
        return Fetching(vectors, pending, time.monotonic() + vectors.budget_s) if pending else None

    def _score(self, engine: Engine, tasks: Sequence[Task], reader: Reader, budget_s: float) -> Sequence[Outcome]:
        started = time.monotonic()
        until = started + budget_s
        begun = [begin(task, engine, profile_by(reader.profile, started), until) for task in tasks]
        try:
            _read(engine, begun, until)
        except RerankError as error:
            return [error] * len(tasks)
        patience = time.monotonic() + self._settings.profiles.budget_ms / 1000
        profile = profile_by(reader.profile, min(until, patience))
        return [self._remember(each.task, finish(each, engine.name, profile, until)) for each in begun]

    def _remember(self, task: Task, outcome: Scored | DeadlineExceeded) -> Outcome:
        ttl_s = self._settings.rankings.ttl_s
        if isinstance(outcome, DeadlineExceeded) or not ttl_s:
            return outcome
        if task.is_renewed:
            self._remembered.put(task.key, outcome, ttl_s)
            return outcome
        return self._remembered.put_first(task.key, outcome, ttl_s)


def _read(engine: Engine, begun: Sequence[Begun], deadline: float) -> None:
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


def _key(plan: Plan, window: Window, reader: Reader, model: str) -> bytes:
    """A digest of all that a ranking is made of, but for the profile, for which the user stands.

    `model`: what the engine is called, which the version of a registered model is a part of.
    """
    variant = plan.variant
    ours = (variant.name, variant.model, model, variant.fusion.model.key, variant.cascade, variant.personal)
    parts = (*ours, reader.user, plan.query_text)
    digest = hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16)
    read = (window.passages, window.hit_fields, window.object_ids, window.values if variant.trained else ())
    digest.update(repr(read).encode("utf-8", "surrogatepass"))
    digest.update(window.first_stage_scores.tobytes())
    return digest.digest()


def _is_outdated(remembered: Scored, plan: Plan, reader: Reader, until: float) -> bool:
    """Whether a search begins anew, with a profile, there by `until` (monotonic), that has changed since."""
    if plan.page.start or remembered.is_spared or not plan.variant.wants_profile:
        return False
    profile = profile_by(reader.profile, until)
    return profile is not None and (remembered.profile is None or remembered.profile.version != profile.version)


def _is_spared(plan: Plan, window: Window) -> bool:
    is_careful = plan.variant.personal.spare_navigational
    return is_careful and is_navigational(plan.query_text, window.titles, window.document_texts)
