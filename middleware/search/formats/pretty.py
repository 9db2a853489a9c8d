"""JSON text written anew as Elasticsearch writes what it filters: on one line, or spread over lines by `pretty`."""

from __future__ import annotations

import json
import math
import re
from json.encoder import encode_basestring

from middleware.search.formats.literals import java_double
from middleware.search.formats.text import LONE_SURROGATE, tokens
from middleware.search.json_text import Unreadable

_CONTROL = re.compile(r"((?<!\\)(?:\\\\)*\\u00)([01][0-9a-f])")
_FRACTION = re.compile(r"-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)", re.ASCII)


def compact_json(text: str) -> str:
    """JSON text without white space, strings and numbers as Jackson and Java spell them; Unreadable for no JSON."""
    pieces: list[str] = []
    previous = ""
    for bracket, inside, colon, literal in tokens(text):
        if previous not in ("", "{", "[", ":") and bracket not in ("}", "]"):
            pieces.append(",")
        pieces.append(bracket or (_respell(literal or "") if inside is None else f'"{_rewrite(inside)}"{colon or ""}'))
        previous = bracket or colon or "value"
    if not pieces:
        raise Unreadable("no JSON")
    return "".join(pieces)


def _rewrite(inside: str) -> str:
    """The inside of a string with no more escapes than Jackson writes."""
    if "\\" not in inside:
        return inside
    value = json.loads(f'"{inside}"', strict=False)
    if LONE_SURROGATE.search(value):
        return inside
    return _CONTROL.sub(lambda found: found[1] + found[2].upper(), encode_basestring(value)[1:-1])


def _respell(literal: str) -> str:
    """A number with a fraction or an exponent as Java's Double.toString gives it (JDK 19 and later); others as is."""
    if not _FRACTION.fullmatch(literal):
        return literal
    value = float(literal)
    return java_double(value) if math.isfinite(value) else literal


def pretty_json(text: str) -> str:
    """JSON text as Jackson's default printer spreads it: two spaces a level, `"a" : 1`, `[ ]`, `{ }`, a line feed last.

    Strings and numbers are spelt as in `compact_json`. Raises Unreadable where `text` is no JSON.
    """
    pieces: list[str] = []
    depth = 0
    previous = ""
    for bracket, inside, colon, literal in tokens(text):
        if bracket in ("}", "]"):
            depth -= 1
            pieces.append(" " if previous in ("{", "[") else _line(depth))
        elif previous == ":":
            pieces.append(" ")
        elif previous:
            pieces.append(("" if previous in ("{", "[") else ",") + _line(depth))
        shown = bracket or (
            _respell(literal or "") if inside is None else f'"{_rewrite(inside)}"' + (" :" if colon else "")
        )
        pieces.append(shown)
        depth += bracket in ("{", "[")
        previous = bracket or colon or "value"
    if not pieces:
        raise Unreadable("no JSON")
    return "".join(pieces) + "\n"


def _line(depth: int) -> str:
    return "\n" + "  " * depth
