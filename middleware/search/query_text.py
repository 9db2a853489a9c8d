"""The text a client searched for, found in the query DSL: compound queries are walked down to their text leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from middleware.search.query_string import read_query_string, read_simple_query_string

_MAX_DEPTH = 64

# compound query -> the keys under which its scoring children stand
_CHILDREN: Mapping[str, tuple[str, ...]] = {
    "bool": ("must", "should"),
    "dis_max": ("queries",),
    "function_score": ("query",),
    "script_score": ("query",),
    "constant_score": ("filter",),
    "boosting": ("positive",),
    "nested": ("query",),
    "has_child": ("query",),
    "has_parent": ("query",),
    "pinned": ("organic",),
    "rule": ("organic",),
    "hybrid": ("queries",),
}


def find_retriever_text(_retriever: Any) -> str:
    return ""


def find_query_text(query: Any, term_fields: Any = ()) -> str:
    """All texts of the query's full-text leaves, each once, joined by a space; empty where there is none."""
    texts = dict.fromkeys(" ".join(text.split()) for text in _walk(query, 0))
    return " ".join(text for text in texts if text)


def _walk(query: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    if isinstance(query, list):
        for child in query:
            yield from _walk(child, depth + 1)
    elif isinstance(query, dict):
        for kind, body in query.items():
            yield from _walk_clause(kind, body, depth)


def _walk_clause(kind: str, body: Any, depth: int) -> Iterator[str]:
    if not isinstance(body, dict):
        return
    if kind in _CHILDREN:
        for key in _CHILDREN[kind]:
            yield from _walk(body.get(key), depth + 1)
    elif kind in _LEAVES:
        yield from (text for text in _LEAVES[kind](body) if isinstance(text, str))


def _of_field(body: Mapping[str, Any]) -> Iterator[Any]:
    """`{"match": {"title": "text"}}` and `{"match": {"title": {"query": "text"}}}`."""
    for value in body.values():
        yield _spell(value.get("query") if isinstance(value, dict) else value)


def _of_query_key(body: Mapping[str, Any]) -> Iterator[Any]:
    yield _spell(body.get("query"))


def _of_query_string(body: Mapping[str, Any]) -> Iterator[Any]:
    text = body.get("query")
    if isinstance(text, str):
        yield read_query_string(text)


def _of_simple_query_string(body: Mapping[str, Any]) -> Iterator[Any]:
    text = body.get("query")
    if isinstance(text, str):
        yield read_simple_query_string(text)


def _spell(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_LEAVES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Any]]] = {
    "match": _of_field,
    "match_phrase": _of_field,
    "match_phrase_prefix": _of_field,
    "match_bool_prefix": _of_field,
    "multi_match": _of_query_key,
    "combined_fields": _of_query_key,
    "query_string": _of_query_string,
    "simple_query_string": _of_simple_query_string,
}
