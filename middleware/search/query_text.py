"""The text a client searched for, found in queries and retrievers by walking them down to their text leaves."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from middleware.search.json_text import Unreadable, load_strict
from middleware.search.query_string import MAX_CHARS, read_query_string, read_simple_query_string

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
    "rule_query": ("organic",),
    "hybrid": ("queries",),
}


def find_query_text(query: Any, term_fields: Collection[str] = ()) -> str:
    """All texts of the query's full-text leaves, joined by a space; empty where there is none, up to MAX_CHARS.

    `term` and `terms` count on `term_fields` alone. A text that another one holds as whole words counts once; the case
    does not matter, the first spelling stays.
    """
    return _join(_Walk(term_fields).query(query, 0))


def find_retriever_text(retriever: Any, term_fields: Collection[str] = ()) -> str:
    """The same for a tree of retrievers; a `text_similarity_reranker` says itself what it is about."""
    return _join(_Walk(term_fields).retriever(retriever, 0))


def _join(texts: Iterator[Any]) -> str:
    spellings: dict[str, str] = {}
    length = 0
    for text in texts:
        # What is longer than any model reads is not compared either, so that the time stays linear.
        words = " ".join(text[:MAX_CHARS].split()) if isinstance(text, str) else ""
        if words and words.casefold() not in spellings:
            spellings[words.casefold()] = words
            length += len(words) + 1
        if length > MAX_CHARS:
            break
    haystack = "\n".join(f" {key} " for key in spellings)
    alone = [words for key, words in spellings.items() if not _is_repeated(f" {key} ", haystack)]
    return " ".join(alone)[:MAX_CHARS].rstrip()


def _is_repeated(part: str, text: str) -> bool:
    return text.find(part, text.find(part) + 1) >= 0


class _Walk:
    """Down a query or retriever; `depth` bounds what a crafted one may cost."""

    def __init__(self, term_fields: Collection[str]) -> None:
        self._term_fields = frozenset(term_fields)

    def query(self, query: Any, depth: int) -> Iterator[Any]:
        if depth > _MAX_DEPTH:
            return
        if isinstance(query, list):
            for child in query:
                yield from self.query(child, depth + 1)
        elif isinstance(query, dict):
            for kind, body in query.items():
                if isinstance(body, dict):
                    yield from self._clause(kind, body, depth)

    def retriever(self, retriever: Any, depth: int) -> Iterator[Any]:
        """Kinds differ in what is around their `query`, `retriever` and `retrievers`, never in what these are."""
        if depth > _MAX_DEPTH or not isinstance(retriever, dict):
            return
        for kind, body in retriever.items():
            if not isinstance(body, dict):
                continue
            if kind == "text_similarity_reranker":
                yield body.get("inference_text")
                continue
            query, children = body.get("query"), body.get("retrievers")
            yield from [query] if isinstance(query, str) else self.query(query, depth + 1)
            yield from _of_vector_builder(body)
            for child in [body.get("retriever"), *(children if isinstance(children, list) else ())]:
                weighted = isinstance(child, dict) and "retriever" in child
                yield from self.retriever(child["retriever"] if weighted else child, depth + 1)

    def _clause(self, kind: str, body: dict[str, Any], depth: int) -> Iterator[Any]:
        if kind in _CHILDREN:
            for key in _CHILDREN[kind]:
                yield from self.query(body.get(key), depth + 1)
        elif kind == "wrapper":
            yield from self.query(_unwrap(body.get("query")), depth + 1)
        elif kind == "intervals":
            for rule in body.values():
                yield from self._intervals(rule, depth + 1)
        elif kind in ("term", "terms"):
            yield from (text for field, value in body.items() if field in self._term_fields for text in _of_term(value))
        elif kind in _LEAVES:
            yield from _LEAVES[kind](body)

    def _intervals(self, rule: Any, depth: int) -> Iterator[Any]:
        """The beginning of a word and a misspelt one were typed, too; patterns were not."""
        if depth > _MAX_DEPTH or not isinstance(rule, dict):
            return
        for kind, body in rule.items():
            if not isinstance(body, dict):
                continue
            if kind in ("all_of", "any_of"):
                children = body.get("intervals")
                for child in children if isinstance(children, list) else ():
                    yield from self._intervals(child, depth + 1)
            elif kind in _INTERVAL_TEXTS:
                yield body.get(_INTERVAL_TEXTS[kind])


_INTERVAL_TEXTS: Mapping[str, str] = {"match": "query", "prefix": "prefix", "fuzzy": "term"}


def _unwrap(encoded: Any) -> Any:
    """The query inside a `wrapper` query: JSON in base64."""
    try:
        return load_strict(base64.b64decode(encoded)) if isinstance(encoded, str) else None
    except (binascii.Error, ValueError, Unreadable):
        return None


def _of_term(value: Any) -> Iterator[Any]:
    """`"red"`, `{"value": "red"}` and, of `terms`, `["red", "blue"]`; a lookup of terms holds no text."""
    given = value.get("value") if isinstance(value, dict) else value
    yield from map(_spell, given if isinstance(given, list) else [given])


def _of_field(body: Mapping[str, Any]) -> Iterator[Any]:
    """`{"title": "text"}` and `{"title": {"query": "text"}}`."""
    for value in body.values():
        yield _spell(value.get("query") if isinstance(value, dict) else value)


def _in_field(key: str) -> Callable[[Mapping[str, Any]], Iterator[Any]]:
    """`{"title": {key: "text"}}` alone."""
    return lambda body: (value.get(key) for value in body.values() if isinstance(value, dict))


def _of_key(key: str) -> Callable[[Mapping[str, Any]], Iterator[Any]]:
    """`{key: "text"}`."""
    return lambda body: iter((_spell(body.get(key)),))


def _of_query_string(read: Callable[[str], str]) -> Callable[[Mapping[str, Any]], Iterator[Any]]:
    return lambda body: iter((read(body["query"]),) if isinstance(body.get("query"), str) else ())


def _of_likes(body: Mapping[str, Any]) -> Iterator[Any]:
    """Texts of `more_like_this`; the documents it names are not what was typed."""
    for key in ("like", "like_text"):
        like = body.get(key)
        yield from like if isinstance(like, list) else [like]


def _of_vector_builder(body: Mapping[str, Any]) -> Iterator[Any]:
    """`{"query_vector_builder": {"text_embedding": {"model_text": "text"}}}`, in a query and in a retriever."""
    builder = body.get("query_vector_builder")
    embedding = builder.get("text_embedding") if isinstance(builder, dict) else None
    yield embedding.get("model_text") if isinstance(embedding, dict) else None


def _spell(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


_LEAVES: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Any]]] = {
    "match": _of_field,
    "match_phrase": _of_field,
    "match_phrase_prefix": _of_field,
    "match_bool_prefix": _of_field,
    "multi_match": _of_key("query"),
    "combined_fields": _of_key("query"),
    "query_string": _of_query_string(read_query_string),
    "simple_query_string": _of_query_string(read_simple_query_string),
    "more_like_this": _of_likes,
    "semantic": _of_key("query"),
    "sparse_vector": _of_key("query"),
    "text_expansion": _in_field("model_text"),
    "neural": _in_field("query_text"),
    "neural_sparse": _in_field("query_text"),
    "agentic": _of_key("query_text"),
    "knn": _of_vector_builder,
}
