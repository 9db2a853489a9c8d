"""What a search itself says about the second stage: our `ext.rerank`, OpenSearch's and Elasticsearch's own syntax.

Elasticsearch's `text_similarity_reranker` reranks the best `rank_window_size` hits (10) of its inner retriever and
gives no others: a page beyond them is empty, and without a `size` the page is the window. `_score` is the model's score
s as max(s, 0) + min(exp(s), 1); its `min_score` bounds s itself, and once given, `hits.total` counts what it left.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware.errors import RequestError
from middleware.search.chunk_settings import read_chunk_rescorer
from middleware.search.chunks import Chunking
from middleware.search.object_fields import ObjectFields
from middleware.search.retrievers import (
    DEFAULT_WINDOW,
    RERANKER,
    as_list,
    read_kind,
    retriever_limit,
    to_plain_query,
    why_not_reranked,
    with_filters,
)

_OWN_FIELDS = ("query_context", "query_text")
_REQUIRED = ("retriever", "inference_text", "field")
_RERANKER_FIELDS = (
    *_REQUIRED,
    "inference_id",
    "rank_window_size",
    "allow_rerank_failures",
    "chunk_rescorer",
    "filter",
    "min_score",
    "_name",
)
_NOT_BESIDE_A_RETRIEVER = ("query", "knn", "search_after", "terminate_after", "sort", "rank", "rescore")
_NOT_IN_A_CHILD = ("search_after", "terminate_after")
# neural-search's QueryContextSourceFetcher.MAX_QUERY_PATH_STRLEN and the default of index.mapping.depth.limit.
_MAX_PATH_CHARS = 1000
_MAX_PATH_PARTS = 20


@dataclass(frozen=True, slots=True)
class Wish:
    """What one search asks of the second stage; a member that is None or empty is left to the configuration.

    `fields` give the document text instead of the index's template, `min_score` is a bound of the model's own score,
    `model_only` orders by the cross-encoder alone, and with `limits_hits` nothing beyond the window is returned.
    """

    query_text: str | None = None
    window: int | None = None
    fields: tuple[str, ...] = ()
    min_score: float | None = None
    chunks: Chunking | None = None
    model_only: bool = False
    limits_hits: bool = False
    inference_id: str | None = None


def read_wish(body: Mapping[str, Any]) -> tuple[dict[str, Any], Wish | None]:
    """The search body as it goes to a cluster that knows nothing of reranking, and the wish; None where there is none.

    The query text is that of `ext.rerank.query_text`, else of `ext.rerank.query_context`, else `inference_text`. In the
    place of a reranker stands what its inner retriever means, and a `size` where there was none. A tree in which a
    reranker is further inside stays as it is (see `why_not_reranked`).

    Where the search is skipped, only our own `ext.rerank.query_text` may be missing from what goes upstream: all else
    is the cluster's own syntax, so that the client's bytes have to be sent. Raises RequestError for wrong syntax.
    """
    plain, text = _read_extension(body)
    retriever = body.get("retriever")
    reranked = isinstance(retriever, Mapping) and RERANKER in retriever
    if not reranked or not isinstance(retriever, Mapping):
        return plain, None if text is None else Wish(query_text=text)
    kind, reranker = read_kind(retriever)
    if kind != RERANKER or _is_beyond_us(reranker):
        return plain, None if text is None else Wish(query_text=text)
    plain, wish = _read_reranker(plain, reranker)
    return plain, wish if text is None else dataclasses.replace(wish, query_text=text)


def strip_query_text(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body without our own `ext.rerank.query_text`, which no cluster knows; the same object where it has none."""
    given = body.get("ext")
    own = given.get("rerank") if isinstance(given, Mapping) else None
    if not isinstance(own, Mapping) or "query_text" not in own or "query_context" in own:
        return body
    return _read_extension(body)[0]


def strip_reranker(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body with the retriever inside a `text_similarity_reranker` in its place; the same object without one.

    Raises RequestError where the reranker is wrong.
    """
    plain, wish = read_wish(body)
    return plain if wish is not None and wish.limits_hits else body


def check_size(wish: Wish, size: int) -> None:
    """Refuse, as Elasticsearch does, a page that is longer than the window of a reranker; raises RequestError."""
    if wish.limits_hits and wish.window is not None and size > wish.window:
        raise _invalid(
            f"[{RERANKER}] requires [rank_window_size: {wish.window}] be greater than or equal to [size: {size}]"
        )


def _read_extension(body: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The body without `ext.rerank`, and the query text that this gave."""
    given = body.get("ext")
    own = given.get("rerank") if isinstance(given, Mapping) else None
    if not isinstance(given, Mapping) or not isinstance(own, Mapping):
        return dict(body), None
    # Beside a `query_context` other members are OpenSearch's.
    unknown = [] if "query_context" in own else sorted(set(own) - set(_OWN_FIELDS))
    if unknown:
        raise RequestError(f"[ext.rerank] unknown field [{unknown[0]}], known are [{', '.join(_OWN_FIELDS)}]")
    text = own.get("query_text")
    if "query_context" not in own or "query_text" in own:
        if not isinstance(text, str) or not text.strip():
            raise RequestError("[ext.rerank.query_text] must be a text that is not empty")
    else:
        text = _read_query_context(own["query_context"], body)
    rest = {name: value for name, value in given.items() if name != "rerank"}
    plain = {name: value for name, value in body.items() if name != "ext"}
    return ({**plain, "ext": rest} if rest else plain), text


def _read_query_context(context: Any, body: Mapping[str, Any]) -> str:
    """OpenSearch's `query_context`, in the words of its QueryContextSourceFetcher."""
    if not isinstance(context, Mapping):
        raise RequestError("query_context must be a map")
    if "query_text" in context:
        if "query_text_path" in context:
            raise RequestError('Cannot specify both "query_text" and "query_text_path"')
        text, name = context["query_text"], "query_text"
    elif "query_text_path" in context:
        text, name = _resolve(context["query_text_path"], body), "query_text_path"
    else:
        raise RequestError('Must specify either "query_text" or "query_text_path"')
    if not isinstance(text, str):
        raise RequestError(f"{name} must {'be a string' if name == 'query_text' else 'point to a string field'}")
    if not text.strip():
        raise RequestError(f"{name} must not be empty")
    return text


def _resolve(path: Any, body: Mapping[str, Any]) -> Any:
    """What stands at the dotted path, None where nothing does.

    OpenSearch looks in the request as it would write it itself: a single clause as a list of one, `{"title": "red"}` as
    `{"title": {"query": "red"}}`. Both ways of writing are found here.
    """
    if not isinstance(path, str):
        raise RequestError("query_text_path must be a string")
    parts = path.split(".")
    limits = ((len(path), _MAX_PATH_CHARS, "characters"), (len(parts), _MAX_PATH_PARTS, "nested fields"))
    for length, limit, unit in limits:
        if length > limit:
            raise RequestError(f"query_text_path exceeded the maximum path length of {limit} {unit}")
    node: Any = body
    for part in parts:
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isascii() and part.isdigit():
            node = node[int(part)] if int(part) < len(node) else None
        elif not (isinstance(node, Mapping) and part == "0") and not (
            isinstance(node, str) and part in ("query", "value")
        ):
            return None
    return node


def _is_beyond_us(reranker: Mapping[str, Any]) -> bool:
    inner = reranker.get("retriever")
    if not isinstance(inner, Mapping):
        return False
    read_kind(inner)
    return why_not_reranked(inner) is not None


def _read_reranker(body: dict[str, Any], reranker: Mapping[str, Any]) -> tuple[dict[str, Any], Wish]:
    fields = ObjectFields(RERANKER, reranker)
    fields.allow_only(_RERANKER_FIELDS)
    fields.require(_REQUIRED)
    fields.flag("allow_rerank_failures")
    fields.text("_name")
    given_window, chunks = fields.integer("rank_window_size"), fields.mapping("chunk_rescorer")
    window = DEFAULT_WINDOW if given_window is None else given_window
    inner = fields.mapping("retriever") or {}
    _check_beside(body, window)
    plain = {name: value for name, value in body.items() if name != "retriever"}
    plain.setdefault("size", window)
    plain, min_score = _settle_min_score(plain, fields.number("min_score"), inner)
    plain |= _read_inner(inner, as_list(reranker.get("filter")), window)
    text = fields.text("inference_text") or ""
    if not text.strip():
        raise _invalid("Field [query] cannot be empty for task type [rerank]")
    return plain, Wish(
        query_text=text,
        window=window,
        fields=(fields.text("field") or "",),
        min_score=min_score,
        chunks=None if chunks is None else read_chunk_rescorer(chunks),
        model_only=True,
        limits_hits=True,
        inference_id=fields.text("inference_id"),
    )


def _check_beside(body: Mapping[str, Any], window: int) -> None:
    """What Elasticsearch's SearchSourceBuilder and CompoundRetrieverBuilder refuse beside a reranker."""
    beside = [name for name in _NOT_BESIDE_A_RETRIEVER if name in body]
    problems = [f"cannot specify [retriever] and [{', '.join(beside)}]"] if beside else []
    if window < 0:
        problems.append(f"[rank_window_size] parameter cannot be negative, found [{window}]")
    if problems:
        raise _invalid(*problems)


def _settle_min_score(
    body: dict[str, Any], given: float | None, inner: Mapping[str, Any]
) -> tuple[dict[str, Any], float | None]:
    """The body without `min_score`, and the bound of the model's score.

    The body's own bounds the score that is returned, and counts only where no retriever has one.
    """
    kept = {name: value for name, value in body.items() if name != "min_score"}
    inner_has = any(isinstance(child, Mapping) and "min_score" in child for child in inner.values())
    bound = None if inner_has else ObjectFields("search", body).number("min_score")
    if given is not None or bound is None or bound <= 0:
        return kept, given
    return kept, bound - 1 if bound >= 1 else math.log(bound)


def _read_inner(inner: Mapping[str, Any], filters: list[Any], window: int) -> dict[str, Any]:
    """The body members that the inner retriever means: an ordinary query, or itself where it is more than that."""
    kind, child = read_kind(inner)
    for name in _NOT_IN_A_CHILD:
        if kind == "standard" and name in child:
            raise RequestError(f"[{name}] cannot be used in children of compound retrievers")
    filtered = with_filters(inner, filters)
    plain = to_plain_query(filtered)
    if plain is not None:
        return plain
    limit = retriever_limit(inner)
    if kind != "knn" and limit is not None and window > limit:
        raise _invalid(
            f"[{RERANKER}] requires [rank_window_size: {window}] to be smaller than or equal to its sub retriever's "
            f"{kind} [rank_window_size: {limit}]"
        )
    return {"retriever": filtered}


def _invalid(*problems: str) -> RequestError:
    return RequestError("Validation Failed: " + "".join(f"{place}: {text};" for place, text in enumerate(problems, 1)))
