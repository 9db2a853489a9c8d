"""What a test remembers from one answer to the next, and how its paths point into an answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ARBITRARY_KEY = "_arbitrary_key_"
_SEGMENT = re.compile(r"(?<!\\)\.")
_EMBEDDED = re.compile(r"\$\{([^}]+)\}")


class Failed(Exception):
    """An assertion that does not hold."""


def resolve(value: Any, stash: Mapping[str, Any]) -> Any:
    """`value` with every `$name` and `${name}` in it replaced by what is remembered under that name."""
    if isinstance(value, dict):
        return {resolve(key, stash): resolve(item, stash) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, stash) for item in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    if value.startswith("$") and not value.startswith("${"):
        name, *rest = _SEGMENT.split(value[1:])
        if name not in stash:
            return value  # a text that only looks like one, as in a regular expression
        return follow(stash[name], rest, stash) if rest else stash[name]
    return _EMBEDDED.sub(lambda match: str(stash.get(match[1], match[0])), value)


def look_up(body: Any, path: str, stash: Mapping[str, Any]) -> Any:
    """The value at a dotted path of the answer; None where there is none. Raises Failed for an unknown name."""
    if path.startswith("$"):
        name, *rest = _SEGMENT.split(path[1:])
        return follow(_remembered(name, stash), rest, stash)
    return follow(body, _SEGMENT.split(path) if path else [], stash)


def follow(value: Any, segments: list[str], stash: Mapping[str, Any]) -> Any:
    """Step by step into objects (by key) and arrays (by number)."""
    for raw in segments:
        segment = raw.replace("\\.", ".")
        if segment.startswith("$"):
            segment = str(_remembered(segment.strip("${}"), stash))
        if isinstance(value, list) and segment.isdigit():
            value = value[int(segment)] if int(segment) < len(value) else None
        elif isinstance(value, dict):
            value = next(iter(value), None) if segment == ARBITRARY_KEY else value.get(segment)
        else:
            return None
    return value


def _remembered(name: str, stash: Mapping[str, Any]) -> Any:
    if name not in stash:
        raise Failed(f"nothing is remembered as ${name}")
    return stash[name]
