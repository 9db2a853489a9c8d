"""What Elasticsearch's retriever trees mean without retrievers, and how many hits they can give at most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from middleware.errors import RequestError
from middleware.search.object_fields import ObjectFields

# Elasticsearch's RankBuilder.DEFAULT_RANK_WINDOW_SIZE, RescorerBuilder.DEFAULT_WINDOW_SIZE and the size of `diversify`.
DEFAULT_WINDOW = 10
RERANKER = "text_similarity_reranker"
_WINDOWED = ("rrf", "linear", "rule", "pinned", RERANKER)
_KNOWN = (*_WINDOWED, "standard", "knn", "rescorer", "diversify")
_PASSED_ON = ("sort", "min_score", "collapse", "search_after", "terminate_after")
_STANDARD_FIELDS = ("query", "filter", "_name", *_PASSED_ON)
_MAX_DEPTH = 64


def to_plain_query(retriever: Mapping[str, Any]) -> dict[str, Any] | None:
    """The search body members that mean the same as a `standard` retriever, for clusters without retrievers.

    They take the place of the body's own. None where the tree needs the cluster's retrievers. A `_name` is dropped: the
    search names no retriever. Raises RequestError for a `standard` retriever that Elasticsearch would refuse.
    """
    kind, body = read_kind(retriever)
    if kind != "standard":
        return None
    ObjectFields("standard", body).allow_only(_STANDARD_FIELDS)
    plain = {name: body[name] for name in _PASSED_ON if name in body}
    query, filters = body.get("query"), as_list(body.get("filter"))
    if filters:
        plain["query"] = {"bool": {"filter": filters, **({} if query is None else {"must": [query]})}}
    elif query is not None:
        plain["query"] = query
    return plain


def settle_retriever(body: Mapping[str, Any], *, has_retrievers: bool) -> tuple[dict[str, Any], int | None] | None:
    """The body as the cluster understands it, and how many hits its retriever gives at most (None: as many as match).

    A `standard` retriever becomes a plain query where the cluster has none. None where the search is not ours to
    rerank: a tree that only the cluster can order, or an older `rank`. Raises RequestError for a malformed tree.
    """
    retriever = body.get("retriever")
    if "rank" in body or (retriever is not None and why_not_reranked(retriever)):
        return None
    if retriever is None:
        return dict(body), None
    if has_retrievers:
        return dict(body), retriever_limit(retriever)
    plain = to_plain_query(retriever)
    if plain is None:
        return None
    return {name: value for name, value in body.items() if name != "retriever"} | plain, None


def retriever_limit(retriever: Mapping[str, Any]) -> int | None:
    """How many hits the tree gives at most (None: as many as match), and so how many may be asked of it.

    Elasticsearch refuses a `size` beyond the outermost `rank_window_size`. Raises RequestError for a malformed tree.
    """
    kind, body = read_kind(retriever)
    limits = [_own_limit(kind, body)]
    child = body.get("retriever")
    if kind != "pinned" and isinstance(child, Mapping) and len(child) == 1:
        limits.append(retriever_limit(child))
    return min((limit for limit in limits if limit is not None), default=None)


def why_not_reranked(retriever: Any) -> str | None:
    """Why the hits of the tree are not ours to rerank; None where they are.

    A reranker inside the tree has to run before what is around it; a retriever that we do not know may do anything.
    """
    for depth, node in _walk(retriever, 0):
        if depth > _MAX_DEPTH or not isinstance(node, Mapping) or len(node) != 1:
            return "retriever malformed"
        (kind, body), *_ = node.items()
        if kind not in _KNOWN or not isinstance(body, Mapping):
            return f"unknown retriever [{kind}]"
        if kind == RERANKER:
            return f"[{RERANKER}] inside the tree has to run before the rest of it"
    return None


def with_filters(retriever: Mapping[str, Any], filters: list[Any]) -> dict[str, Any]:
    """The retriever with `filters` in addition to its own: what a retriever around it hands down."""
    kind, body = read_kind(retriever)
    if not filters:
        return {kind: dict(body)}
    return {kind: {**body, "filter": [*as_list(body.get("filter")), *filters]}}


def read_kind(retriever: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """(kind, body) of a retriever object; raises RequestError in Elasticsearch's words where it is none."""
    if not retriever:
        raise RequestError("retriever malformed, empty clause found")
    (kind, body), *others = retriever.items()
    if not isinstance(body, Mapping):
        raise RequestError(f"[{kind}] retriever malformed, no [START_OBJECT] after retriever name")
    if others:
        raise RequestError(f"[{kind}] malformed retriever, expected [END_OBJECT] but found [FIELD_NAME]")
    return kind, body


def as_list(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty one, anything else as the only element: how queries may be written."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _own_limit(kind: str, body: Mapping[str, Any]) -> int | None:
    fields = ObjectFields(kind, body)
    if kind == "knn":
        return fields.integer("k")
    if kind == "rescorer":
        rescorers = [given for given in as_list(body.get("rescore")) if isinstance(given, Mapping)]
        sizes = [ObjectFields(kind, given).integer("window_size") for given in rescorers]
        return min((DEFAULT_WINDOW if size is None else size for size in sizes), default=None)
    window = _or_default(fields.integer("rank_window_size"))
    if kind == "diversify":
        return min(window, _or_default(fields.integer("size")))
    return window if kind in _WINDOWED else None


def _or_default(size: int | None) -> int:
    return DEFAULT_WINDOW if size is None else size


def _walk(retriever: Any, depth: int) -> Iterator[tuple[int, Any]]:
    """(depth, retriever) of every retriever in the tree, the outermost first."""
    yield depth, retriever
    if depth > _MAX_DEPTH or not isinstance(retriever, Mapping):
        return
    for body in retriever.values():
        if isinstance(body, Mapping):
            wrapped = [
                child.get("retriever", child) for child in as_list(body.get("retrievers")) if isinstance(child, dict)
            ]
            for child in [*wrapped, *as_list(body.get("retriever"))]:
                yield from _walk(child, depth + 1)
