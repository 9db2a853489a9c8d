"""`filter_path` applied by us, on the text of the answer, since the second stage needs what the client filters out."""

from __future__ import annotations

from fnmatch import fnmatchcase

from middleware.search.json_text import Cursor, Unreadable

Pattern = tuple[str, ...]


def filter_json(text: str, filter_path: str) -> str:
    """The JSON object `text` reduced as Elasticsearch's `filter_path` does; values are copied, not rewritten.

    Patterns are dotted paths with `*` in a name and `**` for any depth; a leading `-` excludes. Arrays are
    transparent; objects and arrays that lose everything vanish. Raises Unreadable where `text` nests too deeply.
    """
    paths = [path.strip() for path in filter_path.split(",") if path.strip()]
    includes = [_split(path) for path in paths if not path.startswith("-")]
    excludes = [_split(path[1:]) for path in paths if path.startswith("-")]
    try:
        return _filter_object(Cursor(text), includes or [("**",)], excludes) or "{}"
    except RecursionError as error:
        raise Unreadable("nested too deeply for filter_path") from error


def _split(path: str) -> Pattern:
    return tuple(path.replace("\\.", "\0").split("."))


def _filter_value(cursor: Cursor, includes: list[Pattern], excludes: list[Pattern]) -> str | None:
    """The filtered text of the value under the cursor, or None where nothing of it is left."""
    opening = cursor.text[cursor.at]
    if opening == "{":
        return _filter_object(cursor, includes, excludes)
    if opening == "[":
        return _filter_array(cursor, includes, excludes)
    start = cursor.at
    cursor.value()
    return cursor.text[start : cursor.at] if _is_whole(includes) else None


def _filter_object(cursor: Cursor, includes: list[Pattern], excludes: list[Pattern]) -> str | None:
    kept = []
    empty = True
    for name, start in cursor.members():
        empty = False
        value_start = cursor.at
        inner = _advance(includes, name)
        cut = _advance(excludes, name)
        if () in cut or not inner:
            cursor.value()
            continue
        value = _copy(cursor) if () in inner and not cut else _filter_value(cursor, inner, cut)
        if value is not None:
            kept.append(cursor.text[start:value_start] + value)
    return "{" + ",".join(kept) + "}" if kept or (empty and _is_whole(includes)) else None


def _filter_array(cursor: Cursor, includes: list[Pattern], excludes: list[Pattern]) -> str | None:
    values = [_filter_value(cursor, includes, excludes) for _ in cursor.elements()]
    kept = [value for value in values if value is not None]
    return "[" + ",".join(kept) + "]" if kept or (not values and _is_whole(includes)) else None


def _copy(cursor: Cursor) -> str:
    start = cursor.at
    cursor.value()
    return cursor.text[start : cursor.at]


def _is_whole(includes: list[Pattern]) -> bool:
    """Whether a value reached by these patterns is wanted as a whole."""
    return any(pattern in ((), ("**",)) for pattern in includes)


def _advance(patterns: list[Pattern], name: str) -> list[Pattern]:
    """What is left of each pattern below a member called `name`; `()` means that the member itself is meant."""
    left: list[Pattern] = []
    for pattern in patterns:
        if not pattern:
            left.append(())
        elif pattern[0] == "**":
            left.append(pattern)
            left += _advance([pattern[1:]], name) if pattern[1:] else [()]
        elif fnmatchcase(name, pattern[0].replace("\0", ".")):
            left.append(pattern[1:])
    return left
