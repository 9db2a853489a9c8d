"""JSON text put together from, and taken apart into, its tokens, since the codecs of all formats meet in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json.encoder import encode_basestring, encode_basestring_ascii

from middleware.search.json_text import Unreadable

MAX_DEPTH = 200
_TOKEN = re.compile(
    r"""[ \t\r\n,]*+(?:([{}\[\]])|"((?:[^"\\]++|\\.)*+)"(?:[ \t\r\n]*+(:))?"""
    r"""|(-?[0-9][-+.0-9eE]*+|true|false|null)|(\Z))"""
)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")

Token = tuple[str | None, str | None, str | None, str | None]


class TextBuilder:
    """Compact JSON text, value by value."""

    __slots__ = ("_closings", "_pieces", "_separator")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._closings: list[str] = []
        self._separator = ""

    def begin(self, bracket: str) -> None:
        """Begin an object or an array; raises Unreadable where it is nested too deeply."""
        if len(self._closings) == MAX_DEPTH:
            raise Unreadable(f"nested more than {MAX_DEPTH} levels deep")
        self._pieces.append(self._separator + bracket)
        self._closings.append("}" if bracket == "{" else "]")
        self._separator = ""

    def end(self) -> None:
        self._pieces.append(self._closings.pop())
        self._separator = ","

    def name(self, name: str) -> None:
        self._pieces.append(f"{self._separator}{quote(name)}:")
        self._separator = ""

    def literal(self, literal: str) -> None:
        """A value as JSON spells it."""
        self._pieces.append(self._separator + literal)
        self._separator = ","

    def text(self) -> str:
        return "".join(self._pieces)


def quote(text: str) -> str:
    """A JSON string; escapes only what must be."""
    quoted: str = encode_basestring(text)
    if not quoted.isascii() and LONE_SURROGATE.search(quoted):
        quoted = encode_basestring_ascii(text)
    return quoted


def tokens(text: str) -> Iterator[Token]:
    """(bracket, inside of a string, `:` behind it if it is a name, other literal) of each token of JSON text.

    One of the first, second and last is given. Raises Unreadable where `text` is no JSON or its brackets do not match.
    """
    at, open_brackets = 0, []
    while True:
        match = _TOKEN.match(text, at)
        if match is None:
            raise Unreadable(f"no JSON at {at}")
        at = match.end()
        bracket, inside, colon, literal, end = match.groups()
        if end is not None:
            break
        if bracket in ("{", "["):
            open_brackets.append("}" if bracket == "{" else "]")
        elif bracket and (not open_brackets or open_brackets.pop() != bracket):
            raise Unreadable(f"unexpected {bracket} at {at}")
        yield bracket, inside, colon, literal
    if open_brackets:
        raise Unreadable("brackets left open")
