"""Document fields the second stage needs and the client did not ask for: which they are, and how they vanish again.

They are asked for under `fields`, since that leaves `_source` exactly as Elasticsearch filters it for the client.
Patterns there cost Elasticsearch much more than in a `_source` (46 ms against 17 for 100 hits of an index with 1,834
fields that match), so they are asked for here only where the window cannot be asked apart from the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from middleware.search.field_patterns import compile_pattern, is_pattern, may_overlap, rests_inside
from middleware.search.hits import Hit
from middleware.search.json_text import Cursor, cut_members

SOURCE_PARAMETERS = ("_source", "_source_includes", "_source_excludes", "_source_include", "_source_exclude")
_AGGREGATIONS = ("aggs", "aggregations")
_NO_FIELD = "_es_rerank_no_such_field"
_HIT_MEMBERS = ("fields", "ignored_field_values")

Span = tuple[int, int, str]


def choose_added_fields(
    wanted: Sequence[str], body: Mapping[str, Any], parameters: Mapping[str, str]
) -> tuple[str, ...]:
    """Which of the `wanted` paths and patterns we must add: none where the client gets the whole `_source`.

    What the client asks for itself, in whatever way and format, or a part of it, is not added: one answer cannot hold
    both.
    """
    if not _is_source_restricted(body, parameters):
        return ()
    asked = list(_asked_patterns(body, parameters))
    covered = [compile_pattern(pattern) for pattern in asked]
    return tuple(
        path
        for path in wanted
        if not any(pattern.fullmatch(path) for pattern in covered)
        and not (is_pattern(path) and any(may_overlap(path, pattern) for pattern in asked))
    )


def must_not_add(body: Mapping[str, Any], parameters: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether fields are needed that no request for everything can ask for.

    With them top_hits would change: whether they take over the client's own `fields` depends on the version of
    Elasticsearch. Or the client asks for some of the fields that a pattern stands for.
    """
    if not _is_source_restricted(body, parameters):
        return False
    asked = list(_asked_patterns(body, parameters))
    is_mixed = any(may_overlap(path, pattern) for path in wanted if is_pattern(path) for pattern in asked)
    return is_mixed or (bool(body.get("fields")) and shield_top_hits(body) != body)


def adds_patterns(body: Mapping[str, Any], parameters: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether a pattern is wanted, and the client may not get all that it stands for."""
    return any(is_pattern(path) for path in wanted) and _is_source_restricted(body, parameters)


def has_top_hits(body: Mapping[str, Any]) -> bool:
    """Whether any aggregation of the body, or of the aggregation, is a top_hits."""
    given = [body[name] for name in _AGGREGATIONS if isinstance(body.get(name), dict)]
    inside = [aggregation for each in given for aggregation in each.values() if isinstance(aggregation, dict)]
    return any("top_hits" in aggregation or has_top_hits(aggregation) for aggregation in inside)


def shield_top_hits(body: Mapping[str, Any]) -> dict[str, Any]:
    """The body or aggregation with a `fields` of its own in each top_hits that has none: it would take over ours."""
    shielded = dict(body)
    for name in set(_AGGREGATIONS) & set(body):
        if isinstance(body[name], dict):
            shielded[name] = {key: _shield_aggregation(value) for key, value in body[name].items()}
    return shielded


def _shield_aggregation(aggregation: Any) -> Any:
    if not isinstance(aggregation, dict):
        return aggregation
    top_hits = aggregation.get("top_hits")
    if isinstance(top_hits, dict) and top_hits.get("fields", []) == []:
        aggregation = {**aggregation, "top_hits": {**top_hits, "fields": [_NO_FIELD]}}
    return shield_top_hits(aggregation)


def cut_added_fields(text: str, hit: Hit, added: Sequence[str]) -> list[Span]:
    """Spans of the response `text` that remove from the hit what only we asked for."""
    if not added:
        return []
    spans: list[Span] = []
    emptied = []
    for name in _HIT_MEMBERS:
        member = hit.member(name)
        if member is None:
            continue
        rest = _without(Cursor(text, member.value_start), added)
        if rest is None:
            emptied.append(name)
        elif rest != text[member.value_start : member.end]:
            spans.append((member.value_start, member.end, rest))
    return spans + (cut_members(hit.read_members(), emptied) if emptied else [])


def _is_source_restricted(body: Mapping[str, Any], parameters: Mapping[str, str]) -> bool:
    """Whether the client may get less than the whole `_source`; stored and script fields switch it off."""
    if any(name in parameters for name in (*SOURCE_PARAMETERS, "stored_fields")):
        return True
    return body.get("_source", True) is not True or "stored_fields" in body or "script_fields" in body


def _asked_patterns(body: Mapping[str, Any], parameters: Mapping[str, str]) -> Iterator[str]:
    """Field names and patterns whose values Elasticsearch puts into a hit's `fields` for the client."""
    for name in ("fields", "docvalue_fields", "stored_fields"):
        for value in (body.get(name), parameters.get(name, "").split(",")):
            for entry in value if isinstance(value, list) else [value]:
                pattern = entry.get("field") if isinstance(entry, dict) else entry
                if isinstance(pattern, str):
                    yield pattern
    collapse = body.get("collapse")
    if isinstance(collapse, dict) and isinstance(collapse.get("field"), str):
        yield collapse["field"]
    scripts = body.get("script_fields")
    for name in scripts if isinstance(scripts, dict) else ():
        yield name
        yield f"{name}.*"


def _without(cursor: Cursor, paths: Sequence[str]) -> str | None:
    """The object under the cursor without the members at `paths`, as written where none is; None where all are."""
    start = cursor.at
    kept, changed = [], False
    for name, name_start in cursor.members():
        value_start = cursor.at
        if any(_means(path, name) for path in paths):
            cursor.value()
            changed = True
            continue
        below = [rest for path in paths for rest in rests_inside(path, name)]
        value = _without_inside(cursor, below)
        if value is not None:
            kept.append(cursor.text[name_start:value_start] + value)
        changed = changed or value != cursor.text[value_start : cursor.at]
    if not changed:
        return cursor.text[start : cursor.at]
    return "{" + ",".join(kept) + "}" if kept else None


def _means(path: str, name: str) -> bool:
    return path == name or (is_pattern(path) and compile_pattern(path).fullmatch(name) is not None)


def _without_inside(cursor: Cursor, paths: Sequence[str]) -> str | None:
    """The value under the cursor; where it is a list of nested objects, those without `paths`."""
    start = cursor.at
    value = cursor.value()
    end = cursor.at
    if not paths or not isinstance(value, list) or not any(isinstance(element, dict) for element in value):
        return cursor.text[start:end]
    inner = Cursor(cursor.text, start)
    kept, changed = [], False
    for element_start in inner.elements():
        is_object = inner.text[inner.at] == "{"
        element = _without(inner, paths) if is_object else _without_inside(inner, ())
        if element is not None:
            kept.append(element)
        changed = changed or element != inner.text[element_start : inner.at]
    if not changed:
        return cursor.text[start:end]
    return "[" + ",".join(kept) + "]" if kept else None
