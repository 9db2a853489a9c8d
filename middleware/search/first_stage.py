"""The requests to Elasticsearch: the client's own search for the whole window, and for the page's hits alone.

Each is one `_search` or one `_msearch`, as the client's request was; `filter_path` and the page are ours to answer for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.search.added_fields import shield_top_hits
from middleware.search.deferral import is_page_parameter, is_window_parameter, page_body, window_body
from middleware.search.hits import Hit
from middleware.search.plan import Plan, Skip
from middleware.search.request import Search, SearchRequest, encode_body, encode_lines

_IN_THE_BODY = ("source", "source_content_type")
_OURS = ("from", "size", "filter_path", *_IN_THE_BODY)
Planned = Plan | Skip


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A search of ours: raw target, body in JSON, and the headers that replace the client's where those do not fit."""

    target: str
    body: bytes
    headers: Mapping[str, str]


def window_request(request: SearchRequest, plans: Sequence[Planned]) -> Outgoing:
    """The first stage of all searches of a request: windows for those planned, the others as they are."""
    if request.target.form.is_multi:
        pairs = [_window_lines(search, plan) for search, plan in zip(request.searches, plans, strict=True)]
        return _outgoing(request, _keeps, {}, encode_lines(pairs))
    (plan,) = plans
    assert isinstance(plan, Plan)
    keep = _window_parameters if plan.deferral else _keeps
    return _outgoing(request, keep, _preference(plan.preference), encode_body(plan.search.outgoing(_window_body(plan))))


def page_request(request: SearchRequest, pages: Sequence[tuple[Plan, Sequence[Hit]]]) -> Outgoing:
    """All of each hit, for the hits of each deferred search's page, in first-stage order."""
    is_counted = "rest_total_hits_as_int" in request.parameters
    bodies = [plan.search.outgoing(page_body(plan.body, hits, is_counted=is_counted)) for plan, hits in pages]
    if request.target.form.is_multi:
        headers = [{**plan.search.header, **_preference(plan.preference)} for plan, _ in pages]
        return _outgoing(request, _page_parameters, {}, encode_lines(zip(headers, bodies, strict=True)))
    return _outgoing(request, _page_parameters, _preference(pages[0][0].preference), encode_body(bodies[0]))


def untouched_request(request: SearchRequest, searches: Sequence[Search]) -> Outgoing:
    """Some searches of an `_msearch` as the client sent them, all else as in `window_request`."""
    return _outgoing(request, _keeps, {}, encode_lines((search.header, search.upstream_body) for search in searches))


def beyond_window_target(request: SearchRequest, skip: Skip, *, is_own_body: bool) -> str:
    """The client's own target, on the same copies of the shards as the pages inside the window."""
    return request.target.edited(is_sent_on if is_own_body else lambda _: True, _preference(skip.preference))


def _outgoing(request: SearchRequest, keep: Callable[[str], bool], plus: Mapping[str, str], body: bytes) -> Outgoing:
    return Outgoing(request.target.edited(keep, plus), body, request.own_headers)


def is_sent_on(name: str) -> bool:
    """Whether a URL parameter goes upstream with a body of ours that says all that the client's said."""
    return name not in _IN_THE_BODY


def _keeps(name: str) -> bool:
    return name not in _OURS


def _window_parameters(name: str) -> bool:
    return _keeps(name) and is_window_parameter(name)


def _page_parameters(name: str) -> bool:
    return _keeps(name) and is_page_parameter(name)


def _preference(preference: str | None) -> dict[str, str]:
    return {"preference": preference} if preference else {}


def _window_lines(search: Search, planned: Planned) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    header = {**search.header, **_preference(planned.preference)}
    return header, search.outgoing(_window_body(planned)) if isinstance(planned, Plan) else search.upstream_body


def _window_body(plan: Plan) -> dict[str, Any]:
    """The client's body from the first hit to the end of the window.

    Document fields come in `_source` where the client gets it whole; otherwise we ask for them under `fields`, which
    leaves `_source` exactly as Elasticsearch filters it.
    """
    body: dict[str, Any] = {**plan.body, "from": 0, "size": plan.first_stage_size}
    if plan.deferral:
        return window_body(plan.deferral, body)
    if plan.added_fields:
        body = shield_top_hits(body)
        body["fields"] = [*plan.body.get("fields", ()), *plan.added_fields]
    return body
