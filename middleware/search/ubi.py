"""User Behavior Insights in a search: its `ext.ubi` read and taken out, its `query_id` put into the answer.

As OpenSearch's plugin (opensearch-project/user-behavior-insights) does it: `UbiParameters` for the request,
`UbiSearchResponse` for the answer. Unlike the plugin, the answers to an `_msearch` have their ids, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from middleware.errors import RequestError
from middleware.search.document import read_values
from middleware.search.filter_path import filter_json, has_exclusions
from middleware.search.formats import Format, compact_json, pretty_json
from middleware.search.json_text import Cursor, Member, Unreadable, replace_spans

_TEXTS = ("query_id", "client_id", "application", "object_id_field")
MAX_ID_CHARS = 100
"""The plugin's mapping indexes no longer `query_id` and `client_id`."""


@dataclass(frozen=True, slots=True)
class UbiQuery:
    """What a search says of itself; what it does not say is empty."""

    query_id: str = ""
    client_id: str = ""
    user_query: str = ""
    application: str = ""
    object_id_field: str = ""
    query_attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """The hits of an answer: `_id`s, and the objects they stand for."""

    hit_ids: tuple[str, ...]
    object_ids: tuple[str, ...]


def read_ubi(body: Mapping[str, Any]) -> UbiQuery | None:
    """The `ext.ubi` of a search body, None without one; members that the plugin does not know are passed over.

    Raises RequestError where a member is not of the plugin's type.
    """
    extension = body.get("ext")
    given = extension.get("ubi") if isinstance(extension, Mapping) else None
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise RequestError("[ext.ubi] must be an object")
    texts = {name: _text(name, given.get(name)) for name in _TEXTS}
    for name in ("query_id", "client_id"):
        if len(texts[name]) > MAX_ID_CHARS:
            raise RequestError(f"[ext.ubi.{name}] must have at most {MAX_ID_CHARS} characters")
    attributes = {} if given.get("query_attributes") is None else given["query_attributes"]
    if not isinstance(attributes, Mapping):
        raise RequestError("[ext.ubi.query_attributes] must be an object")
    named = {name: _text(f"query_attributes.{name}", value) for name, value in attributes.items()}
    return UbiQuery(**texts, user_query=_read_user_query(given.get("user_query")), query_attributes=named)


def _read_user_query(value: Any) -> str:
    """A text, or from version 3.3 of the plugin on an object whose `text` it is."""
    return _text("user_query", value.get("text") if isinstance(value, Mapping) else value)


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        raise RequestError(f"[ext.ubi.{name}] must be a text")
    return str(value).strip()


def strip_ubi(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body without `ext.ubi`; the same object where it has none."""
    extension = body.get("ext")
    if not isinstance(extension, Mapping) or "ubi" not in extension:
        return body
    rest = {name: value for name, value in extension.items() if name != "ubi"}
    plain = {name: value for name, value in body.items() if name != "ext"}
    return {**plain, "ext": rest} if rest else plain


def read_pages(text: str, queries: Sequence[UbiQuery | None], *, is_multi: bool) -> list[Page | None]:
    """What an answer shows for each search with `ext.ubi`; None for the others and for those that failed.

    An object's id is that of `object_id_field` in `_source` or `fields`, without that setting the `_id`; a hit without
    it is none. Raises Unreadable where the answer is none to these searches.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    answers = (answer.get("responses") if is_multi else [answer]) if isinstance(answer, dict) else None
    if not isinstance(answers, list) or len(answers) != len(queries):
        raise Unreadable("not as many responses as searches")
    return [_read_page(each, query) if query else None for each, query in zip(answers, queries, strict=True)]


def _read_page(answer: Any, query: UbiQuery) -> Page | None:
    if not isinstance(answer, dict) or "error" in answer:
        return None
    found = answer.get("hits")
    hits = found.get("hits", []) if isinstance(found, dict) else []
    hits = [hit for hit in hits if isinstance(hit, dict)] if isinstance(hits, list) else []
    hit_ids = tuple(str(hit["_id"]) for hit in hits if "_id" in hit)
    if not query.object_id_field:
        return Page(hit_ids, hit_ids)
    values = (_first(hit, query.object_id_field) for hit in hits)
    return Page(hit_ids, tuple(value for value in values if value is not None))


def _first(hit: Mapping[str, Any], path: str) -> str | None:
    values = read_values(hit.get("_source"), path) or read_values(hit.get("fields"), path)
    return str(values[0]) if values else None


def add_query_ids(text: str, query_ids: Sequence[str | None], filter_path: str, *, is_multi: bool) -> str:
    """The answer with `ext.ubi.query_id` last in each response that has an id, as far as `filter_path` lets it through.

    All else stays as it was written; a pretty answer stays pretty. Raises Unreadable where the answer is none.
    """
    if not _passes(filter_path, is_multi=is_multi):
        return text
    cursor = Cursor(text)
    if not is_multi:
        return replace_spans(text, [_insertion(text, cursor.at, query_ids[0])] if query_ids[0] else [])
    responses = cursor.find_member("responses")
    if responses is None or len(responses.value) != len(query_ids):
        raise Unreadable("not as many responses as searches")
    inner, spans = Cursor(text, responses.value_start), []
    for query_id, start in zip(query_ids, inner.elements(), strict=True):
        inner.value()
        if query_id and "error" not in json.loads(text[start : inner.at]):
            spans.append(_insertion(text, start, query_id))
    return replace_spans(text, spans)


def widen(filter_path: str, queries: Sequence[UbiQuery | None], *, is_multi: bool) -> str:
    """`filter_path` with what a page's ids are read from; the same where it lets them through, or has exclusions."""
    if not filter_path or has_exclusions(filter_path):
        return filter_path
    fields = dict.fromkeys(query.object_id_field for query in queries if query and query.object_id_field)
    places = ["_id", *(f"{place}.{name}" for name in fields for place in ("_source", "fields"))]
    prefix = "responses." if is_multi else ""
    return ",".join((filter_path, *(f"{prefix}hits.hits.{place}" for place in places)))


def filter_answer(text: str, filter_path: str, form: Format, *, is_pretty: bool) -> str:
    """An answer to a widened `filter_path` as the client's own leaves it. Raises Unreadable."""
    text = filter_json(text, filter_path)
    if form is not Format.JSON:
        return text
    return pretty_json(text) if is_pretty else compact_json(text)


def _passes(filter_path: str, *, is_multi: bool) -> bool:
    if not filter_path:
        return True
    response = '{"ext":{"ubi":{"query_id":"?"}}}'
    return '"?"' in filter_json(f'{{"responses":[{response}]}}' if is_multi else response, filter_path)


def _insertion(text: str, start: int, query_id: str) -> tuple[int, int, str]:
    """Where in the response at `start` its `ext.ubi` goes, and the text of it."""
    if not text.startswith("{", start):
        raise Unreadable("a response is an object")
    members = Cursor(text, start).read_members()
    last = members[-1] if members else None
    given = next((member for member in members if member.name == "ext" and isinstance(member.value, dict)), None)
    if given is not None and "ubi" in given.value:
        return start, start, ""  # the cluster's own
    if given is not None:
        inner = Cursor(text, given.value_start).read_members()
        return _behind(text, inner[-1] if inner else None, given.value_start, "ubi", {"query_id": query_id})
    return _behind(text, last, start, "ext", {"ubi": {"query_id": query_id}})


def _behind(text: str, last: Member | None, start: int, name: str, value: Any) -> tuple[int, int, str]:
    if last is None:
        return start + 1, start + 1, f"{json.dumps(name)}:{_compact(value)}"
    before = text[: last.start]
    indent = before[len(before.rstrip(" ")) :]
    if not before.rstrip(" ").endswith("\n"):
        return last.end, last.end, f",{json.dumps(name)}:{_compact(value)}"
    spread = json.dumps(value, indent=2, separators=(",", " : ")).replace("\n", f"\n{indent}")
    return last.end, last.end, f",\n{indent}{json.dumps(name)} : {spread}"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
