"""The answer to the client: its page of the ranking, every hit as Elasticsearch wrote it but for `_score`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from middleware.search.added_fields import cut_added_fields
from middleware.search.filter_path import filter_json, has_exclusions
from middleware.search.hits import Hit, SearchResponse
from middleware.search.json_text import replace_spans
from middleware.search.plan import Plan


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order of the answer: positions in the first-stage hits, best first.

    `scores` are the `_score` values of the first `len(scores)` positions; the hits after them keep Elasticsearch's.
    """

    positions: Sequence[int]
    scores: Sequence[float] = ()


def first_stage_ranking(hits: Sequence[Hit]) -> Ranking:
    """Elasticsearch's own order and scores."""
    return Ranking(range(len(hits)))


def leaves_to_elasticsearch(plan: Plan, response: SearchResponse) -> bool:
    """Whether only Elasticsearch can write the answer: versions differ in an empty page under an exclusion."""
    return bool(plan.filter_path and has_exclusions(plan.filter_path)) and len(response.hits) <= plan.page.start


def write_response(plan: Plan, response: SearchResponse, ranking: Ranking, took_ms: int) -> bytes:
    """The response body for the client's page, in UTF-8. Raises Unreadable where it is nested too deeply for us."""
    spans = [(*response.hits_span, _write_hits(plan, response, ranking))]
    if response.took_span:
        spans.append((*response.took_span, str(max(took_ms, response.took_ms))))
    if response.max_score_span and ranking.scores:
        spans.append((*response.max_score_span, _number(ranking.scores[0])))
    text = replace_spans(response.text, spans)
    return (filter_json(text, plan.filter_path) if plan.filter_path else text).encode()


def _write_hits(plan: Plan, response: SearchResponse, ranking: Ranking) -> str:
    page = range(*slice(plan.page.start, plan.page.end).indices(len(response.hits)))
    texts = [_write_hit(plan, response, ranking, place) for place in page]
    before, between, after = _layout(response)
    return before + between.join(texts) + after if texts else "[]"


def _layout(response: SearchResponse) -> tuple[str, str, str]:
    """Text before, between and after the hits, so that a pretty answer stays pretty."""
    if not response.hits:
        return "[", ",", "]"
    start, end = response.hits_span
    first, last = response.hits[0], response.hits[-1]
    between = response.text[first.end : response.hits[1].start] if len(response.hits) > 1 else ","
    return response.text[start : first.start], between, response.text[last.end : end]


def _write_hit(plan: Plan, response: SearchResponse, ranking: Ranking, place: int) -> str:
    hit = response.hits[ranking.positions[place]]
    spans: list[tuple[int, int, str]] = []
    score = hit.member("_score")
    if score and place < len(ranking.scores):
        spans.append((score.value_start, score.end, _number(ranking.scores[place])))
    spans += cut_added_fields(response.text, hit, plan.added_fields)
    return replace_spans(response.text, spans, hit.start, hit.end)


def _number(score: float) -> str:
    return repr(float(score))
