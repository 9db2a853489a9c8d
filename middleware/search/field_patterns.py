"""Fields by pattern: many sparse attributes, `attr_t_*`, that no request could name one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any


def is_pattern(path: str) -> bool:
    """Whether it stands for any number of fields, as in Elasticsearch's `_source` and `fields`."""
    return "*" in path


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """What the whole of a dotted path must match; `*` stands for anything, dots as well."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")), re.DOTALL)


def may_overlap(first: str, second: str) -> bool:
    """Whether a field may be meant by both, of which at least one is a pattern; rather yes than no."""
    starts, ends = (first.split("*")[0], second.split("*")[0]), (first.split("*")[-1], second.split("*")[-1])
    if not is_pattern(first) or not is_pattern(second):
        name, pattern = (second, first) if is_pattern(first) else (first, second)
        return compile_pattern(pattern).fullmatch(name) is not None
    return _agree(starts, str.startswith) and _agree(ends, str.endswith)


def rests_inside(path: str, name: str) -> Iterator[str]:
    """What a path or pattern means inside an object called `name`; nothing where it means nothing there."""
    if not is_pattern(path):
        if path.startswith(f"{name}."):
            yield path[len(name) + 1 :]
        return
    for end in range(1, len(path) + 1):
        if compile_pattern(path[:end]).fullmatch(f"{name}."):
            yield path[end - 1 :] if path[end - 1] == "*" else path[end:]


def read_matching(document: Any, pattern: str) -> list[Any]:
    """Scalar values of all fields that match, each once, in the order of the fields' names.

    The order of the names makes it the same whatever order Elasticsearch writes them in, and once leaves out the
    subfields (`.keyword`) that its `fields` repeat a text under.
    """
    if not isinstance(document, dict):
        return []
    found = sorted(_leaves(document, "", pattern.split("*")[0], compile_pattern(pattern)), key=lambda leaf: leaf[0])
    return list(dict.fromkeys(value for _, value in found))


def _leaves(node: dict[str, Any], before: str, start: str, pattern: re.Pattern[str]) -> Iterator[tuple[str, Any]]:
    for name, child in node.items():
        path = before + name
        if not path.startswith(start) and not start.startswith(f"{path}."):
            continue
        if not isinstance(child, dict | list):
            if child is not None and pattern.fullmatch(path):
                yield path, child
            continue
        for element in _flat(child):
            if isinstance(element, dict):
                yield from _leaves(element, f"{path}.", start, pattern)
            elif element is not None and pattern.fullmatch(path):
                yield path, element


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for element in value:
            yield from _flat(element)
    else:
        yield value


def _agree(pair: tuple[str, str], fits: Any) -> bool:
    return bool(fits(pair[0], pair[1]) or fits(pair[1], pair[0]))
