"""A search, top to bottom: assign a variant, plan, ask Elasticsearch for the window, rerank it, answer the page."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from middleware.config import CONTROL, Settings
from middleware.errors import RequestError, RerankError
from middleware.experiments.assign import Assignment, assign
from middleware.explanation import explain_ranking
from middleware.message import Request, Response
from middleware.observability import Metrics
from middleware.personalization.profiles import Profile
from middleware.personalization.store import ProfileReader
from middleware.search.first_stage import first_stage_body, first_stage_target
from middleware.search.hits import SearchResponse, read_search_response
from middleware.search.json_text import Unreadable
from middleware.search.plan import Plan, SearchRequest, Skip, encode_body, make_plan, strip_own_syntax
from middleware.search.reasons import Reason
from middleware.search.response import first_stage_ranking, leaves_to_elasticsearch, write_response
from middleware.search.target import read_search_target
from middleware.second_stage import Scored, SecondStage
from middleware.upstream import Upstream, authorization, close, read_all

_BUSY = (429, 502, 503, 504)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FirstStage:
    """The first-stage answer and how long it took, in seconds."""

    answer: Response
    response: SearchResponse
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the second stage: `scored` where it applied, else the reason and whether that is our failure."""

    scored: Scored | None
    reason: Reason | None
    failed: bool
    seconds: float

    @property
    def word(self) -> str:
        return "applied" if self.scored else "fallback" if self.failed else "skipped"


class SearchProxy:
    """Answers searches; every failure of the second stage is answered with Elasticsearch's order."""

    def __init__(
        self,
        settings: Settings,
        upstream: Upstream,
        second_stage: SecondStage,
        profiles: ProfileReader | None,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._upstream = upstream
        self._second_stage = second_stage
        self._profiles = profiles
        self._metrics = metrics

    def __call__(self, request: Request) -> Response:
        """Answer one search.

        Raises RequestError where our own header or syntax is wrong, UpstreamError where there is no upstream.
        """
        started = time.perf_counter()
        request = request.started(self._settings.server.max_search_bytes)
        assignment = self._assign(request)
        budget_ms = self._budget_ms(request)
        plan = self._plan(request, assignment)
        if isinstance(plan, Skip):
            return self._pass_through(request, plan, assignment)
        profile = self._prefetch_profile(request)
        first_stage = self._ask_first_stage(request, plan)
        if isinstance(first_stage, Response):
            return first_stage
        outcome = self._rerank(plan, first_stage.response, profile, budget_ms)
        try:
            return self._respond(plan, first_stage, outcome, started)
        except Unreadable as error:
            _log.info("answer of %s not writable: %s", request.path, error)
            return self._answer_as_it_was(request, plan, Reason.FIRST_STAGE_FAILED)

    def _assign(self, request: Request) -> Assignment:
        names = self._settings.headers
        return assign(request.header(names.switch), request.header(names.user), self._settings)

    def _budget_ms(self, request: Request) -> int:
        name = self._settings.headers.budget_ms
        value = request.header(name)
        if value is None:
            return self._settings.budget_ms
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
            raise RequestError(f"[{name}] must be a number of milliseconds above 0, not [{value[:40]}]")
        return int(value)

    def _plan(self, request: Request, assignment: Assignment) -> Plan | Skip:
        target = read_search_target(request.method, request.target)
        if target is None or request.stream is not None:
            return Skip(Reason.BODY_TOO_LARGE)
        if assignment.off or assignment.variant in (None, CONTROL):
            return Skip(Reason.OFF if assignment.off else Reason.CONTROL, strip_own_syntax(request.body))
        headers = {name.lower(): value for name, value in request.headers}
        return make_plan(SearchRequest(target, headers, request.body), str(assignment.variant), self._settings)

    def _pass_through(self, request: Request, skip: Skip, assignment: Assignment) -> Response:
        if skip.body is None:
            response = self._upstream.forward(request, safe=True)
        else:
            response = self._upstream.search(request, request.target, skip.body)
        self._metrics.count_search("skipped", skip.reason, assignment.variant or "off")
        names = self._settings.headers
        return response.with_headers({names.switch: "skipped", names.reason: skip.reason})

    def _prefetch_profile(self, request: Request) -> Future[Profile | None] | None:
        user = request.header(self._settings.headers.user)
        if self._profiles is None or not user or not user.strip():
            return None
        return self._profiles.prefetch(user.strip(), authorization(request))

    def _ask_first_stage(self, request: Request, plan: Plan) -> FirstStage | Response:
        """The window from Elasticsearch; where it refuses, its answer to the client's own request instead."""
        started = time.perf_counter()
        answer = self._upstream.search(request, first_stage_target(plan), first_stage_body(plan))
        if answer.status in _BUSY:
            return answer
        data = read_all(answer, self._settings.server.max_response_bytes)
        if data is None:
            return self._answer_as_it_was(request, plan, Reason.RESPONSE_TOO_LARGE)
        try:
            if answer.status != 200:
                raise Unreadable(f"status {answer.status}")
            response = read_search_response(data)
        except Unreadable as error:
            _log.info("first-stage request of %s not usable: %s", request.path, error)
            return self._answer_as_it_was(request, plan, Reason.FIRST_STAGE_FAILED)
        if leaves_to_elasticsearch(plan, response):
            return self._answer_as_it_was(request, plan, Reason.NO_HITS, "skipped")
        return FirstStage(answer, response, time.perf_counter() - started)

    def _answer_as_it_was(self, request: Request, plan: Plan, reason: Reason, word: str = "fallback") -> Response:
        """Send the client's own search; its answer, errors included, is what the client would have got without us."""
        if plan.own_syntax:
            response = self._upstream.search(request, request.target, encode_body(plan.body))
        else:
            response = self._upstream.forward(request, safe=True)
        self._metrics.count_search(word, reason, plan.variant.name)
        names = self._settings.headers
        return response.with_headers({names.switch: word, names.reason: reason, names.variant: plan.variant.name})

    def _rerank(
        self, plan: Plan, response: SearchResponse, profile: Future[Profile | None] | None, budget_ms: float
    ) -> Outcome:
        """The second stage, fail-open: whatever goes wrong in it leaves Elasticsearch's order."""
        started = time.perf_counter()
        scored, reason, failed = None, None, False
        try:
            result = self._second_stage.rerank(plan, response, profile, budget_ms)
            scored, reason = (None, result) if isinstance(result, Reason) else (result, None)
        except RerankError as error:
            reason, failed = Reason.of(error.fallback_reason), True
            _log.warning("fallback, %s: %s", reason, error)
        except Exception:  # noqa: BLE001  a bug of ours must not fail a search that Elasticsearch has answered
            reason, failed = Reason.RERANK_FAILED, True
            _log.exception("fallback, %s", reason)
        return Outcome(scored, reason, failed, time.perf_counter() - started)

    def _respond(self, plan: Plan, first_stage: FirstStage, outcome: Outcome, started: float) -> Response:
        response = first_stage.response
        ranking = outcome.scored.ranking if outcome.scored else first_stage_ranking(response.hits)
        took_ms = round((time.perf_counter() - started) * 1000)
        body = write_response(plan, response, ranking, took_ms)
        self._metrics.count_search(outcome.word, outcome.reason or "", plan.variant.name)
        self._metrics.observe_stages(first_stage.seconds, outcome.seconds)
        kept = tuple(pair for pair in first_stage.answer.headers if pair[0].lower() != "content-length")
        answer = Response(200, (*kept, ("content-length", str(len(body)))), (body,), first_stage.answer.reason)
        return answer.with_headers(self._headers(plan, first_stage, outcome))

    def _headers(self, plan: Plan, first_stage: FirstStage, outcome: Outcome) -> Mapping[str, str]:
        names = self._settings.headers
        headers = {names.switch: outcome.word, names.variant: plan.variant.name}
        if outcome.scored:
            headers |= {names.model: outcome.scored.model, names.window: str(len(outcome.scored.fused_scores))}
        if outcome.reason:
            headers[names.reason] = outcome.reason
        timing = f"es;dur={first_stage.seconds * 1000:.1f}, rerank;dur={outcome.seconds * 1000:.1f}"
        return headers | {"Server-Timing": timing}

    def explain(self, request: Request) -> Mapping[str, Any]:
        """Why the hits of a search stand where they stand: plan, features and their contributions, hit by hit.

        Raises RequestError where the search is not reranked, saying why, and RerankError where the second stage fails.
        """
        request = request.started(self._settings.server.max_search_bytes)
        plan = self._plan(request, self._assign(request))
        if isinstance(plan, Skip):
            raise RequestError(f"this search is not reranked: {plan.reason.meaning} [{plan.reason}]")
        profile = self._prefetch_profile(request)
        first_stage = self._ask_first_stage(request, plan)
        if isinstance(first_stage, Response):
            close(first_stage)
            raise RequestError(f"Elasticsearch answered the first-stage request with status {first_stage.status}")
        result = self._second_stage.rerank(plan, first_stage.response, profile, self._budget_ms(request))
        if isinstance(result, Reason):
            raise RequestError(f"this search is not reranked: {result.meaning} [{result}]")
        return explain_ranking(plan, first_stage.response, result)
