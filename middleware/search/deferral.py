"""Work on hits that only the page needs: left out of the request for the window, then asked for the page's hits alone.

Highlights, inner hits, explanations and script fields cost Elasticsearch time for every hit. The window is asked
without them; a second request is the client's own search with a `post_filter` on the page's hits. A `post_filter`
touches neither the query nor its scores, so each hit comes back as it would have without us.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.search.added_fields import SOURCE_PARAMETERS, adds_patterns, has_top_hits, must_not_add
from middleware.search.hits import Hit
from middleware.search.reasons import Reason

_PER_HIT = ("highlight", "explain", "script_fields", "stored_fields", "docvalue_fields", "version")
_LIGHT = frozenset((*_PER_HIT, "seq_no_primary_term", "_source"))
_LIGHT_PARAMETERS = frozenset((*_PER_HIT, "seq_no_primary_term", *SOURCE_PARAMETERS))
# What belongs to the search as a whole and was answered with the window.
_WHOLE = frozenset(("aggs", "aggregations", "suggest", "profile", "rescore", "terminate_after", "from"))
_WHOLE_PARAMETERS = frozenset((
    "terminate_after", "track_total_hits", "request_cache",
    "suggest_field", "suggest_mode", "suggest_size", "suggest_text",
))  # fmt: skip
# The joins that may have inner hits, and what each must have beside its query.
_JOINS = {"nested": "path", "has_child": "type", "has_parent": "parent_type"}
_NO_FIELDS = ("_none_", ["_none_"])
_TRUE = (True, "true")


@dataclass(frozen=True, slots=True)
class Deferral:
    """A search whose hits are asked for twice: `fields` of their source for the window, everything for the page."""

    fields: tuple[str, ...]


def choose_deferral(
    body: Mapping[str, Any], parameters: Mapping[str, str], fields: Sequence[str], page_size: int, window: int
) -> Deferral | Reason | None:
    """Whether the page is fetched apart from a window of `window` hits: None where one request does as well.

    A rescore phase reads its own window, which the page's hits alone do not make up: where the client sees what it
    did (`explain`), everything is asked at once, and so it is with a retriever, and for a profile of the whole. A
    Reason where neither way gives the client what it asked for.
    """
    stored = parameters.get("stored_fields", body.get("stored_fields"))
    hidden = stored in _NO_FIELDS
    explained = body.get("explain") in _TRUE or parameters.get("explain") in ("", "true")
    if ("rescore" in body and (explained or hidden)) or "retriever" in body or body.get("profile") in _TRUE:
        return Reason.STORED_FIELDS_NONE if hidden else None
    # A field asked for as a stored one cannot be asked for beside it, and need not be stored.
    apart = stored is not None or must_not_add(body, parameters, fields)
    heavy = explained or any(body.get(name) for name in ("highlight", "script_fields")) or _has_inner_hits(body)
    heavy = heavy or adds_patterns(body, parameters, fields)
    return Deferral(tuple(fields)) if apart or (heavy and page_size < window) else None


def window_body(deferral: Deferral, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body without work on single hits, and with the source fields that the second stage reads.

    Inner hits of the query's joins stay where there are top_hits: these have them, too.
    """
    light = {name: value for name, value in body.items() if name not in _LIGHT}
    if "query" in light and not has_top_hits(body):
        light["query"] = _without_inner_hits(light["query"])
    if isinstance(light.get("collapse"), dict):
        light["collapse"] = {name: value for name, value in light["collapse"].items() if name != "inner_hits"}
    return {**light, "_source": list(deferral.fields)}


def is_window_parameter(name: str) -> bool:
    """Whether a URL parameter belongs into the request for a deferred search's window."""
    return name not in _LIGHT_PARAMETERS


def page_body(body: Mapping[str, Any], hits: Sequence[Hit], *, is_counted: bool) -> dict[str, Any]:
    """The client's body for these hits of the window alone; for none, so that what is wrong with it is still said.

    `is_counted`: Elasticsearch insists on counting them, for `rest_total_hits_as_int`.
    """
    rest = {name: value for name, value in body.items() if name not in _WHOLE}
    only = _only(body, hits)
    given = body.get("post_filter")
    both = {"bool": {"filter": [given, only]}} if given else only
    return {**rest, "post_filter": both, "size": len(hits), "track_total_hits": is_counted}


def is_page_parameter(name: str) -> bool:
    """Whether a URL parameter belongs into the request for the page's hits."""
    return name not in _WHOLE_PARAMETERS


def match_page(wanted: Sequence[Hit], found: Sequence[Hit]) -> list[Hit] | None:
    """For each wanted hit, in first-stage order, the same hit of the page's answer; None where they are not the same.

    Hits without ids (`stored_fields: _none_`) are told by their place: both answers have one order.
    """
    if len(wanted) != len(found):
        return None
    if any(hit.member("_id") is None for hit in found):
        return list(found) if [hit.index for hit in wanted] == [hit.index for hit in found] else None
    by_name = {hit.name: hit for hit in found}
    matched = [by_name[hit.name] for hit in wanted if hit.name in by_name]
    return matched if len(matched) == len(wanted) == len(by_name) else None


def _only(body: Mapping[str, Any], hits: Sequence[Hit]) -> dict[str, Any]:
    if not hits:
        return {"match_none": {}}
    return _in_groups(body["collapse"]["field"], hits) if "collapse" in body else _with_ids(hits)


def _with_ids(hits: Sequence[Hit]) -> dict[str, Any]:
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for hit in hits:
        index, name = hit.name
        ids[index].append(name)
    each = [{"bool": {"filter": [{"term": {"_index": index}}, {"ids": {"values": ids[index]}}]}} for index in ids]
    return {"bool": {"should": each}}


def _in_groups(field: str, hits: Sequence[Hit]) -> dict[str, Any]:
    """The groups of a collapse by their value, so that its inner hits find all of a group's members."""
    values = [value for hit in hits for value in hit.collapsed(field)]
    groups: list[dict[str, Any]] = [{"terms": {field: values}}] if values else []
    if len(values) < len(hits):
        groups.append({"bool": {"must_not": {"exists": {"field": field}}}})
    return {"bool": {"should": groups}}


def _has_inner_hits(body: Mapping[str, Any]) -> bool:
    collapse = body.get("collapse")
    if isinstance(collapse, dict) and "inner_hits" in collapse:
        return True
    return not has_top_hits(body) and bool(_without_inner_hits(body.get("query")) != body.get("query"))


def _without_inner_hits(node: Any) -> Any:
    """A query with the `inner_hits` of its joins taken out, wherever they stand."""
    if isinstance(node, list):
        return [_without_inner_hits(child) for child in node]
    if not isinstance(node, dict):
        return node
    clean = {name: _without_inner_hits(value) for name, value in node.items()}
    for name, required in _JOINS.items():
        join = clean.get(name)
        if isinstance(join, dict) and "inner_hits" in join and required in join:
            clean[name] = {key: value for key, value in join.items() if key != "inner_hits"}
    return clean
