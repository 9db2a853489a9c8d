"""JSON text written as YAML in the bytes that Jackson's generator and SnakeYAML's emitter would have given it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from itertools import chain

from middleware.search.formats.literals import read_string
from middleware.search.formats.text import Token, tokens
from middleware.search.json_text import Unreadable

_WIDTH = 80
_MAX_SIMPLE_KEY = 128
_MIME_LINE = 76
_SPECIAL = {
    "1e999": "Infinity", "-1e999": "-Infinity", "0e999": "NaN", "1E999": ".inf", "-1E999": "-.inf", "0E999": ".nan",
}  # fmt: skip
_ESCAPES = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r",
    "\x1b": "\\e", '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P",
}  # fmt: skip
_SEPARATORS = "\u2028\u2029"
_PIECES = re.compile(r"( )|([!#-\[\]-~]+)|(.)", re.DOTALL)
_UNPRINTABLE = re.compile("[^\t\n\r -~\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LINE_BREAK = re.compile("[\n\x85\u2028\u2029]")
_TO_ESCAPE = re.compile('[\0-\x1f"\\\\\x7f-\xa0\u2028\u2029\ud800-\udfff\ufffe\uffff]')
# Jackson's StringQuotingChecker: reserved words, what looks like a number, control characters
_RESERVED = frozenset(
    form for word in ("false", "n", "no", "null", "on", "off", "true", "y", "yes")
    for form in (word, word.capitalize(), word.upper())
)  # fmt: skip
_NUMBER_LIKE = frozenset("0123456789-+.")
# SnakeYAML's analyzeScalar: where a plain scalar would not be read back
_NOT_PLAIN = re.compile(
    r"---|\.\.\.|[#,\[\]{}&*!|>'\"%@`]|[?:](?:[ \t]|\Z)|.*:(?:[ \t]|\Z)|.*[ \t]#|\A[ ]|.*[ ]\Z", re.DOTALL
)


def write(text: str) -> bytes:
    """YAML of JSON text; raises Unreadable where `text` is not JSON."""
    writer = _Writer(tokens(text))
    try:
        writer.root()
        return "".join(writer.pieces).encode()
    except (ValueError, RecursionError, StopIteration) as error:
        raise Unreadable(str(error)) from error


class _Writer:
    """The tokens to come, the pieces written, and the column that the next piece begins in."""

    __slots__ = ("_tokens", "column", "pieces")

    def __init__(self, stream: Iterator[Token]) -> None:
        self._tokens = stream
        self.pieces: list[str] = ["---"]
        self.column = 3

    def root(self) -> None:
        token = next(self._tokens)
        following = self._collection(token)
        if following is None:
            self._put(" ")
            self._scalar(token, 0)
        else:
            self._new_line(0)
            self._block(token, following, 0)
        self.pieces.append("\n")
        if next(self._tokens, None):
            raise Unreadable("more than one value")

    def _collection(self, token: Token) -> Token | None:
        """The first token inside `token`, if that opens a collection with something in it."""
        if token[0] not in ("{", "["):
            return None
        following = next(self._tokens)
        if following[0] in ("}", "]"):
            return None
        return following

    def _block(self, opening: Token, first: Token, indent: int) -> None:
        """A collection that is not empty, from the current column on, which is `indent`."""
        is_mapping = opening[0] == "{"
        is_first = True
        for token in chain((first,), self._tokens):
            if token[0] in ("}", "]"):
                return
            if not is_first:
                self._new_line(indent)
            is_first = False
            if is_mapping:
                self._member(token, indent)
            else:
                self._put("-")
                self._after_dash(token, indent)

    def _member(self, token: Token, indent: int) -> None:
        name, _ = read_string(token[1] or "")
        if token[2] is None or isinstance(name, bytes):
            raise Unreadable("an object without names")
        if name and _utf16_length(name) < _MAX_SIMPLE_KEY and not _LINE_BREAK.search(name):
            self._put(_simple_name(name))
            self._put(":")
            self._after_name(next(self._tokens), indent)
            return
        self._put("? ")
        self._long_name(name, indent + 2)
        self._new_line(indent)
        self._put(":")
        self._after_dash(next(self._tokens), indent)

    def _after_name(self, token: Token, indent: int) -> None:
        """A value behind `name:`; collections begin on a new line, and arrays are not indented."""
        following = self._collection(token)
        if following is None:
            self._put(" ")
            self._scalar(token, indent + 2)
        else:
            inner = indent + 2 if token[0] == "{" else indent
            self._new_line(inner)
            self._block(token, following, inner)

    def _after_dash(self, token: Token, indent: int) -> None:
        """A value behind `-`, on the same line."""
        following = self._collection(token)
        self._put(" ")
        if following is None:
            self._scalar(token, indent + 2)
        else:
            self._block(token, following, indent + 2)

    def _scalar(self, token: Token, indent: int) -> None:
        bracket, inside, _, literal = token
        if bracket:
            self._put("{}" if bracket == "{" else "[]")
        elif literal:
            self._put(_SPECIAL.get(literal, literal))
        else:
            content, _ = read_string(inside or "")
            if isinstance(content, bytes):
                self._binary(content, indent)
            else:
                self._double_quoted(content, indent, escapes_separators=_escapes_separators(inside or ""))

    def _binary(self, content: bytes, indent: int) -> None:
        encoded = base64.b64encode(content).decode()
        if not encoded:
            self._put('!!binary ""')
            return
        self._put("!!binary |-")
        for start in range(0, len(encoded), _MIME_LINE):
            self._new_line(indent)
            self._put(encoded[start : start + _MIME_LINE])

    def _double_quoted(self, text: str, indent: int, *, escapes_separators: bool = True) -> None:
        if not _TO_ESCAPE.search(text) and self.column + 2 * len(text) < _WIDTH:
            self._put(f'"{text}"')
            return
        self._put('"')
        pending = ""
        last = len(text) - 1
        for match in _PIECES.finditer(text):
            at = match.start()
            space, run, special = match.groups()
            if special:
                self._put(pending + _escape(special, escapes_separators))
                pending = ""
            inner = (at > 0 or (special is not None and special > "\uffff")) and at < last
            width = self.column + (-1 if special else len(pending))
            if inner and (space or not pending) and width > _WIDTH:
                self._put(pending + "\\")
                self._new_line(indent)
                pending = ""
                following = text[at + 1 : at + 2] if special else text[at]
                if following == " ":
                    self._put("\\")
            pending += space or run or ""
        self._put(pending + '"')

    def _long_name(self, name: str, indent: int) -> None:
        style = _style(name)
        if style == '"':
            self._double_quoted(name, indent)
            return
        self._put(style)
        pieces = re.split("( +)", name.replace("'", "''") if style else name)
        for piece in pieces:
            if piece == " " and self.column > _WIDTH:
                self._new_line(indent)
            else:
                self._put(piece)
        self._put(style)

    def _put(self, text: str) -> None:
        self.pieces.append(text)
        self.column += _utf16_length(text)

    def _new_line(self, indent: int) -> None:
        self.pieces.append("\n" + " " * indent)
        self.column = indent


def _simple_name(name: str) -> str:
    style = _style(name)
    if style == '"':
        return '"' + "".join(map(_escape, name)) + '"'
    return style + (name.replace("'", "''") if style else name) + style


def _style(name: str) -> str:
    """The quotes of a name: none where it may stand plain."""
    if not name or name in _RESERVED or name[0] == "~" or name[0] in _NUMBER_LIKE or min(name) < " ":
        return '"'
    if _UNPRINTABLE.search(name) or _LINE_BREAK.search(name):
        return '"'
    return "'" if _NOT_PLAIN.match(name) else ""


def _escapes_separators(inside: str) -> bool:
    return "\\u2028" in inside or "\\u2029" in inside


def _escape(char: str, escapes_separators: bool = True) -> str:
    if char in _ESCAPES and (escapes_separators or char not in _SEPARATORS):
        return _ESCAPES[char]
    if not _UNPRINTABLE.match(char):
        return char
    return f"\\x{ord(char):02x}" if char <= "\xff" else f"\\u{ord(char):04x}"


def _utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text) + sum(char > "\uffff" for char in text)
