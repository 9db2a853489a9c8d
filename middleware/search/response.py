"""The answer to the client: its page of each ranking, every hit as Elasticsearch wrote it but for `_score`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from middleware.search.added_fields import cut_added_fields
from middleware.search.filter_path import filter_json, has_exclusions
from middleware.search.formats import Format, compact_json, pretty_json, spell_score, write_text
from middleware.search.hits import Answer, Hit, SearchResponse
from middleware.search.json_text import Cursor, cut_members, replace_spans
from middleware.search.plan import Plan
from middleware.search.request import SearchRequest

SPONSORED = "_sponsored"
_TOTAL = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Ranking:
    """The order of the answer: positions in the first-stage hits, best first.

    `scores` are the `_score` values of the first `len(scores)` positions; the hits after them keep Elasticsearch's.
    `sponsored`: position -> id of the ad that its place was paid with.
    """

    positions: Sequence[int]
    scores: Sequence[float] = ()
    sponsored: Mapping[int, str] = field(default_factory=dict)

    def page(self, plan: Plan) -> Sequence[int]:
        """The positions of the client's page."""
        return self.positions[plan.page.start : plan.page.end]

    def sponsored_places(self, plan: Plan) -> list[int]:
        """Places on the client's page, from 1, that were paid for."""
        return [place for place, position in enumerate(self.page(plan), start=1) if position in self.sponsored]


@dataclass(frozen=True, slots=True)
class Written:
    """What becomes of one search's response: its ranking, the page's hits where they were fetched apart, its took."""

    plan: Plan
    response: SearchResponse
    ranking: Ranking
    page_hits: Mapping[int, Hit]
    took_ms: int


def first_stage_ranking(response: SearchResponse) -> Ranking:
    """Elasticsearch's own order and scores."""
    return Ranking(range(len(response.hits)))


def has_empty_page_under_exclusion(request: SearchRequest, plan: Plan, response: SearchResponse) -> bool:
    """Whether an exclusion of `filter_path` meets a page without hits: versions differ in what they leave of that."""
    return has_exclusions(request.filter_path) and len(response.hits) <= plan.page.start


def write_answer(
    request: SearchRequest,
    format: Format,
    answer: Answer,
    written: Sequence[Written],
    others: Mapping[tuple[int, int], str],
    took_ms: int,
) -> bytes:
    """The answer's body in the `format`: each search `written`, and `others` in the spans of theirs.

    Raises Unreadable where it is nested too deeply for us.
    """
    spans = [(*each.response.span, _write_response(request, format, each)) for each in written]
    spans += [(*span, text) for span, text in others.items()]
    if answer.took_span and written:
        spans.append((*answer.took_span, str(took_ms)))
    text = replace_spans(answer.text, spans)
    if request.filter_path:
        text = filter_json(text, request.filter_path)
        if format is Format.JSON:  # Elasticsearch writes anew what it filters
            text = pretty_json(text) if request.pretty else compact_json(text)
    return write_text(text, format)


def _write_response(request: SearchRequest, format: Format, written: Written) -> str:
    response, ranking = written.response, written.ranking
    spans = [(*response.hits_span, _write_hits(request, format, written))]
    if response.took_span:
        spans.append((*response.took_span, str(max(written.took_ms, response.took_ms))))
    if response.max_score_span and ranking.scores:
        spans.append((*response.max_score_span, spell_score(ranking.scores[0], format)))
    if response.total_span and written.plan.wish.min_score is not None:
        spans.append((*response.total_span, _count(response, len(ranking.positions))))
    return replace_spans(response.text, spans, *response.span)


def _count(response: SearchResponse, hits: int) -> str:
    """`hits.total` of a search whose reranker drops hits: those that it kept, in the form that it came in."""
    start, end = response.total_span or (0, 0)
    total = _TOTAL.sub(str(hits), response.text[start:end], count=1)
    return total.replace('"gte"', '"eq"')


def _write_hits(request: SearchRequest, format: Format, written: Written) -> str:
    page = written.plan.page
    places = range(*slice(page.start, page.end).indices(len(written.ranking.positions)))
    texts = [_write_hit(written, place, format) for place in places]
    before, between, after = _layout(written.response)
    return before + between.join(texts) + after if texts else "[ ]" if request.pretty else "[]"


def _layout(response: SearchResponse) -> tuple[str, str, str]:
    """Text before, between and after the hits, so that a pretty answer stays pretty."""
    if not response.hits:
        return "[", ",", "]"
    start, end = response.hits_span
    first, last = response.hits[0], response.hits[-1]
    between = response.text[first.end : response.hits[1].start] if len(response.hits) > 1 else ","
    return response.text[start : first.start], between, response.text[last.end : end]


def _write_hit(written: Written, place: int, format: Format) -> str:
    """A hit's own text with the ranking's score; one that was fetched apart keeps the first stage's beyond it."""
    response, ranking = written.response, written.ranking
    position = ranking.positions[place]
    apart = written.page_hits.get(position)
    hit = apart or response.hits[position]
    spans: list[tuple[int, int, str]] = []
    score = hit.member("_score")
    if score and place < len(ranking.scores):
        spans.append((score.value_start, score.end, spell_score(ranking.scores[place], format)))
    elif score and apart:
        first = response.hits[position].member("_score")
        spans += [(score.value_start, score.end, response.text[first.value_start : first.end])] if first else []
    spans += cut_added_fields(hit.text, hit, written.plan.added_fields)
    if written.plan.wish.limits_hits:
        spans += cut_members(hit.read_members(), ("sort",))  # of the retriever inside
    text = replace_spans(hit.text, spans, hit.start, hit.end)
    ad_id = ranking.sponsored.get(position)
    return text if ad_id is None else label_hit(text, ad_id)


def label_hit(text: str, ad_id: str) -> str:
    """The hit with `fields._sponsored`, where clients of any kind read it: a list that holds the ad's id."""
    label = f'"{SPONSORED}":[{json.dumps(ad_id)}]'
    members = Cursor(text).read_members()
    fields = next((member for member in members if member.name == "fields" and isinstance(member.value, dict)), None)
    if fields is None:
        return replace_spans(text, [(members[-1].end, members[-1].end, f',"fields":{{{label}}}')])
    comma = "," if fields.value else ""
    return replace_spans(text, [(fields.value_start + 1, fields.value_start + 1, label + comma)])
