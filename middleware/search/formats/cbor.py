"""CBOR (RFC 8949) read as JSON text and written as Jackson's generator writes it, since Elasticsearch answers so."""

from __future__ import annotations

import struct

from middleware.search.formats.binary import BinaryReader, write_tokens
from middleware.search.formats.literals import (
    Big,
    BigDecimal,
    Number,
    Single,
    mark_text,
    read_string,
    spell_big,
    spell_bytes,
    spell_decimal,
    spell_double,
    spell_integer,
    spell_single,
)
from middleware.search.formats.text import MAX_DEPTH, quote
from middleware.search.json_text import Unreadable

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _OBJECT, _TAG, _SIMPLE = range(8)
_BIG, _NEGATIVE_BIG, _DECIMAL = 2, 3, 4
_BREAK = 0xFF
_BIG_TAGS, _DECIMAL_PREFIX = (b"\xc2", b"\xc3"), b"\xc4\x82"
_LITERALS = {20: "false", 21: "true", 22: "null"}
_WRITTEN = {"{": b"\xbf", "}": b"\xff", "[": b"\x9f", "]": b"\xff", "false": b"\xf4", "true": b"\xf5", "null": b"\xf6"}
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_CHUNK = 3_996


def read(data: bytes) -> str:
    """JSON text of one CBOR item; raises Unreadable."""
    reader = _Reader(data)
    reader.run(lambda: reader.value(0))
    if reader.at != len(data):
        raise Unreadable("more than one CBOR item")
    return reader.build.text()


class _Reader(BinaryReader):
    """A position in CBOR data, and the text so far."""

    __slots__ = ()

    def value(self, depth: int) -> None:
        """Read one item, of any kind."""
        major, info, number = self.head()
        if major == _TEXT:
            self.build.literal(self._quoted(number))
        elif major in (_ARRAY, _OBJECT):
            self._container(major, number, depth + 1)
        elif major == _SIMPLE:
            self.build.literal(self._simple(info))
        elif major == _TAG:
            self._tagged(number, depth + 1)
        elif major == _BYTES:
            self.build.literal(f'"{spell_bytes(self.octets(number))}"')
        else:
            self.build.literal(str(number if major == _UNSIGNED else -1 - number))

    def head(self) -> tuple[int, int, int]:
        """(major type, additional information, its argument or -1 where the length is open)."""
        first = self.data[self.at]
        self.at += 1
        major, info = first >> 5, first & 31
        if info < 24:
            return major, info, info
        if info > 27:
            if info != 31 or major in (_UNSIGNED, _NEGATIVE, _TAG, _SIMPLE):
                raise Unreadable(f"no CBOR item begins with {first:#x}")
            return major, info, -1
        return major, info, int.from_bytes(self.take(1 << (info - 24)), "big")

    def octets(self, length: int, major: int = _BYTES) -> bytes:
        """The content of a byte or text string, in chunks where `length` is -1."""
        if length >= 0:
            return self.take(length)
        chunks = []
        while not self._at_break():
            chunk_major, _, chunk_length = self.head()
            if chunk_major != major or chunk_length < 0:
                raise Unreadable("a chunk of another kind")
            chunks.append(self.take(chunk_length))
        return b"".join(chunks)

    def _quoted(self, length: int) -> str:
        text = self.octets(length, _TEXT).decode()
        quoted = quote(text)
        if length > _CHUNK and _utf16_length(text) > _CHUNK:
            return f'"{mark_text(quoted[1:-1])}"'
        return quoted

    def _container(self, major: int, count: int, depth: int) -> None:
        self.build.begin("{" if major == _OBJECT else "[")
        while count != 0 and not (count < 0 and self._at_break()):
            count -= 1
            if major == _OBJECT:
                kind, _, length = self.head()
                if kind != _TEXT:
                    raise Unreadable("a name that is no text")
                self.build.name(self.octets(length, _TEXT).decode())
            self.value(depth)
        self.build.end()

    def _tagged(self, tag: int, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Unreadable("too many tags")
        if tag in (_BIG, _NEGATIVE_BIG):
            self.build.literal(spell_big(self._big(tag)))
        elif tag == _DECIMAL:
            if self.head() != (_ARRAY, 2, 2):
                raise Unreadable("a decimal fraction is a pair")
            exponent, digits = self._integer(), self._integer()
            self.build.literal(spell_decimal(digits, exponent))
        else:
            self.value(depth)

    def _integer(self) -> int:
        major, _, number = self.head()
        if major == _TAG and number in (_BIG, _NEGATIVE_BIG):
            return self._big(number)
        if major not in (_UNSIGNED, _NEGATIVE):
            raise Unreadable("no integer")
        return number if major == _UNSIGNED else -1 - number

    def _big(self, tag: int) -> int:
        """Jackson up to 2.19 writes the magnitude of a negative one, not what RFC 8949 says."""
        major, _, length = self.head()
        if major != _BYTES:
            raise Unreadable("a bignum is a byte string")
        magnitude = int.from_bytes(self.octets(length), "big")
        spell_integer(magnitude)
        return -magnitude if tag == _NEGATIVE_BIG else magnitude

    def _simple(self, info: int) -> str:
        if info in _LITERALS:
            return _LITERALS[info]
        if info not in _FLOATS:
            raise Unreadable(f"no simple value {info}")
        code = _FLOATS[info]
        size = struct.calcsize(code)
        value: float = struct.unpack_from(code, self.data, self.at - size)[0]
        return spell_double(value) if code == ">d" else spell_single(value)

    def _at_break(self) -> bool:
        if self.data[self.at] != _BREAK:
            return False
        self.at += 1
        return True


def write(text: str) -> bytes:
    """CBOR of JSON text, as Jackson writes it; raises Unreadable where `text` is not JSON."""
    return write_tokens(text, _WRITTEN, _write_string, _write_string, _write_number)


def _write_string(inside: str) -> bytes:
    content, in_one_piece = read_string(inside)
    if isinstance(content, bytes):
        return _head(_BYTES, len(content)) + content
    if len(content) * 2 > _CHUNK and not in_one_piece and _utf16_length(content) > _CHUNK:
        return b"\x7f" + b"".join(_chunks(content)) + b"\xff"
    encoded = content.encode()
    return _head(_TEXT, len(encoded)) + encoded


def _chunks(text: str) -> list[bytes]:
    """Jackson's chunks: up to 3,996 UTF-16 units each, surrogate pairs whole."""
    units = text.encode("utf-16-le")
    chunks, start, size = [], 0, 2 * _CHUNK
    while start < len(units):
        end = min(start + size, len(units))
        if end < len(units) and 0xD8 <= units[end - 1] <= 0xDB:
            end -= 2
        content = units[start:end].decode("utf-16-le").encode()
        chunks.append(_head(_TEXT, len(content)) + content)
        start = end
    return chunks


def _utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _write_number(number: Number) -> bytes:
    if isinstance(number, int):
        return _head(_UNSIGNED, number) if number >= 0 else _head(_NEGATIVE, -1 - number)
    if isinstance(number, float):
        return struct.pack(">Bd", 0xFB, number)
    if isinstance(number, Single):
        return struct.pack(">Bf", 0xFA, number.value)
    if isinstance(number, BigDecimal):
        fits = -(2**63) <= number.digits < 2**63
        digits = _write_number(number.digits if fits else Big(number.digits))
        return _DECIMAL_PREFIX + _write_number(number.exponent) + digits
    magnitude = abs(number.value)
    content = magnitude.to_bytes(magnitude.bit_length() // 8 + 1, "big")
    return _BIG_TAGS[number.value < 0] + _head(_BYTES, len(content)) + content


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes((major << 5 | info,)) + number.to_bytes(size, "big")
    raise Unreadable("a number too big for CBOR")
