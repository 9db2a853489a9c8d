"""A recommendation, top to bottom: who asks, candidates, what this client may see, rerank, make diverse, answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from middleware.config import IndexSettings, Settings
from middleware.errors import NotFound, RequestError
from middleware.experiments.assign import Assignment, assign
from middleware.fusion import FloatArray
from middleware.message import Request
from middleware.personalization.profiles import Profile
from middleware.personalization.store import ProfileReader, profile_by
from middleware.privacy.consent import may_be_known
from middleware.recommend.answer import Recommendations, scores_of, write_body, write_headers
from middleware.recommend.asked import Asked
from middleware.recommend.diversity import likeness_of, order_by_mmr
from middleware.recommend.reranking import Judged, Reranking, Taste, fields_of, name_of
from middleware.recommend.shelf import Hits, Shelf
from middleware.recommend.sources import Candidates, Sources
from middleware.rerank.vectors import HitVectors
from middleware.search.reasons import Reason
from middleware.search.sections import find_sections
from middleware.search.target import split_indices
from middleware.second_stage import Reader
from middleware.upstream import Upstream, authorization
from middleware.verdict import Verdict

# What a page's own search and the writing of the answer take after the model.
_RESERVED_S = 0.03
# Of the whole time; longer than a search would wait, since here a profile is not a part of the question but all of it.
_PROFILE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Case:
    """One request: what was asked of which section, of whom, in whose name, until when (seconds, monotonic)."""

    asked: Asked
    index: str
    section: IndexSettings
    sources: Sources
    shelf: Shelf
    assignment: Assignment
    reader: Reader
    profile: Profile | None
    liked: Mapping[str, Any] | None
    deadline: float


class Recommender:
    """Answers requests for recommendations. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        reranking: Reranking,
        profiles: ProfileReader | None,
        sources: Mapping[str, Sources],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sources`: by name of a section of `indices`."""
        self._settings, self._upstream, self._reranking = settings, upstream, reranking
        self._profiles, self._sources, self._clock = profiles, sources, clock

    def __call__(self, request: Request, index: str, asked: Asked) -> Recommendations:
        """Raises RequestError, NotFound for a liked product that is not there, Refused, UpstreamError."""
        started = self._clock()
        case = self._open(request, index, asked, started)
        found = case.sources.find(asked, case.profile, case.liked, case.shelf)
        candidates = self._fetch(case, found)
        vectors = self._vectors_of(case, candidates)
        judged = self._judge(case, candidates, vectors)
        ranked, relevance = self._order(case, candidates, judged, vectors)
        scores = dict(zip(ranked, scores_of(relevance), strict=True))
        hits, answer = self._page(case, ranked[asked.start : asked.start + asked.size])
        took_ms = round((self._clock() - started) * 1000)
        body = write_body(hits, scores, len(ranked), took_ms, answer)
        verdict = _explained(judged.verdict, case, is_empty=not ranked)
        return Recommendations(body, write_headers(self._settings.headers, verdict, found.sources))

    def _open(self, request: Request, index: str, asked: Asked, started: float) -> _Case:
        name, section = self._find_section(index)
        reader = self._read_profile(request, asked)
        shelf = Shelf(self._upstream, request, index, asked.filter)
        liked = None
        if asked.like is not None:
            liked = shelf.find(asked.like)
            if liked is None:
                raise NotFound(f"no product [{asked.like[:128]}] in [{index}]")
        deadline = started + self._settings.recommend.budget_ms / 1000
        return _Case(
            asked,
            index,
            section,
            self._sources[name],
            shelf,
            assign(request.header(self._settings.headers.switch), reader.user, self._settings),
            reader,
            profile_by(reader.profile, time.monotonic() + _PROFILE_SHARE * self._settings.recommend.budget_ms / 1000),
            liked,
            deadline,
        )

    def _find_section(self, index: str) -> tuple[str, IndexSettings]:
        found = find_sections(split_indices(index), self._settings.indices)
        if found is None or len(found.candidates) != 1:
            raise RequestError(f"[{index}] must be covered by one section of [indices] in the configuration")
        return found.candidates[0]

    def _read_profile(self, request: Request, asked: Asked) -> Reader:
        """Nobody in particular where no user is named, or this one consents to no profile."""
        credentials = authorization(request)
        is_known = may_be_known(request.headers, self._settings.headers)
        if self._profiles is None or asked.user is None or not is_known:
            return Reader(credentials=credentials)
        return Reader(asked.user, self._profiles.prefetch(asked.user, credentials), credentials)

    def _fetch(self, case: _Case, found: Candidates) -> list[tuple[Mapping[str, Any], float]]:
        """The best candidates that pass the filter, at most a window, with their scores; short ones are filled up."""
        window, hidden = self._settings.recommend.window, self._hidden(case)
        names = [name for name in found.scores if name not in hidden]
        fields = self._reranking.wanted_fields(case.section, case.assignment)
        if case.asked.filter is not None:
            names = [str(hit["_id"]) for hit in case.shelf.select(names[: self._settings.recommend.candidates], ())]
        hits = case.shelf.select(names[: window if case.asked.filter is not None else 2 * window], fields)[:window]
        chosen = [(hit, found.scores[str(hit["_id"])]) for hit in hits]
        if case.asked.kind in ("for_you", "popular") and len(chosen) < window:
            chosen += self._fill(case, [*hidden, *(str(hit["_id"]) for hit in hits)], window - len(chosen), fields)
        return chosen

    def _hidden(self, case: _Case) -> set[str]:
        """What is not recommended: the liked product itself, and what the user has."""
        hidden = set() if case.asked.like is None else {case.asked.like}
        if self._settings.recommend.hide_bought and case.profile is not None and case.profile.bought:
            hidden |= set(case.shelf.resolve(list(case.profile.bought), self._settings.profiles.id_field))
        return hidden

    def _fill(
        self, case: _Case, but: Sequence[str], count: int, fields: Sequence[str]
    ) -> list[tuple[Mapping[str, Any], float]]:
        """The shop's own idea of what is popular, or else new; nothing where it has none."""
        features = case.section.features
        field = features.popularity or features.date
        hits: Hits = case.shelf.sorted_by(field, but, count, fields) if field else []
        return [(hit, -float(place)) for place, hit in enumerate(hits, start=1)]

    def _judge(
        self, case: _Case, candidates: Sequence[tuple[Mapping[str, Any], float]], vectors: HitVectors | None
    ) -> Judged:
        if not candidates:
            return Judged(np.zeros(0), Verdict("skipped", Reason.NO_CANDIDATES, case.assignment.variant))
        text = None if case.liked is None else name_of(case.liked, case.section)
        taste = None if case.profile is None else Taste(case.profile, vectors)
        left_ms = (case.deadline - self._clock() - _RESERVED_S) * 1000
        budget_ms = min(left_ms, self._settings.budget_ms)
        return self._reranking.judge(
            case.index, case.assignment, candidates, text or None, case.reader, taste, budget_ms
        )

    def _vectors_of(self, case: _Case, candidates: Sequence[tuple[Mapping[str, Any], float]]) -> HitVectors | None:
        """The vectors of candidates; None where no product has any."""
        catalogue = case.sources.catalogue
        if catalogue is None or catalogue.encoder is None:
            return None
        return HitVectors(catalogue.vectors_of([str(hit["_id"]) for hit, _ in candidates]), catalogue.encoder)

    def _order(
        self,
        case: _Case,
        candidates: Sequence[tuple[Mapping[str, Any], float]],
        judged: Judged,
        vectors: HitVectors | None,
    ) -> tuple[list[str], FloatArray]:
        """The ids of the whole ranking and their relevance, in its order."""
        matrix = np.full((len(candidates), 1), np.nan, dtype=np.float32) if vectors is None else vectors.matrix
        fields = [fields_of(hit, case.section) for hit, _ in candidates]
        likeness = likeness_of(matrix, fields)
        order = order_by_mmr(judged.relevance, likeness, self._settings.recommend.diversity)
        return [str(candidates[place][0]["_id"]) for place in order], judged.relevance[order]

    def _page(self, case: _Case, products: Sequence[str]) -> tuple[Hits, Mapping[str, Any]]:
        return case.shelf.page(products, case.asked.page) if products else ([], {})


def _explained(verdict: Verdict, case: _Case, *, is_empty: bool) -> Verdict:
    """The verdict with the reason that tells most: nothing there, or nothing known of the user."""
    if is_empty:
        return replace(verdict, word="skipped", reason=Reason.NO_CANDIDATES)
    is_stranger = case.asked.user is not None and case.profile is None and case.asked.kind == "for_you"
    return replace(verdict, reason=Reason.UNKNOWN_USER) if is_stranger and verdict.word != "applied" else verdict
