"""A search, top to bottom: assign a variant, plan, ask Elasticsearch for the window, rerank it, answer the page.

One request may hold many searches (`_msearch`): each has a plan of its own, and all go through each step together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from middleware.ads.server import AdServer
from middleware.answering import Answering, Course, Timing, usable
from middleware.cluster import Cluster
from middleware.config import Settings
from middleware.errors import RequestError, RerankError
from middleware.first_stage import FirstStage, Recall
from middleware.fusions import Fusion
from middleware.message import Request, Response
from middleware.observability import Metrics
from middleware.personalization.identity import Identity
from middleware.personalization.store import ProfileReader
from middleware.planning import PassThrough, Planner, Planning, without_own_syntax
from middleware.privacy.consent import may_be_known
from middleware.ranking import Scored
from middleware.search.compression import TooLarge
from middleware.search.hits import SearchResponse
from middleware.search.json_text import Unreadable
from middleware.search.plan import Plan
from middleware.search.reasons import Reason
from middleware.search.response import (
    has_empty_page_under_exclusion,
)
from middleware.search.target import Form, SearchTarget, read_search_target
from middleware.second_stage import Outcome, Reader, SecondStage
from middleware.upstream import Upstream, authorization, close
from middleware.verdict import join

_NOT_RERANKED = {
    Form.SCROLL: Reason.SCROLL,
    Form.ASYNC: Reason.ASYNC_SEARCH,
    Form.OPENSEARCH_ASYNC: Reason.ASYNC_SEARCH,
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A search's plan, Elasticsearch's answer and what the second stage made of it."""

    plan: Plan
    response: SearchResponse
    scored: Scored


class SearchProxy:
    """Answers searches; every failure of the second stage is answered with Elasticsearch's order."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        cluster: Cluster,
        second_stage: SecondStage,
        profiles: ProfileReader | None,
        metrics: Metrics,
        fusions: Mapping[str, Fusion | None],
        identity: Identity,
        ads: AdServer | None = None,
    ) -> None:
        self._settings = settings
        self._upstream = upstream
        self._first_stage = FirstStage(upstream, settings.server)
        self._cluster = cluster
        self._planner = Planner(settings, self._first_stage, cluster, fusions)
        self._second_stage = second_stage
        self._profiles = profiles
        self._identity = identity
        self._metrics = metrics
        self._ads = ads
        self._answering = Answering(settings, self._first_stage, metrics, ads)

    def __call__(self, request: Request, target: SearchTarget) -> Response:
        """Answer a request of one search or many, for a `target` of any form.

        Raises RequestError where our own header or syntax is wrong, UpstreamError where there is no upstream.
        """
        started = time.perf_counter()
        if target.form in _NOT_RERANKED:
            return self._pass_through(request, PassThrough([_NOT_RERANKED[target.form]], is_safe=False), None)
        request = request.started(self._settings.server.max_search_bytes)
        assignment = self._planner.assign(request)
        budget_ms = self._planner.budget_ms(request)
        planning = self._planner.plan(request, target, assignment)
        if isinstance(planning, PassThrough):
            return self._pass_through(request, planning, assignment.variant)
        reader = self._reader(request)
        recall = self._recall(request, planning)
        if isinstance(recall, Response):
            return recall
        reranking = time.perf_counter()
        outcomes = self._rerank(planning, recall, reader, budget_ms)
        timing = Timing(started, time.perf_counter() - reranking)
        try:
            return self._answering(Course(request, planning, recall, outcomes, reader.user, timing))
        except Unreadable as error:
            _log.info("answer of %s not writable: %s", request.path, error)
            return self._answer_as_it_was(request, planning, Reason.FIRST_STAGE_FAILED)

    def _pass_through(self, request: Request, decided: PassThrough, variant: str | None) -> Response:
        if decided.target is not None:
            request = replace(request, target=decided.target)
        if decided.body is None:
            response = self._upstream.forward(request, safe=decided.is_safe)
        else:
            response = self._upstream.search(request, request.target, decided.body, decided.headers)
        reason = join(decided.reasons)
        self._metrics.count_search("skipped", reason, variant or "off")
        names = self._settings.headers
        return response.with_headers({names.switch: "skipped", names.reason: reason})

    def _reader(self, request: Request) -> Reader:
        user = (request.header(self._settings.headers.user) or "").strip()
        credentials = authorization(request)
        if not user or not may_be_known(request.headers, self._settings.headers):
            return Reader(credentials=credentials)
        client_id = self._identity.hash(user)
        if self._ads is not None:
            self._ads.prepare(client_id)
        profile = self._profiles.prefetch(user, credentials) if self._profiles else None
        return Reader(client_id, profile, credentials)

    def _recall(self, request: Request, planning: Planning) -> Recall | Response:
        """All windows from Elasticsearch; where it refuses, its answer to the client's own request instead."""
        try:
            recall = self._first_stage.ask(request, planning.asked, planning.plans)
        except Unreadable as error:
            _log.info("first-stage request of %s not usable: %s", request.path, error)
            reason = Reason.RESPONSE_TOO_LARGE if isinstance(error, TooLarge) else Reason.FIRST_STAGE_FAILED
            return self._answer_as_it_was(request, planning, reason)
        if isinstance(recall, Recall) and self._only_elasticsearch_can_write(planning, recall):
            return self._answer_as_it_was(request, planning, Reason.NO_HITS, "skipped")
        return recall

    def _only_elasticsearch_can_write(self, planning: Planning, recall: Recall) -> bool:
        """Versions differ in what they leave of an empty page under an exclusion of `filter_path`."""
        if self._cluster.product.keeps_empty_under_exclusion is False:
            return False
        return any(
            has_empty_page_under_exclusion(planning.asked, plan, found) for _, plan, found in usable(planning, recall)
        )

    def _answer_as_it_was(
        self, request: Request, planning: Planning, reason: Reason, word: str = "fallback"
    ) -> Response:
        """Send the client's own request; its answer, errors included, is what the client would have got without us."""
        decided = without_own_syntax(planning.asked, [reason])
        if decided.body is None:
            response = self._upstream.forward(request, safe=True)
        else:
            response = self._upstream.search(request, decided.target or request.target, decided.body, decided.headers)
        for _, plan in planning.planned:
            self._metrics.count_search(word, reason, plan.variant.name)
        names = self._settings.headers
        variants = join([plan.variant.name for _, plan in planning.planned])
        headers = {names.switch: word, names.reason: reason}
        return response.with_headers(headers | ({names.variant: variants} if variants else {}))

    def _rerank(self, planning: Planning, recall: Recall, reader: Reader, budget_ms: float) -> dict[int, Outcome]:
        """The second stage, fail-open: whatever goes wrong in it leaves Elasticsearch's order."""
        searches = list(usable(planning, recall))
        try:
            outcomes = self._second_stage.rerank([(plan, found) for _, plan, found in searches], reader, budget_ms)
        except Exception as error:  # noqa: BLE001  a bug of ours must not fail a search that Elasticsearch has answered
            _log.exception("fallback, %s", Reason.RERANK_FAILED)
            outcomes = [RerankError(str(error))] * len(searches)
        return {place: outcome for (place, _, _), outcome in zip(searches, outcomes, strict=True)}

    def rank(self, request: Request) -> Ranked:
        """One search as far as its ranking, for those who explain it; nothing is counted.

        Raises RequestError where the search is not reranked, saying why, and RerankError where the second stage fails.
        """
        target = read_search_target(request.method, request.target)
        if target is None or target.form not in (Form.SEARCH, Form.TEMPLATE):
            raise RequestError("only a _search or _search/template can be explained")
        request = request.started(self._settings.server.max_search_bytes)
        planning = self._planner.plan(request, target, self._planner.assign(request))
        if isinstance(planning, PassThrough):
            raise not_reranked(planning.reasons[0])
        recall = self._recall(request, planning)
        if isinstance(recall, Response):
            close(recall)
            raise RequestError(f"Elasticsearch answered the first-stage request with status {recall.status}")
        ((_, plan, found),) = usable(planning, recall)
        (outcome,) = self._second_stage.rerank([(plan, found)], self._reader(request), self._planner.budget_ms(request))
        if isinstance(outcome, RerankError):
            raise outcome
        if isinstance(outcome, Reason):
            raise not_reranked(outcome)
        return Ranked(plan, found, outcome)


def not_reranked(reason: Reason) -> RequestError:
    """What the explanation of a search says that has none."""
    return RequestError(f"this search is not reranked: {reason.meaning} [{reason}]")
