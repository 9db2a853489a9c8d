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
from middleware.search.own_syntax import strip_query_text, strip_reranker
from middleware.search.reasons import Reason
from middleware.search.target import SearchTarget, split_indices

# What a template search reads of its URL and a plan asks for; the rest stands in the template.
_READ_BY_TEMPLATES = ("preference", "routing", "scroll")
# A template of ours that renders to the body given to it: compiled once, however many bodies there are.
_ANY_BODY = "{{{body}}}"
TEMPLATE_OPTIONS = ("explain", "profile")


@dataclass(frozen=True, slots=True)
class Search:
    """One search: its index expression, what plays the part of URL parameters, its body, and its line of `_msearch`.

    Where the client sent a template, `body` is what it was rendered to, and `template` what was sent; one that could
    not be rendered stands in `body`, and `is_rendered` is False.
    """

    indices: tuple[str, ...]
    parameters: Mapping[str, str]
    body: Mapping[str, Any]
    header: Mapping[str, Any]
    template: Mapping[str, Any] | None = None
    is_rendered: bool = True
    knows_rerankers: bool = True

    @property
    def sent(self) -> Mapping[str, Any]:
        """What the client sent."""
        return self.body if self.template is None else self.template

    @property
    def upstream_body(self) -> Mapping[str, Any]:
        """What the client sent, or what the cluster understands of it.

        No cluster knows our own `ext.rerank.query_text`, and not every one a `text_similarity_reranker`, of which the
        retriever inside is left. Raises RequestError where these are wrong.
        """
        plain = strip_query_text(self.body)
        if not self.knows_rerankers:
            plain = strip_reranker(plain)
        return self.sent if plain is self.body else self.outgoing(plain)

    def outgoing(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """A body of ours in the form of the client's: as it is, or as a template that renders to it."""
        if self.template is None:
            return body
        options = {name: body[name] for name in TEMPLATE_OPTIONS if name in body}
        without = {name: value for name, value in body.items() if name not in options}
        return {"source": _ANY_BODY, "params": {"body": encode_body(without).decode()}, **options}


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A request of any form: one search, or the many of an `_msearch`.

    `own_headers` are what a search of ours must say otherwise than the client: our bodies are JSON.
    """

    target: SearchTarget
    parameters: Mapping[str, str]
    searches: tuple[Search, ...]
    own_headers: Mapping[str, str]

    @property
    def filter_path(self) -> str:
        return self.parameters.get("filter_path", "")

    @property
    def pretty(self) -> bool:
        return self.parameters.get("pretty", "false") in ("", "true")

    def without_own_syntax(self) -> bytes | None:
        """The body in JSON as the cluster understands it, or None where that is as it came."""
        bodies = [search.upstream_body for search in self.searches]
        if all(body is search.sent for body, search in zip(bodies, self.searches, strict=True)):
            return None
        if not self.target.form.is_multi:
            return encode_body(bodies[0])
        return encode_lines((search.header, body) for body, search in zip(bodies, self.searches, strict=True))

    def with_bodies(self, rendered: Sequence[Mapping[str, Any] | None]) -> SearchRequest:
        """The request after its templates were rendered to the bodies given, in order; None: it was not."""
        read = {name: value for name, value in self.parameters.items() if name in _READ_BY_TEMPLATES}
        parameters = {} if self.target.form.is_multi else read
        searches = tuple(
            replace(search, is_rendered=False)
            if body is None
            else replace(search, body=body, template=search.body, parameters=parameters)
            for search, body in zip(self.searches, rendered, strict=True)
        )
        return replace(self, searches=searches)


def read_request(
    target: SearchTarget,
    headers: Mapping[str, str],
    body: bytes,
    max_bytes: int,
    *,
    is_opensearch: bool = False,
) -> SearchRequest | Reason:
    """Read a request of up to `max_bytes`, header names in lower case; a Reason where we do not understand it.

    `is_opensearch`: whose rules tell the format of the answer.
    """
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
    try:
        searches = _read_searches(target, parameters, data, media.format if media else Format.JSON)
    except Unreadable:
        return Reason.MALFORMED
    # The type that the header names decides on the answer's, with a body or without.
    spoken = read_media_type(headers.get("content-type", ""))
    answer = answer_format(headers.get("accept"), parameters.get("format"), spoken, opensearch=is_opensearch)
    own_headers = _own_headers(target, headers, spoken, answer)
    return own_headers if isinstance(own_headers, Reason) else SearchRequest(target, parameters, searches, own_headers)


def _own_headers(
    target: SearchTarget, headers: Mapping[str, str], media: MediaType | None, answer: Format | None
) -> dict[str, str] | Reason:
    """JSON as our body's type unless the client's says so; then also the answer's type, which may go by the body's."""
    if media is not None and media.format is Format.JSON:
        return {}
    spoken = media or read_media_type(headers.get("accept", ""))
    own = {"Content-Type": _media_type("x-ndjson" if target.form.is_multi else "json", spoken)}
    if media is not None:
        if answer is None:
            return Reason.FORMAT
        own["Accept"] = _media_type(answer, spoken)
    return own


def _media_type(name: str, spoken: MediaType | None) -> str:
    """The type called `name`, of the version that the client speaks."""
    if spoken is None or not spoken.vendor:
        return f"application/{name}"
    version = f"; compatible-with={spoken.compatible_with}" if spoken.compatible_with else ""
    return f"application/vnd.elasticsearch+{name}{version}"


def _read_searches(
    target: SearchTarget, parameters: Mapping[str, str], data: bytes, format: Format
) -> tuple[Search, ...]:
    if not target.form.is_multi:
        return (Search(target.indices, parameters, _object(data, format), {}),)
    lines = split_stream(data, format)
    if len(lines) % 2 or not lines:
        raise Unreadable("each search of an _msearch has two lines")
    pairs = zip(lines[::2], lines[1::2], strict=True)
    return tuple(_read_pair(target, _object(header, format), _object(body, format)) for header, body in pairs)


def _read_pair(target: SearchTarget, header: dict[str, Any], body: dict[str, Any]) -> Search:
    given = header.get("index", header.get("indices"))
    if given is None:
        return Search(target.indices, {}, body, header)
    names = given if isinstance(given, list) else [given]
    if not all(isinstance(name, str) for name in names):
        raise Unreadable("an index is a name")
    return Search(tuple(part for name in names for part in split_indices(name)), {}, body, header)


def _object(data: bytes, format: Format) -> dict[str, Any]:
    value = decode_body(data, format) if data else {}
    if not isinstance(value, dict):
        raise Unreadable("a search body is an object")
    return value


def encode_body(body: Mapping[str, Any]) -> bytes:
    """JSON as it goes upstream, in ASCII, so that lone surrogates survive as escapes."""
    return json.dumps(body, separators=(",", ":")).encode("ascii")


def encode_lines(pairs: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> bytes:
    """The (header, body) pairs of an `_msearch` as NDJSON."""
    return b"".join(encode_body(part) + b"\n" for pair in pairs for part in pair)
