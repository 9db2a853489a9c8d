"""The decision on one search: rerank it, how, or why not. Pure: the request in, a Plan or a Skip out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware.config import Settings
from middleware.errors import RequestError
from middleware.experiments.assign import ResolvedVariant, resolve
from middleware.search.added_fields import choose_added_fields
from middleware.search.document import parse_template
from middleware.search.filter_path import is_valid
from middleware.search.json_text import Unreadable, load_strict, replace_lone_surrogates
from middleware.search.query_string import MAX_CHARS, read_query_string
from middleware.search.query_text import find_query_text
from middleware.search.reasons import Reason
from middleware.search.sections import Sections, find_sections
from middleware.search.target import SearchTarget

_DEFAULT_SIZE = 10
_COUNT_DIGITS = 10
_JSON_TYPES = ("application/json", "application/vnd.elasticsearch+json", "application/*", "*/*")


@dataclass(frozen=True, slots=True)
class Skip:
    """Not reranked; `body` is what goes upstream instead of the client's where it held our own syntax."""

    reason: Reason
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The slice of the ranking that the client asked for."""

    start: int
    size: int

    @property
    def end(self) -> int:
        return self.start + self.size


@dataclass(frozen=True, slots=True)
class Plan:
    """How one search is reranked. `body` is the client's, decoded, without our own syntax."""

    target: SearchTarget
    body: Mapping[str, Any]
    query_text: str
    page: Page
    variant: ResolvedVariant
    sections: Sections
    added_fields: tuple[str, ...]
    own_syntax: bool
    filter_path: str | None

    @property
    def first_stage_size(self) -> int:
        """Hits asked of Elasticsearch: the window, or up to the page's end where that lies beyond it."""
        return max(self.variant.window, self.page.end)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What the plan reads of a search request; header names in lower case."""

    target: SearchTarget
    headers: Mapping[str, str]
    body: bytes


def make_plan(request: SearchRequest, variant: str, settings: Settings) -> Plan | Skip:
    """Plan one search for `variant`. Raises RequestError where our own syntax (`ext.rerank`) is wrong."""
    planned = _plan(request, variant, settings)
    return Skip(planned, strip_own_syntax(request.body)) if isinstance(planned, Reason) else planned


def _plan(request: SearchRequest, variant: str, settings: Settings) -> Plan | Reason:
    sections = find_sections(request.target.indices, settings.indices)
    if sections is None:
        return Reason.INDEX_NOT_CONFIGURED
    parameters = request.target.parameters()
    unfit = _unfit_form(request, parameters)
    if unfit:
        return unfit
    try:
        body, own = read_body(request.body)
        page = _read_page(body, parameters)
    except Unreadable:
        return Reason.MALFORMED
    resolved = resolve(variant, sections.candidates[0][1], settings)
    text = replace_lone_surrogates((own.get("query_text") or _query_text(body, parameters))[:MAX_CHARS])
    reason = _unfit_search(body, parameters) or _unfit_page(page, resolved.window) or _unfit_text(text)
    if reason:
        return reason
    return Plan(
        target=request.target,
        body=body,
        query_text=text,
        page=page,
        variant=resolved,
        sections=sections,
        added_fields=choose_added_fields(_wanted_fields(sections, settings), body, parameters),
        own_syntax=bool(own),
        filter_path=parameters.get("filter_path"),
    )


def read_body(data: bytes) -> tuple[dict[str, Any], Mapping[str, Any]]:
    """The request body without our own `ext.rerank`, and that; raises Unreadable, or RequestError for ours."""
    body = load_strict(data) if data else {}
    if not isinstance(body, dict):
        raise Unreadable("a search body is an object")
    given = body.get("ext")
    ext = given if isinstance(given, dict) else {}
    own = ext.get("rerank")
    if not isinstance(own, dict) or "query_context" in own:
        return body, {}
    _check_own_syntax(own)
    rest = {name: value for name, value in ext.items() if name != "rerank"}
    without = {name: value for name, value in body.items() if name != "ext"}
    return ({**without, "ext": rest} if rest else without), own


def strip_own_syntax(data: bytes) -> bytes | None:
    """The body without our own `ext.rerank`, or None where it holds none (or cannot be read)."""
    if b'"rerank"' not in data:
        return None
    try:
        body, own = read_body(data)
    except Unreadable:
        return None
    return encode_body(body) if own else None


def _check_own_syntax(own: Mapping[str, Any]) -> None:
    unknown = set(own) - {"query_text"}
    if unknown:
        raise RequestError(f"[ext.rerank] unknown field [{min(unknown)}], known are [query_text]")
    text = own.get("query_text")
    if not isinstance(text, str) or not text.strip():
        raise RequestError("[ext.rerank.query_text] must be a text that is not empty")


def encode_body(body: Mapping[str, Any]) -> bytes:
    """JSON as it goes upstream, in ASCII, so that lone surrogates survive as escapes."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def _unfit_form(request: SearchRequest, parameters: Mapping[str, str]) -> Reason | None:
    if request.headers.get("content-encoding", "identity") != "identity":
        return Reason.CONTENT_ENCODING
    if not request.target.well_formed or not is_valid(parameters.get("filter_path", "")):
        return Reason.MALFORMED
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and media_type not in _JSON_TYPES:
        return Reason.CONTENT_TYPE
    if "source" in parameters:
        return Reason.SOURCE_PARAMETER
    return _unfit_answer(request.headers.get("accept", ""), parameters.get("format", "json"))


def _unfit_answer(accept: str, format_parameter: str) -> Reason | None:
    first = accept.partition(",")[0].partition(";")[0].strip().lower()
    if format_parameter != "json" or (first and first not in _JSON_TYPES):
        return Reason.FORMAT
    return None


def _unfit_search(body: Mapping[str, Any], parameters: Mapping[str, str]) -> Reason | None:
    stored = parameters.get("stored_fields", body.get("stored_fields"))
    checks = (
        (Reason.MALFORMED, not isinstance(body.get("fields", []), list)),
        (Reason.SCROLL, "scroll" in parameters),
        (Reason.POINT_IN_TIME, "pit" in body),
        (Reason.SLICE, "slice" in body),
        (Reason.SEARCH_AFTER, "search_after" in body),
        (Reason.RETRIEVER, "retriever" in body or "rank" in body),
        (Reason.STORED_FIELDS_NONE, stored in ("_none_", ["_none_"])),
        (Reason.SORT, not (_sorts_by_score(parameters.get("sort")) and _sorts_by_score(body.get("sort")))),
    )
    return next((reason for reason, applies in checks if applies), None)


def _unfit_page(page: Page, window: int) -> Reason | None:
    if page.size == 0:
        return Reason.SIZE_0
    return Reason.BEYOND_WINDOW if page.start >= window else None


def _unfit_text(text: str) -> Reason | None:
    return None if text else Reason.NO_QUERY_TEXT


def _sorts_by_score(sort: Any) -> bool:
    """Whether `sort` is Elasticsearch's default: absent, or `_score` descending and nothing else."""
    if isinstance(sort, list):
        return len(sort) == 0 or (len(sort) == 1 and _sorts_by_score(sort[0]))
    if isinstance(sort, dict):
        order = sort.get("_score")
        return len(sort) == 1 and (order == "desc" or order in ({}, {"order": "desc"}))
    return sort in (None, "", "_score", "_score:desc")


def _read_page(body: Mapping[str, Any], parameters: Mapping[str, str]) -> Page:
    """The page, the parameters before the body; both must be sound, since the first-stage request has neither."""
    start, size = _read_count(body.get("from", 0)), _read_count(body.get("size", _DEFAULT_SIZE))
    return Page(_read_count(parameters.get("from", start)), _read_count(parameters.get("size", size)))


def _read_count(value: Any) -> int:
    """A `from` or `size`; what Elasticsearch itself might refuse raises Unreadable, so that it can say so."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _COUNT_DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise Unreadable("not a number of hits")
    return value


def _query_text(body: Mapping[str, Any], parameters: Mapping[str, str]) -> str:
    if "q" in parameters:
        return read_query_string(parameters["q"])
    return find_query_text(body.get("query"))


def _wanted_fields(sections: Sections, settings: Settings) -> tuple[str, ...]:
    names: list[str] = []
    for _, section in sections.candidates:
        names += parse_template(section.template).fields
        names += section.features.names if settings.profiles.enabled else ()
    return tuple(dict.fromkeys(names))
