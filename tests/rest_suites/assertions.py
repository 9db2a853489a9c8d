"""The assertions that a suite makes on an answer; each raises Failed with what was expected and what was there."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from rest_suites.stash import Failed, look_up, resolve

_EMPTY = ("", "false", "0")
_MAX_SHOWN = 600


def check(kind: str, argument: Any, body: Any, stash: Mapping[str, Any]) -> None:
    """Check one assertion; Failed where it does not hold, or is of a kind that nobody knows."""
    if kind in ("is_true", "is_false"):
        value = look_up(body, argument or "", stash)
        if _is_true(value) != (kind == "is_true"):
            raise Failed(f"{kind} {argument}: {_show(value)}")
        return
    if kind not in _COMPARISONS:
        raise Failed(f"unknown assertion {kind}")
    for path, raw in argument.items():
        actual, expected = look_up(body, str(path), stash), resolve(raw, stash)
        if not _COMPARISONS[kind](actual, expected):
            raise Failed(f"{kind} {path}: expected {_show(expected)}, found {_show(actual)}")


def _is_true(value: Any) -> bool:
    if isinstance(value, bool) or value is None:
        return bool(value)
    return str(value).lower() not in _EMPTY


def _matches(actual: Any, expected: Any) -> bool:
    if isinstance(expected, str):
        pattern = expected.strip()
        if len(pattern) > 2 and pattern.startswith("/") and pattern.endswith("/"):
            return isinstance(actual, str) and re.search(pattern[1:-1], actual, re.VERBOSE) is not None
    return _same(actual, expected)


def _same(actual: Any, expected: Any) -> bool:
    """Equal as JSON: 1 is 1.0, but not true."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        expected = {str(key): value for key, value in expected.items()}
        return actual.keys() == expected.keys() and all(_same(actual[key], expected[key]) for key in actual)
    if isinstance(expected, list) and isinstance(actual, list):
        return len(actual) == len(expected) and all(map(_same, actual, expected))
    return isinstance(actual, bool) == isinstance(expected, bool) and bool(actual == expected)


def _has_length(actual: Any, expected: Any) -> bool:
    return isinstance(actual, str | list | dict) and len(actual) == int(expected)


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Any, Any], bool]:
    def holds(actual: Any, expected: Any) -> bool:
        try:
            return compare(float(actual), float(expected))
        except (TypeError, ValueError):
            return False

    return holds


def _contains(actual: Any, expected: Any) -> bool:
    if isinstance(actual, str):
        return str(expected) in actual
    if isinstance(actual, list) and isinstance(expected, dict):
        return any(isinstance(item, dict) and expected.items() <= item.items() for item in actual)
    return isinstance(actual, list | dict) and expected in actual


def _is_close(actual: Any, expected: Any) -> bool:
    return isinstance(actual, int | float) and abs(actual - expected["value"]) <= expected["error"]


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "match": _matches,
    "length": _has_length,
    "contains": _contains,
    "close_to": _is_close,
    "lt": _ordered(lambda a, b: a < b),
    "lte": _ordered(lambda a, b: a <= b),
    "gt": _ordered(lambda a, b: a > b),
    "gte": _ordered(lambda a, b: a >= b),
}


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]} ..."
