"""Searches with `ext.ubi`: it is taken out before the proxy reads them; then the page is recorded and its id returned.

It stands around the proxy, so that what is passed through stays streamed and untouched where nobody asks for a record.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol

from middleware.behaviour.ubi_record import make_query_document, read_exposures
from middleware.config import Settings
from middleware.errors import MiddlewareError
from middleware.experiments.assign import assign
from middleware.first_stage import encoded_like, format_of
from middleware.message import Headers, Request, Response
from middleware.privacy.consent import may_be_known
from middleware.search.compression import decompress
from middleware.search.first_stage import is_sent_on
from middleware.search.formats import Format, read_text, write_text
from middleware.search.json_text import Unreadable
from middleware.search.plan import query_text_of
from middleware.search.reasons import Reason
from middleware.search.request import Search, SearchRequest, encode_body, encode_lines, read_request
from middleware.search.target import Form, SearchTarget, read_search_target
from middleware.search.ubi import UbiQuery, add_query_ids, filter_answer, read_pages, read_ubi, strip_ubi, widen
from middleware.upstream import close

_FORMS = (Form.SEARCH, Form.MSEARCH, Form.TEMPLATE, Form.MSEARCH_TEMPLATE)
_REPLACED = ("content-encoding", "content-length", "transfer-encoding")
_log = logging.getLogger(__name__)

Answer = Callable[[Request, SearchTarget], Response]
Keep = Callable[[str, Mapping[str, Any]], None]
"""Keeps a document of `ubi_queries`, by its id, without waiting for the cluster; raises MiddlewareError."""


class Renderer(Protocol):
    """Has the cluster render the templates of a request."""

    def render(self, request: Request, asked: SearchRequest) -> SearchRequest: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request with `ext.ubi` in some of its searches: what each says (ids made where missing).

    `rendered` is the request without what stood at the top of its bodies, its templates rendered.
    """

    request: SearchRequest
    queries: Sequence[UbiQuery | None]
    rendered: SearchRequest

    @property
    def filter_path(self) -> str:
        """The client's, with what the record needs of the answer."""
        is_multi = self.request.target.form.is_multi
        return widen(self.request.filter_path, self.queries, is_multi=is_multi)

    @property
    def client_id(self) -> str:
        """The one client of all its searches; empty where they name none, or many."""
        names = {query.client_id for query in self.queries if query and query.client_id}
        return names.pop() if len(names) == 1 else ""


class UbiSearches:
    """Stands in front of the searches that `answer` answers. Thread-safe as far as its parts are."""

    def __init__(
        self,
        settings: Settings,
        answer: Answer,
        renderer: Renderer,
        hash_name: Callable[[str], str],
        keep: Keep | None,
        is_opensearch: Callable[[], bool] = lambda: False,
    ) -> None:
        """`keep` None: nothing is recorded. `hash_name`: from a client's name to what is stored of it."""
        self._settings = settings
        self._answer = answer
        self._renderer = renderer
        self._hash = hash_name
        self._keep = keep
        self._is_opensearch = is_opensearch

    def __call__(self, request: Request, target: SearchTarget) -> Response:
        """Raises what `answer` raises, and RequestError where `ext.ubi` is wrong."""
        if target.form not in _FORMS:
            return self._answer(request, target)
        request = request.started(self._settings.server.max_search_bytes)
        asked = self._read(request, target) if _may_hold_ubi(request) else None
        if asked is None:
            return self._answer(request, target)
        named = self._named(request, asked)
        if self._settings.ubi.mode == "cluster":
            return self._answer(named, target)
        plain, plain_target = _without_ubi(named, asked)
        response = self._answer(plain, plain_target)
        return self._finish(named, asked, response) if response.status == 200 else response

    def without_ubi(self, request: Request) -> Request:
        """The search as the proxy takes it, its client as the user: for those who look into one and record nothing."""
        target = read_search_target(request.method, request.target)
        if target is None or target.form not in _FORMS or self._settings.ubi.mode == "cluster":
            return request
        request = request.started(self._settings.server.max_search_bytes)
        asked = self._read(request, target) if _may_hold_ubi(request) else None
        return request if asked is None else _without_ubi(self._named(request, asked), asked)[0]

    def _read(self, request: Request, target: SearchTarget) -> _Asked | None:
        """None where nothing is asked of us, or where the request cannot be read: the cluster says why."""
        if request.stream is not None:
            return None
        headers = {name.lower(): value for name, value in reversed(request.headers)}
        most = self._settings.server.max_search_bytes
        asked = read_request(target, headers, request.body, most, is_opensearch=self._is_opensearch())
        if isinstance(asked, Reason):
            return None
        rendered = replace(asked, searches=tuple(replace(each, body=strip_ubi(each.body)) for each in asked.searches))
        if target.form.is_template:
            rendered = self._renderer.render(request, rendered)
        pairs = zip(asked.searches, rendered.searches, strict=True)
        given = [read_ubi(sent.body) or read_ubi(search.body) for sent, search in pairs]
        if not any(given):
            return None
        queries = [query and replace(query, query_id=query.query_id or str(uuid.uuid4())) for query in given]
        return _Asked(asked, queries, rendered)

    def _named(self, request: Request, asked: _Asked) -> Request:
        """With the client as the user of profile and split, where no header names one."""
        name = self._settings.headers.user
        if (request.header(name) or "").strip() or not asked.client_id or not self._consents(request):
            return request
        is_safe = asked.client_id.isascii() and asked.client_id.isprintable()
        value = asked.client_id if is_safe else self._hash(asked.client_id)
        kept = tuple(pair for pair in request.headers if pair[0].lower() != name.lower())
        return replace(request, headers=(*kept, (name, value)))

    def _consents(self, request: Request) -> bool:
        return may_be_known(request.headers, self._settings.headers)

    def _finish(self, request: Request, asked: _Asked, response: Response) -> Response:
        """The answer with its ids, and the record of it; one that we cannot read stays as it is."""
        data = _read_start(response, self._settings.server.max_response_bytes)
        whole = replace(response, body=data)
        if not isinstance(data, tuple):
            return whole
        is_multi, ids = (
            asked.request.target.form.is_multi,
            [query.query_id if query else None for query in asked.queries],
        )
        try:
            form = format_of(response)
            coding = response.header("content-encoding") or "identity"
            text = read_text(decompress(data[0], coding, self._settings.server.max_response_bytes), form)
            self._record(request, asked, text, response)
            written = self._narrowed(asked, text, form)
            written = add_query_ids(written, ids, asked.request.filter_path, is_multi=is_multi)
            return whole if written is text else encoded_like(response, write_text(written, form))
        except Unreadable as error:
            _log.info("answer of %s left without query_id: %s", request.path, error)
            return whole

    @staticmethod
    def _narrowed(asked: _Asked, text: str, form: Format) -> str:
        if asked.filter_path == asked.request.filter_path:
            return text
        return filter_answer(text, asked.request.filter_path, form, is_pretty=asked.request.pretty)

    def _record(self, request: Request, asked: _Asked, text: str, response: Response) -> None:
        """Never fails a search that was answered."""
        if self._keep is None or not self._consents(request):
            return
        names, searches = self._settings.headers, asked.rendered.searches
        variant = assign(request.header(names.switch), request.header(names.user), self._settings).variant
        exposures = read_exposures(response, names, variant, len(searches))
        pages = read_pages(text, asked.queries, is_multi=asked.request.target.form.is_multi)
        user = (request.header(names.user) or "").strip()
        try:
            for search, query, page, exposure in zip(searches, asked.queries, pages, exposures, strict=True):
                if query and page:
                    sent = encode_body(_plain(search)).decode()
                    words = query_text_of(search, self._settings.indices)
                    client = self._hash(query.client_id or user)
                    self._keep(*make_query_document(query, client, words, sent, page, exposure))
        except MiddlewareError as error:
            _log.warning("a search is not recorded: %s", error)


def _may_hold_ubi(request: Request) -> bool:
    """Whether the body must be decoded to know that nobody asks for a record."""
    return b"ubi" in request.body or "ubi" in request.target or bool(request.header("content-encoding"))


def _plain(search: Search) -> Mapping[str, Any]:
    """What goes to the cluster in place of what the client sent: a template may have `ext.ubi` inside its source."""
    sent = search.sent
    if search.template is None or strip_ubi(search.body) is search.body:
        return sent
    source = search.template.get("source")
    return (
        {**sent, "source": strip_ubi(source)}
        if isinstance(source, Mapping)
        else search.outgoing(strip_ubi(search.body))
    )


def _without_ubi(request: Request, asked: _Asked) -> tuple[Request, SearchTarget]:
    """The client's request in JSON, as a cluster without the plugin takes it."""
    searches = asked.rendered.searches
    if asked.request.target.form.is_multi:
        body = encode_lines((search.header, _plain(search)) for search in searches)
    else:
        body = encode_body(_plain(searches[0]))
    own = asked.request.own_headers
    gone = {*_REPLACED, *(name.lower() for name in own)}
    kept: Headers = tuple(pair for pair in request.headers if pair[0].lower() not in gone)
    headers = (*kept, *own.items(), ("Content-Length", str(len(body))))
    path = asked.filter_path
    if path == asked.request.filter_path:
        text = asked.request.target.edited(is_sent_on)
    else:
        text = asked.request.target.edited(
            lambda name: is_sent_on(name) and name != "filter_path", {"filter_path": path}
        )
    plain = replace(request, target=text, headers=headers, has_body=True, length=len(body), body=body, stream=None)
    target = read_search_target(request.method, text)
    assert target is not None  # the same path as before
    return plain, target


def _read_start(response: Response, most: int) -> tuple[bytes] | Iterator[bytes]:
    """The whole body in one piece and its connection released, or where it is longer than `most` bytes its stream."""
    chunks, size, rest = [], 0, iter(response.body)
    for chunk in rest:
        chunks.append(chunk)
        size += len(chunk)
        if size > most:
            return _Rest(chain(chunks, rest), response)
    close(response)
    return (b"".join(chunks),)


class _Rest:
    """A stream of which the start was read already."""

    def __init__(self, chunks: Iterator[bytes], response: Response) -> None:
        self._chunks = chunks
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        close(self._response)
