"""The decision on a request: assign a variant, read it, have its templates rendered, plan each of its searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from middleware.cluster import Cluster
from middleware.config import CONTROL, Settings
from middleware.errors import RequestError
from middleware.experiments.assign import Assignment, assign
from middleware.first_stage import FirstStage
from middleware.fusions import Fusion
from middleware.message import Request
from middleware.search.first_stage import Planned, beyond_window_target, is_sent_on
from middleware.search.plan import Plan, Skip, make_plan
from middleware.search.reasons import Reason
from middleware.search.request import Search, SearchRequest, read_request
from middleware.search.sections import find_sections
from middleware.search.target import SearchTarget


@dataclass(frozen=True, slots=True)
class Planning:
    """A request read and decided: what to do with each of its searches, in their order."""

    asked: SearchRequest
    plans: Sequence[Planned]

    @property
    def planned(self) -> list[tuple[int, Plan]]:
        """The searches to rerank, by their place."""
        return [(place, plan) for place, plan in enumerate(self.plans) if isinstance(plan, Plan)]

    @property
    def reasons(self) -> list[Reason]:
        """Why the others are not reranked, each reason once."""
        return list(dict.fromkeys(plan.reason for plan in self.plans if isinstance(plan, Skip)))


@dataclass(frozen=True, slots=True)
class PassThrough:
    """The request goes on as it came, but for a `target` or `body` that replaces the client's.

    `is_safe`: it only reads, so that it may be sent again where a connection breaks.
    """

    reasons: Sequence[Reason]
    target: str | None = None
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    is_safe: bool = True


class Planner:
    """Decides with the settings alone, and with Elasticsearch where a template must be rendered."""

    def __init__(
        self, settings: Settings, first_stage: FirstStage, cluster: Cluster, fusions: Mapping[str, Fusion | None]
    ) -> None:
        self._settings = settings
        self._fusions = fusions
        self._cluster = cluster
        self._first_stage = first_stage

    def assign(self, request: Request) -> Assignment:
        """The variant of the request; raises RequestError where the switch header names none."""
        names = self._settings.headers
        return assign(request.header(names.switch), request.header(names.user), self._settings)

    def budget_ms(self, request: Request) -> int:
        """Milliseconds for the second stage; raises RequestError where the header holds no such number."""
        name = self._settings.headers.budget_ms
        value = request.header(name)
        if value is None:
            return self._settings.budget_ms
        if not (value.isascii() and value.isdigit() and len(value) < 10 and int(value)):
            raise RequestError(f"[{name}] must be a number of milliseconds above 0, not [{value[:40]}]")
        return int(value)

    def plan(self, request: Request, target: SearchTarget, assignment: Assignment) -> Planning | PassThrough:
        """What to do with a request whose body was read; raises RequestError where our own syntax is wrong."""
        early = self._reason_not_to_read(request, target, assignment)
        if early and (request.stream is not None or not _may_hold_own_syntax(request)):
            return PassThrough([early])
        headers = {name.lower(): value for name, value in reversed(request.headers)}
        product = self._cluster.product
        asked = read_request(
            target,
            headers,
            request.body,
            self._settings.server.max_search_bytes,
            is_opensearch=product.distribution == "opensearch",
        )
        if isinstance(asked, Reason):
            return PassThrough([early or asked])
        if not (assignment.off or product.has_retrievers):
            asked = self._without_rerankers(asked)
        if early:
            return without_own_syntax(asked, [early])
        rendered = self._render(request, asked)
        variant, has_retrievers = str(assignment.variant), product.has_retrievers
        plans = [
            make_plan(search, variant, self._settings, has_retrievers=has_retrievers, fusions=self._fusions)
            for search in rendered.searches
        ]
        if any(isinstance(plan, Plan) for plan in plans):
            return Planning(rendered, plans)
        return self._skip(asked, rendered, plans)

    def _reason_not_to_read(self, request: Request, target: SearchTarget, assignment: Assignment) -> Reason | None:
        """Why the request is not reranked whatever its body says: decoded only where something of ours may be in it."""
        if request.stream is not None:
            return Reason.BODY_TOO_LARGE
        if assignment.off:
            return Reason.OFF
        if assignment.variant in (None, CONTROL):
            return Reason.CONTROL
        is_ours = target.form.is_multi or find_sections(target.indices, self._settings.indices)
        return None if is_ours else Reason.INDEX_NOT_CONFIGURED

    def _without_rerankers(self, asked: SearchRequest) -> SearchRequest:
        """Searches of ours go to a cluster without `text_similarity_reranker` as what is inside it, reranked or not."""
        searches = tuple(replace(search, knows_rerankers=not self._is_ours(search)) for search in asked.searches)
        return replace(asked, searches=searches)

    def _render(self, request: Request, asked: SearchRequest) -> SearchRequest:
        """The request with its templates rendered, if any of its searches is on an index of ours."""
        if asked.target.form.is_template and any(map(self._is_ours, asked.searches)):
            return self._first_stage.render(request, asked)
        return asked

    def _is_ours(self, search: Search) -> bool:
        return find_sections(search.indices, self._settings.indices) is not None

    def _skip(self, asked: SearchRequest, rendered: SearchRequest, plans: Sequence[Planned]) -> PassThrough | Planning:
        """No search is reranked; pages beyond the window go to the copies of the shards that the others came from."""
        planning = Planning(rendered, plans)
        apart = [plan for plan in plans if isinstance(plan, Skip) and plan.preference]
        if not apart:
            return without_own_syntax(asked, planning.reasons)
        if asked.target.form.is_multi:
            return planning
        stripped = without_own_syntax(asked, planning.reasons)
        target = beyond_window_target(asked, apart[0], is_own_body=stripped.body is not None)
        return replace(stripped, target=target)


def _may_hold_own_syntax(request: Request) -> bool:
    """Whether the body must be decoded to know that nothing in it is ours."""
    return b"rerank" in request.body or "rerank" in request.target or bool(request.header("content-encoding"))


def without_own_syntax(asked: SearchRequest, reasons: Sequence[Reason]) -> PassThrough:
    """The client's own request without what the cluster does not know of it."""
    body = asked.without_own_syntax()
    if body is None:
        return PassThrough(reasons)
    return PassThrough(reasons, asked.target.edited(is_sent_on), body, asked.own_headers)
