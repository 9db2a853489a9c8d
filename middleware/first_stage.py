"""The first stage of a request's searches: what Elasticsearch is asked, in as few requests as the client sent."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.config import ServerSettings
from middleware.message import Request, Response
from middleware.search.compression import TooLarge, accepted, compress, decompress
from middleware.search.deferral import match_page
from middleware.search.first_stage import Outgoing, Planned, page_request, untouched_request, window_request
from middleware.search.formats import Format, read_media_type, read_text
from middleware.search.hits import Answer, Hit, SearchResponse, read_answer
from middleware.search.json_text import Unreadable, load_strict
from middleware.search.plan import Plan
from middleware.search.request import TEMPLATE_OPTIONS, Search, SearchRequest, encode_body
from middleware.search.response import Ranking
from middleware.upstream import Upstream, read_all

_RENDER = "/_render/template"
_TEMPLATE = ("id", "source", "params")
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_BUSY = (429, 502, 503, 504)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recall:
    """The windows of all searches of a request, with the answer they came in, and how long that took, in seconds."""

    response: Response
    answer: Answer
    seconds: float


class FirstStage:
    """Asks upstream in the name of the client. Every method raises UpstreamError where there is no upstream."""

    def __init__(self, upstream: Upstream, settings: ServerSettings) -> None:
        self._upstream = upstream
        self._max_bytes = settings.max_response_bytes

    def render(self, request: Request, asked: SearchRequest) -> SearchRequest:
        """The request with those of its templates rendered that Elasticsearch renders."""
        return asked.with_bodies([self._try_to_render(request, search) for search in asked.searches])

    def _try_to_render(self, request: Request, search: Search) -> Mapping[str, Any] | None:
        try:
            return self._render(request, search)
        except Unreadable as error:
            _log.info("template of %s not rendered: %s", request.path, error)
            return None

    def _render(self, request: Request, search: Search) -> Mapping[str, Any]:
        wanted = {name: search.body[name] for name in _TEMPLATE if name in search.body}
        if set(search.body) - {*_TEMPLATE, *TEMPLATE_OPTIONS}:
            raise Unreadable("not a template search, or one that only renders")
        rendering = Request("POST", _RENDER, request.headers)
        response = self._upstream.search(rendering, _RENDER, encode_body(wanted), _JSON)
        data = read_all(response, self._max_bytes)
        if response.status != 200 or data is None:
            raise Unreadable(f"the template was not rendered: status {response.status}")
        try:
            body = load_strict(data)["template_output"]
        except (KeyError, TypeError) as error:
            raise Unreadable(f"the rendered template is not readable: {error}") from error
        if not isinstance(body, dict):
            raise Unreadable("the rendered template is not a search body")
        # A template search sets its options anew, whatever its template says.
        options = {name: search.body[name] for name in TEMPLATE_OPTIONS if name in search.body}
        return {name: value for name, value in body.items() if name not in TEMPLATE_OPTIONS} | options

    def ask(self, request: Request, asked: SearchRequest, plans: Sequence[Planned]) -> Recall | Response:
        """The window of each planned search; the answer as it came where the cluster is busy.

        Raises Unreadable where it refuses the request or its answer cannot be read, TooLarge.
        """
        started = time.perf_counter()
        response = self._search(request, window_request(asked, plans))
        if response.status in _BUSY:
            return response
        text = self._text(response)
        seconds = time.perf_counter() - started
        return Recall(response, _read(text, asked, len(plans)), seconds)

    def ask_untouched(self, request: Request, asked: SearchRequest, searches: Sequence[Search]) -> list[str]:
        """The responses to some searches of an `_msearch` as the client sent them; raises Unreadable."""
        response = self._search(request, untouched_request(asked, searches))
        answer = _read(self._text(response), asked, len(searches))
        spans = [found.span if isinstance(found, SearchResponse) else found for found in answer.responses]
        return [answer.text[start:end] for start, end in spans]

    def fetch_pages(
        self, request: Request, asked: SearchRequest, pages: Sequence[tuple[Plan, SearchResponse, Ranking]]
    ) -> list[Mapping[int, Hit]]:
        """For each deferred search, position -> hit of its page with all that the client asked for.

        Raises Unreadable where they cannot be had, or are no longer those of the window: the index has changed.
        """
        wanted = []
        for plan, response, ranking in pages:
            positions = sorted(ranking.page(plan))
            wanted.append((plan, positions, [response.hits[position] for position in positions]))
        outgoing = page_request(asked, [(plan, hits) for plan, _, hits in wanted])
        answer = _read(self._text(self._search(request, outgoing)), asked, len(pages))
        found: list[Mapping[int, Hit]] = []
        for (_, positions, hits), page in zip(wanted, answer.responses, strict=True):
            matched = match_page(hits, page.hits) if isinstance(page, SearchResponse) else None
            if matched is None:
                raise Unreadable("the hits of the page are not those of the window")
            found.append(dict(zip(positions, matched, strict=True)))
        return found

    def _search(self, request: Request, outgoing: Outgoing) -> Response:
        coding = {"Accept-Encoding": accepted(request.header("accept-encoding") or "")}
        return self._upstream.search(request, outgoing.target, outgoing.body, {**coding, **outgoing.headers})

    def _text(self, response: Response) -> str:
        """The JSON text of a 200 answer in any format."""
        data = read_all(response, self._max_bytes)
        if data is None:
            raise TooLarge("the answer is too large")
        if response.status != 200:
            raise Unreadable(f"status {response.status}")
        coding = _coding(response)
        if "," in coding:
            raise Unreadable(f"Content-Encoding {coding}")
        return read_text(decompress(data, coding, self._max_bytes), format_of(response))


def _read(text: str, asked: SearchRequest, searches: int) -> Answer:
    answer = read_answer(text, is_multi=asked.target.form.is_multi)
    if len(answer.responses) != searches:
        raise Unreadable("not as many responses as searches")
    return answer


def format_of(response: Response) -> Format:
    """The format of an answer; raises Unreadable where it is none of ours."""
    media = read_media_type(response.header("content-type") or "")
    if media is None:
        raise Unreadable("an answer in another format")
    return media.format


def _coding(response: Response) -> str:
    return response.header("content-encoding") or "identity"


def encoded_like(response: Response, data: bytes) -> Response:
    """An answer with another body, compressed as `response` was, and with its other headers."""
    coding = _coding(response)
    body = data if coding == "identity" else compress(data, coding)
    kept = tuple(pair for pair in response.headers if pair[0].lower() != "content-length")
    return Response(response.status, (*kept, ("content-length", str(len(body)))), (body,), response.reason)
