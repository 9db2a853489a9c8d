"""JSON read as text with positions, so that what we do not change is copied byte for byte instead of written anew."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\r\n]*")
_MAX_DEPTH = 200
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_decode = json.JSONDecoder().raw_decode


class Unreadable(ValueError):
    """The text is not JSON, or not of the shape we expected."""


@dataclass(frozen=True, slots=True)
class Member:
    """One `"name": value` of an object: text positions of the key and the value, and the decoded value."""

    name: str
    start: int
    value_start: int
    end: int
    value: Any


class Cursor:
    """A pull parser over `text`: values are decoded by the json module, positions stay known."""

    __slots__ = ("at", "text")

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at
        self._skip_space()

    def value(self) -> Any:
        """Decode the value under the cursor; the cursor then stands right behind it."""
        try:
            value, self.at = _decode(self.text, self.at)
        except (ValueError, RecursionError) as error:
            raise Unreadable(str(error)) from error
        return value

    def members(self) -> Iterator[tuple[str, int]]:
        """(name, start of the key) of each member of the object under the cursor.

        The cursor stands on the member's value; the caller consumes it before asking for the next.
        """
        self._expect("{")
        if self._take("}"):
            return
        while True:
            start = self.at
            name = self.value()
            if not isinstance(name, str):
                raise Unreadable(f"expected a name at {start}")
            self._expect(":")
            yield name, start
            if not self._take(","):
                self._expect("}")
                return

    def elements(self) -> Iterator[int]:
        """Start of each element of the array under the cursor; the caller consumes it before asking for the next."""
        self._expect("[")
        if self._take("]"):
            return
        while True:
            yield self.at
            if not self._take(","):
                self._expect("]")
                return

    def read_members(self) -> list[Member]:
        """All members of the object under the cursor, values decoded."""
        read = []
        for name, start in self.members():
            value_start = self.at
            value = self.value()
            read.append(Member(name, start, value_start, self.at, value))
        return read

    def find_member(self, name: str) -> Member | None:
        """The first member called `name` of the object under the cursor; what follows it is not read."""
        for found, start in self.members():
            value_start = self.at
            value = self.value()
            if found == name:
                return Member(name, start, value_start, self.at, value)
        return None

    def _skip_space(self) -> None:
        match = _SPACE.match(self.text, self.at)
        if match:
            self.at = match.end()

    def _take(self, char: str) -> bool:
        """Step over `char` and the space around it, if it comes next; a closing bracket keeps the space behind it."""
        at = self.at
        if not self.text.startswith(char, at):
            match = _SPACE.match(self.text, at)
            at = match.end() if match else at
            if not self.text.startswith(char, at):
                return False
        self.at = at + 1
        if char not in "}]":
            self._skip_space()
        return True

    def _expect(self, char: str) -> None:
        if not self._take(char):
            raise Unreadable(f"expected {char!r} at {self.at}")


def replace_spans(text: str, spans: Iterable[tuple[int, int, str]], start: int = 0, end: int | None = None) -> str:
    """`text[start:end]` with each (start, end, new text) replaced; positions are those of `text`, no overlaps."""
    pieces: list[str] = []
    at = start
    for span_start, span_end, new in sorted(spans):
        pieces += (text[at:span_start], new)
        at = span_end
    return "".join((*pieces, text[at:end]))


def cut_members(members: list[Member], names: Iterable[str]) -> list[tuple[int, int, str]]:
    """Spans that remove the members called `names` together with their comma."""
    unwanted = set(names)
    spans = []
    kept_any = False
    for position, member in enumerate(members):
        if member.name not in unwanted:
            kept_any = True
        elif kept_any:
            spans.append((members[position - 1].end, member.end, ""))
        else:
            following = members[position + 1].start if position + 1 < len(members) else member.end
            spans.append((member.start, following, ""))
    return spans


def replace_lone_surrogates(text: str) -> str:
    """Text that a tokenizer takes: JSON can carry halves of a surrogate pair."""
    return text if text.isascii() else _LONE_SURROGATE.sub("\ufffd", text)


def load_strict(data: bytes) -> Any:
    """Decode a request body as Elasticsearch would: no duplicate names, no NaN or Infinity, UTF-8.

    Raises Unreadable; also for what is nested so deeply that we might fail to write it again.
    """
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Unreadable(str(error)) from error
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > _MAX_DEPTH:
            raise Unreadable(f"nested more than {_MAX_DEPTH} levels deep")
        nested = [node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list)]
        level = [child for children in nested for child in children]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Unreadable("duplicate name")
    return result


def _refuse(constant: str) -> NoReturn:
    raise Unreadable(f"{constant} is not JSON")


def _finite(literal: str) -> float:
    value = float(literal)
    if not math.isfinite(value):
        raise Unreadable(f"{literal} does not fit a double")
    return value
