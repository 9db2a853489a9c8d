"""A search request read into the searches it holds, whatever its form, format and compression."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from middleware.search.compression import decompress
from middleware.search.filter_path import is_valid
from middleware.search.formats import Format, MediaType, answer_format, decode_body, read_media_type, split_stream
from middleware.search.json_text import Unreadable
from middleware.search.own_syntax import strip_query_text
from middleware.search.reasons import Reason
from middleware.search.target import SearchTarget, split_indices

# All that a template search reads of its URL; the rest of a search's parameters it takes from the template alone.
_TEMPLATE_PARAMETERS = frozenset((
    "allow_no_indices", "batched_reduce_size", "cancel_after_time_interval", "ccs_minimize_roundtrips", "error_trace",
    "expand_wildcards", "filter_path", "format", "human", "ignore_throttled", "ignore_unavailable", "preference",
    "max_concurrent_searches", "max_concurrent_shard_requests", "pre_filter_shard_size", "pretty", "request_cache",
    "rest_total_hits_as_int", "routing", "scroll", "search_pipeline", "search_type", "typed_keys",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Search:
    """One search: its index expression, what plays the part of URL parameters, its body, and its line of `_msearch`.

    `template_parameters` are those of the template that `body` was rendered from.
    """

    indices: tuple[str, ...]
    parameters: Mapping[str, str]
    body: Mapping[str, Any]
    header: Mapping[str, Any]
    template_parameters: Mapping[str, Any] | None = None

    @property
    def upstream_body(self) -> Mapping[str, Any]:
        """The body without our own `ext.rerank.query_text`, which no cluster knows."""
        return strip_query_text(self.body)


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A request of any form: one search, or the many of an `_msearch`; `answer` is the format of its answer.

    `own_headers` are what a search of ours must say otherwise than the client: our bodies are JSON.
    """

    target: SearchTarget
    parameters: Mapping[str, str]
    searches: tuple[Search, ...]
    answer: Format
    own_headers: Mapping[str, str]
    is_template: bool = False

    @property
    def filter_path(self) -> str:
        return self.parameters.get("filter_path", "")

    @property
    def pretty(self) -> bool:
        return self.parameters.get("pretty", "false") in ("", "true")

    def without_own_syntax(self) -> bytes | None:
        """The body in JSON without our own `ext.rerank.query_text`, or None where it holds none."""
        if all(search.upstream_body is search.body for search in self.searches):
            return None
        if not self.target.form.is_multi:
            return encode_body(self.searches[0].upstream_body)
        return encode_lines((search.header, search.upstream_body) for search in self.searches)

    def with_bodies(self, rendered: Sequence[Mapping[str, Any]]) -> SearchRequest:
        """The request after its templates were rendered: plain searches with the bodies given, in order."""
        read = {name: value for name, value in self.parameters.items() if is_read_by_templates(name)}
        searches = tuple(
            replace(
                search,
                body=body,
                parameters={} if self.target.form.is_multi else read,
                template_parameters=search.body.get("params") or {},
            )
            for search, body in zip(self.searches, rendered, strict=True)
        )
        return replace(self, target=self.target.rendered(), searches=searches, is_template=True)


def is_read_by_templates(name: str) -> bool:
    """Whether a URL parameter means something to a template search."""
    return name in _TEMPLATE_PARAMETERS


def read_request(
    target: SearchTarget, headers: Mapping[str, str], body: bytes, max_bytes: int
) -> SearchRequest | Reason:
    """Read a request of up to `max_bytes`, header names in lower case; a Reason where we do not understand it."""
    parameters = target.parameters()
    if not target.well_formed or not is_valid(parameters.get("filter_path", "")):
        return Reason.MALFORMED
    try:
        data = decompress(body, headers.get("content-encoding", "identity"), max_bytes) if body else b""
    except Unreadable:
        return Reason.CONTENT_ENCODING
    content_type = headers.get("content-type", "")
    if not data and "source" in parameters:
        data, content_type = parameters["source"].encode(), parameters.get("source_content_type", "")
    media = read_media_type(content_type)
    if data and (media is None or media.stream > target.form.is_multi):
        return Reason.CONTENT_TYPE
    accept = headers.get("accept")
    answer = answer_format(accept, parameters.get("format"), media if body else None)
    if answer is None:
        return Reason.FORMAT
    try:
        searches = _read_searches(target, parameters, data, media.format if media else Format.JSON)
    except Unreadable:
        return Reason.MALFORMED
    own_headers = _own_headers(target, answer, headers, media if body else None)
    return SearchRequest(target, parameters, searches, answer, own_headers)


def _own_headers(
    target: SearchTarget, answer: Format, headers: Mapping[str, str], media: MediaType | None
) -> dict[str, str]:
    """JSON as our body's type unless the client's says so; the type that an answer would have had by the body's."""
    accept = headers.get("accept")
    spoken = media or read_media_type((accept or "").partition(",")[0])
    own = {}
    if media is None or media.format is not Format.JSON:
        own["Content-Type"] = _media_type("x-ndjson" if target.form.is_multi else "json", spoken)
    if not accept and media is not None and answer is not Format.JSON:
        own["Accept"] = _media_type(answer, spoken)
    return own


def _media_type(name: str, spoken: MediaType | None) -> str:
    """The type called `name`, of the version that the client speaks."""
    if spoken is None or not spoken.vendor:
        return f"application/{name}"
    version = f"; compatible-with={spoken.compatible_with}" if spoken.compatible_with else ""
    return f"application/vnd.elasticsearch+{name}{version}"


def _read_searches(
    target: SearchTarget, parameters: Mapping[str, str], data: bytes, form: Format
) -> tuple[Search, ...]:
    if not target.form.is_multi:
        return (Search(target.indices, parameters, _object(data, form), {}),)
    lines = split_stream(data, form)
    if len(lines) % 2 or not lines:
        raise Unreadable("each search of an _msearch has two lines")
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return tuple(_read_pair(target, _object(header, form), _object(body, form)) for header, body in pairs)


def _read_pair(target: SearchTarget, header: dict[str, Any], body: dict[str, Any]) -> Search:
    given = header.get("index", header.get("indices"))
    if given is None:
        return Search(target.indices, {}, body, header)
    names = given if isinstance(given, list) else [given]
    if not all(isinstance(name, str) for name in names):
        raise Unreadable("an index is a name")
    return Search(tuple(part for name in names for part in split_indices(name)), {}, body, header)


def _object(data: bytes, form: Format) -> dict[str, Any]:
    value = decode_body(data, form) if data else {}
    if not isinstance(value, dict):
        raise Unreadable("a search body is an object")
    return value


def encode_body(body: Mapping[str, Any]) -> bytes:
    """JSON as it goes upstream, in ASCII, so that lone surrogates survive as escapes."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def encode_lines(pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> bytes:
    """The (header, body) pairs of an `_msearch` as NDJSON."""
    return b"".join(encode_body(part) + b"\n" for pair in pairs for part in pair)
