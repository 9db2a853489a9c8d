"""The answer to a request whose searches were reranked: rankings, ads, pages fetched apart, verdicts in the headers."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from middleware.ads.server import AdServer
from middleware.config import Settings
from middleware.first_stage import FirstStage, Recall, encoded_like, format_of
from middleware.message import Request, Response
from middleware.observability import Metrics
from middleware.planning import Planning
from middleware.ranking import Scored, make_ranking
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.response import Ranking, Written, first_stage_ranking, write_answer
from middleware.second_stage import Outcome
from middleware.verdict import judge, verdict_headers

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """When the request came (seconds of the performance counter), and how long the second stage took."""

    started: float
    second_stage_s: float

    def took_ms(self) -> int:
        """Milliseconds since the request came."""
        return round((time.perf_counter() - self.started) * 1000)


@dataclass(frozen=True, slots=True)
class Course:
    """How a request went: its searches, Elasticsearch's windows, and by place what became of each.

    `client_id`: the hash of who searches, None for nobody in particular.
    """

    request: Request
    planning: Planning
    recall: Recall
    outcomes: Mapping[int, Outcome]
    client_id: str | None
    timing: Timing


class Answering:
    """Writes answers. Thread-safe as far as its parts are."""

    def __init__(self, settings: Settings, first_stage: FirstStage, metrics: Metrics, ads: AdServer | None) -> None:
        self._names = settings.headers
        self._first_stage = first_stage
        self._metrics = metrics
        self._ads = ads

    def __call__(self, course: Course) -> Response:
        """Raises Unreadable where the answer is nested too deeply for us."""
        planning, recall, timing = course.planning, course.recall, course.timing
        written, others = self._write(course), self._others(course)
        body = write_answer(
            planning.asked, format_of(recall.response), recall.answer, written, others, timing.took_ms()
        )
        verdicts = [judge(plan, course.outcomes.get(place)) for place, plan in enumerate(planning.plans)]
        for verdict in verdicts:
            self._metrics.count_search(verdict.word, verdict.reason or "", verdict.variant or "")
        self._metrics.observe_stages(recall.seconds, timing.second_stage_s)
        durations = f"es;dur={recall.seconds * 1000:.1f}, rerank;dur={timing.second_stage_s * 1000:.1f}"
        headers = {**verdict_headers(self._names, verdicts), **self._told_ads(written), "Server-Timing": durations}
        return encoded_like(recall.response, body).with_headers(headers)

    def _told_ads(self, written: list[Written]) -> Mapping[str, str]:
        places = [", ".join(map(str, each.ranking.sponsored_places(each.plan))) for each in written]
        return {self._names.sponsored: "; ".join(places)} if any(places) else {}

    def _write(self, course: Course) -> list[Written]:
        """Each usable response with its ranking, and of deferred searches the hits of the page."""
        rankings = []
        for place, plan, found in usable(course.planning, course.recall):
            outcome, ranking = course.outcomes[place], first_stage_ranking(found)
            if isinstance(outcome, Scored):
                ranking = self._sponsored(plan, found, outcome, course.client_id)
            rankings.append((plan, found, ranking))
        apart = [ranked for ranked in rankings if ranked[0].deferral]
        pages = iter(self._first_stage.fetch_pages(course.request, course.planning.asked, apart) if apart else [])
        took_ms = course.timing.took_ms()
        return [Written(*ranked, next(pages) if ranked[0].deferral else {}, took_ms) for ranked in rankings]

    def _sponsored(self, plan: Plan, found: SearchResponse, scored: Scored, client_id: str | None) -> Ranking:
        """The ranking with its ads, fail-open: what goes wrong with them leaves it without."""
        ranking = make_ranking(plan, found, scored)
        if self._ads is None:
            return ranking
        try:
            return self._ads.sponsor(plan, found, scored, ranking, client_id)
        except Exception:  # noqa: BLE001  a bug of ours must not fail a search
            _log.exception("a search without its ads")
            return ranking

    def _others(self, course: Course) -> dict[tuple[int, int], str]:
        """Span -> response to the client's own search, for the planned ones that Elasticsearch refused or failed."""
        asked = course.planning.asked
        refused = [
            (found, asked.searches[place])
            for place, _ in course.planning.planned
            if not isinstance(found := course.recall.answer.responses[place], SearchResponse)
        ]
        if not refused:
            return {}
        texts = self._first_stage.ask_untouched(course.request, asked, [search for _, search in refused])
        return {span: text for (span, _), text in zip(refused, texts, strict=True)}


def usable(planning: Planning, recall: Recall) -> Iterator[tuple[int, Plan, SearchResponse]]:
    """The planned searches that Elasticsearch answered, by their place."""
    for place, plan in planning.planned:
        found = recall.answer.responses[place]
        if isinstance(found, SearchResponse):
            yield place, plan, found
