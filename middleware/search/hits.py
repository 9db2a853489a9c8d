"""Search responses read with positions: the hits one by one, everything else left as the text it came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from middleware.search.document import read_values
from middleware.search.json_text import Cursor, Member, Unreadable


@dataclass(frozen=True, slots=True)
class Hit:
    """One hit as Elasticsearch wrote it: `text[start:end]` of the response's text, and what that says, decoded.

    Where its members stand is looked up when it is asked for: of a window only the page's hits are written.
    """

    text: str
    start: int
    end: int
    content: Mapping[str, Any]

    def read_members(self) -> list[Member]:
        """Its members with their positions in `text`."""
        return Cursor(self.text, self.start).read_members()

    def member(self, name: str) -> Member | None:
        """The member called `name` with its position; None where there is none."""
        return Cursor(self.text, self.start).find_member(name) if name in self.content else None

    def decoded(self, name: str) -> Any:
        """The value of the member called `name`, None where there is none."""
        return self.content.get(name)

    @property
    def index(self) -> str:
        return str(self.decoded("_index"))

    @property
    def name(self) -> tuple[str, str]:
        """Index and id, which tell it from every other hit."""
        return self.index, str(self.decoded("_id"))

    @property
    def first_stage_score(self) -> float:
        return float(self.decoded("_score"))

    def values(self, path: str) -> list[Any]:
        """Scalar values of a document field, from `_source` or else from `fields`."""
        content = self.content
        return read_values(content.get("_source"), path) or read_values(content.get("fields"), path)

    def collapsed(self, field: str) -> list[Any]:
        """The value of the field that the search collapsed on; empty where the hit has none."""
        fields = self.decoded("fields")
        values = fields.get(field, ()) if isinstance(fields, dict) else ()
        return [value for value in values if value is not None]


@dataclass(frozen=True, slots=True)
class SearchResponse:
    """One search's response in `text`: it and its parts as spans, (start, end) positions."""

    text: str
    span: tuple[int, int]
    hits: tuple[Hit, ...]
    hits_span: tuple[int, int]
    took_span: tuple[int, int] | None
    took_ms: int
    max_score_span: tuple[int, int] | None
    total_span: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request of one search or many: each one's response, or where it stands if it is not usable."""

    text: str
    responses: tuple[SearchResponse | tuple[int, int], ...]
    took_span: tuple[int, int] | None = None


def read_answer(text: str, *, is_multi: bool) -> Answer:
    """Read a 200 answer. Raises Unreadable; of an `_msearch` only where it is not an answer to one at all."""
    cursor = Cursor(text)
    if not is_multi:
        return Answer(text, (read_search_response(cursor),))
    took_span, responses = None, None
    for name, _ in cursor.members():
        start = cursor.at
        if name == "responses":
            responses = tuple(_read_one_of_many(cursor) for _ in cursor.elements())
        else:
            cursor.value()
            took_span = (start, cursor.at) if name == "took" else took_span
    if responses is None:
        raise Unreadable("the answer has no responses")
    return Answer(text, responses, took_span)


def _read_one_of_many(cursor: Cursor) -> SearchResponse | tuple[int, int]:
    start = cursor.at
    try:
        return read_search_response(cursor)
    except Unreadable:
        cursor.at = start
        cursor.value()
        return start, cursor.at


def read_search_response(cursor: Cursor) -> SearchResponse:
    """Read the response under the cursor; Unreadable where it is not a complete search response with scored hits.

    Failed shards make it incomplete: the larger window or the added fields may be what they failed on.
    """
    start = cursor.at
    found: dict[str, Any] = {"took_ms": 0, "took_span": None, "max_score_span": None, "total_span": None}
    for name, _ in cursor.members():
        value_start = cursor.at
        if name == "hits":
            _read_hits_object(cursor, found)
        else:
            value = cursor.value()
            if name == "took" and isinstance(value, int):
                found |= {"took_ms": value, "took_span": (value_start, cursor.at)}
            if name == "_shards" and isinstance(value, dict) and value.get("failed"):
                raise Unreadable(f"{value['failed']} shards failed")
    if "hits" not in found:
        raise Unreadable("the response has no hits")
    return SearchResponse(cursor.text, (start, cursor.at), **found)


def _read_hits_object(cursor: Cursor, found: dict[str, Any]) -> None:
    for name, _ in cursor.members():
        start = cursor.at
        if name == "hits":
            found["hits"] = tuple(_read_hit(cursor) for _ in cursor.elements())
            found["hits_span"] = (start, cursor.at)
        else:
            cursor.value()
            if name in ("max_score", "total"):
                found[f"{name}_span"] = (start, cursor.at)


def _read_hit(cursor: Cursor) -> Hit:
    start = cursor.at
    content = cursor.value()
    if not isinstance(content, dict) or not isinstance(content.get("_score"), int | float):
        raise Unreadable("a hit has no score")
    return Hit(cursor.text, start, cursor.at, content)
