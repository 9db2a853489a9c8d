"""The words in a Lucene query string: what was searched for, without operators, fields, ranges and what is negated."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<range>[\[{][^\[\]{}]*\sTO\s[^\[\]{}]*[\]}])
    |"(?P<phrase>(?:[^"\\]|\\.)*)"
    |(?P<regex>/(?:[^/\\]|\\.)+/)
    |(?P<open>\()
    |(?P<close>\))
    |(?P<word>(?:\\.|:(?!/)|[^\s"()\[\]{}\\:])+:?|:)""",
    re.VERBOSE | re.DOTALL,
)
# No model reads more, and no crafted query may cost more.
MAX_CHARS = 4096
_SIGNS = re.compile(r"[+\-!|]*")
_FIELD = re.compile(r"((?:\\.|[^\s:\\])+):(.*)", re.DOTALL)
_SUFFIX = re.compile(r"(?<!\\)[~^][\d.]*")
_ESCAPE_OR_WILDCARD = re.compile(r"\\(.)|[*?]", re.DOTALL)
_INNER_OPERATOR = re.compile(r"&&|\|\||(?<!\\)\|")
_OPERATORS = ("AND", "OR")
_NO_TEXT_FIELDS = ("_exists_", "_id", "_index", "_type")


def read_query_string(text: str) -> str:
    """The words of a `query_string` query, or of the `q` parameter."""
    return _Reader(simple=False).read(text)


def read_simple_query_string(text: str) -> str:
    """The words of a `simple_query_string` query, without fields, ranges, regular expressions, AND, OR, NOT."""
    return _Reader(simple=True).read(text)


class _Reader:
    """One pass over a query string; `_negated` is set between a negation and what it negates."""

    def __init__(self, *, simple: bool) -> None:
        self._simple = simple
        self._negated = False
        self._skipped_depth = 0

    def read(self, text: str) -> str:
        words = (
            word
            for token in _TOKEN.finditer(text[:MAX_CHARS])
            for found in self._words(token)
            for word in found.split()
        )
        return " ".join(word for word in words if word.strip(string.punctuation))

    def _words(self, token: re.Match[str]) -> Iterator[str]:
        kind, text = str(token.lastgroup), token[str(token.lastgroup)]
        if kind in ("open", "close"):
            self._step(kind)
        elif self._skipped_depth:
            return
        elif kind == "word":
            yield from self._word(text)
        elif kind == "phrase" or self._simple:
            if not self._taken_negation():
                yield _ESCAPE_OR_WILDCARD.sub(r"\1", text) if kind == "phrase" else text
        else:
            self._negated = False

    def _step(self, bracket: str) -> None:
        if bracket == "open" and (self._skipped_depth or self._taken_negation()):
            self._skipped_depth += 1
        elif bracket == "close" and self._skipped_depth:
            self._skipped_depth -= 1

    def _word(self, text: str) -> Iterator[str]:
        signs = _SIGNS.match(text)
        text = text[signs.end() :] if signs else text
        self._negated = self._negated or bool(signs and ("-" in signs[0] or ("!" in signs[0] and not self._simple)))
        if not self._simple:
            if text in _OPERATORS:
                return
            if text == "NOT":
                self._negated = True
                return
            text = self._value_of_field(text)
        text = _SUFFIX.sub("", text)
        if text and not self._taken_negation():
            yield _ESCAPE_OR_WILDCARD.sub(r"\1", _INNER_OPERATOR.sub(" ", text))

    def _value_of_field(self, text: str) -> str:
        """The text behind `field:`; of a field or comparison without words nothing, and its negation is used up."""
        field = _FIELD.fullmatch(text)
        if field is None:
            return text
        if field[1] in _NO_TEXT_FIELDS or field[2].startswith(("<", ">")):
            self._negated = False
            return ""
        return field[2]

    def _taken_negation(self) -> bool:
        negated, self._negated = self._negated, False
        return negated
