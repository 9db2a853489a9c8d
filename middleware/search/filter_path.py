"""`filter_path` applied by us, on the text of the answer, since the second stage needs what the client filters out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from middleware.search.json_text import Cursor, Unreadable

Pattern = tuple[str, ...]
_ANY_DEPTH = "**"
_BELOW_ANY_DEPTH = "\0**"
_FIRST_NAME = re.compile(r"((?:\\\.|[^.])++)\.")
_DOT = re.compile(r"(?<!\\)\.")
_MATCH: list[Pattern] = [()]


@dataclass(frozen=True, slots=True)
class _Filter:
    """What is left of the patterns at some depth; below it members that match are kept, or else are dropped."""

    patterns: list[Pattern]
    keeps: bool

    def below(self, name: str) -> _Filter | bool:
        """The filter for the value of a member called `name`; True where all of it stays, False where none does."""
        left = _advance(self.patterns, name)
        if left is _MATCH or not left:
            return self.keeps == bool(left)
        return _Filter(left, self.keeps)


def filter_json(text: str, filter_path: str) -> str:
    """The JSON object `text` reduced as Elasticsearch's `filter_path` does; values are copied, not rewritten.

    Patterns are dotted paths with `*` in a name and `**` for one name or more; a leading `-` excludes from what the
    others include. Arrays are transparent; objects and arrays that a pattern leads into vanish where they are empty.
    Elasticsearch from 8.15 on keeps those below an exclusion that were empty before (`has_exclusions`). Raises
    Unreadable where `text` nests too deeply.
    """
    for keeps in (True, False):
        patterns = [_split(path) for path in _paths(filter_path, excluding=not keeps)]
        try:
            text = (_filter_object(Cursor(text), _Filter(patterns, keeps)) or "{}") if patterns else text
        except RecursionError as error:
            raise Unreadable("nested too deeply for filter_path") from error
    return text


def has_exclusions(filter_path: str) -> bool:
    """Whether versions of Elasticsearch may differ in what empty objects and arrays they leave."""
    return bool(_paths(filter_path, excluding=True))


def is_valid(filter_path: str) -> bool:
    """Whether every engine takes it, and to mean the same: no name in it may be empty."""
    paths = (*_paths(filter_path, excluding=True), *_paths(filter_path, excluding=False))
    return all(name for path in paths for name in _DOT.split(path))


def _paths(filter_path: str, *, excluding: bool) -> list[str]:
    paths = (path.strip() for path in filter_path.split(","))
    return [path[1:] if excluding else path for path in paths if path and path.startswith("-") == excluding]


def _split(path: str) -> Pattern:
    """The names of a path; an escaped dot is part of a name, and so is one where a name would be empty."""
    names = []
    while match := _FIRST_NAME.match(path):
        names.append(match[1])
        path = path[match.end() :]
    return tuple(name.replace("\\.", ".") for name in (*names, path))


def _filter_value(cursor: Cursor, filtered: _Filter) -> str | None:
    """The filtered text of the value under the cursor, or None where nothing of it is left."""
    opening = cursor.text[cursor.at]
    if opening == "{":
        return _filter_object(cursor, filtered)
    if opening == "[":
        kept = [value for _ in cursor.elements() if (value := _filter_value(cursor, filtered)) is not None]
        return "[" + ",".join(kept) + "]" if kept else None
    scalar = _copy(cursor)
    return None if filtered.keeps else scalar


def _filter_object(cursor: Cursor, filtered: _Filter) -> str | None:
    kept = list(_filter_members(cursor, filtered))
    return "{" + ",".join(kept) + "}" if kept else None


def _filter_members(cursor: Cursor, filtered: _Filter) -> Iterator[str]:
    for name, start in cursor.members():
        key = cursor.text[start : cursor.at]
        below = filtered.below(name)
        value = _filter_value(cursor, below) if isinstance(below, _Filter) else _copy(cursor)
        if below is not False and value is not None:
            yield key + value


def _copy(cursor: Cursor) -> str:
    start = cursor.at
    cursor.value()
    return cursor.text[start : cursor.at]


def _advance(patterns: list[Pattern], name: str) -> list[Pattern]:
    """What is left of each pattern below a member called `name`; _MATCH where one of them ends with it."""
    left: list[Pattern] = []
    for pattern in patterns:
        first, rest = pattern[0], pattern[1:]
        if first == _BELOW_ANY_DEPTH:
            further = _advance([rest], name)
            if further is _MATCH:
                return _MATCH
            left += [pattern, *further]
        elif _matches(first, name):
            if not rest:
                return _MATCH
            left.append((_BELOW_ANY_DEPTH, *rest) if first == _ANY_DEPTH else rest)
    return left


def _matches(glob: str, name: str) -> bool:
    if "*" not in glob:
        return glob == name
    first, *middle, last = glob.split("*")
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    at, end = len(first), len(name) - len(last)
    for part in middle:
        at = name.find(part, at, end)
        if at < 0:
            return False
        at += len(part)
    return True
