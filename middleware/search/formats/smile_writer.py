"""JSON text written as SMILE in the bytes that Jackson's generator gives it for Elasticsearch."""

from __future__ import annotations

import struct

from middleware.search.formats.binary import write_tokens
from middleware.search.formats.literals import Big, BigDecimal, Number, Single, read_string
from middleware.search.formats.sevens import pack_binary, pack_sevens, pack_unsigned
from middleware.search.json_text import Unreadable

_HEADER = b":)\n\x05"
_MAX_SHARED = 1_024
_MAX_SHORT = 64
_WRITTEN = {"{": b"\xfa", "}": b"\xfb", "[": b"\xf8", "]": b"\xf9", "null": b"\x21", "false": b"\x22", "true": b"\x23"}
LONG_ASCII, LONG_UNICODE = 0xE0, 0xE4
_BUFFER = 8_000


def write(text: str) -> bytes:
    """SMILE of JSON text, as Jackson writes it with shared names and raw binary; raises Unreadable if it is no JSON."""
    return _HEADER + write_tokens(text, _WRITTEN, _Names().write, _write_string, _write_number)


class _Names:
    """The names written so far: a name that was there is written as a reference to it."""

    __slots__ = ("_count", "_references")

    def __init__(self) -> None:
        self._references: dict[str, bytes] = {}
        self._count = 0

    def write(self, inside: str) -> bytes:
        if not inside:
            return b"\x20"
        if written := self._references.get(inside):
            return written
        if self._count == _MAX_SHARED:
            self._references.clear()
            self._count = 0
        if self._count & 0xFF < 0xFE:
            number = self._count
            short = number < 64
            self._references[inside] = (
                bytes((0x40 + number,)) if short else bytes((0x30 + (number >> 8), number & 0xFF))
            )
        self._count += 1
        return _write_name(inside)


def _write_name(inside: str) -> bytes:
    name, _ = read_string(inside)
    if isinstance(name, bytes):
        raise Unreadable("a name of bytes")
    encoded = name.encode()
    is_ascii = len(encoded) == len(name)
    if len(encoded) <= (64 if is_ascii else 56):
        return bytes(((0x7F if is_ascii else 0xBE) + len(encoded),)) + encoded
    return b"\x34" + encoded + b"\xfc"


def _write_string(inside: str) -> bytes:
    content, is_other = read_string(inside)
    if isinstance(content, bytes):
        return b"\xfd" + pack_unsigned(len(content)) + content
    encoded = content.encode()
    length = len(encoded)
    if not length:
        return b"\x20"
    is_ascii = length == len(content)
    if length <= _MAX_SHORT or (length == _MAX_SHORT + 1 and is_other):
        token = 0x3F if (is_ascii and not is_other) or length == 1 else 0x7E
        return bytes((token + length,)) + encoded
    token = long_token(length) if is_ascii else LONG_UNICODE
    if is_other:
        token = LONG_ASCII ^ LONG_UNICODE ^ token
    return bytes((token,)) + encoded + b"\xfc"


def long_token(length: int) -> int:
    """The token of long ASCII text of that length: Jackson 2.19 looks no further than its buffer (2.14 does)."""
    return LONG_ASCII if 3 * length + 2 <= _BUFFER else LONG_UNICODE


def _write_number(number: Number) -> bytes:
    if isinstance(number, int):
        zigzag = number << 1 if number >= 0 else ~(number << 1)
        if zigzag < 0x20:
            return bytes((0xC0 + zigzag,))
        return (b"\x24" if -(2**31) <= number < 2**31 else b"\x25") + pack_unsigned(zigzag)
    if isinstance(number, float):
        return b"\x29" + pack_sevens(int.from_bytes(struct.pack(">d", number), "big"), 10)
    if isinstance(number, Single):
        packed = pack_sevens(int.from_bytes(struct.pack(">f", number.value), "big"), 5)
        return b"\x28" + (bytes((packed[0] | 0x70,)) + packed[1:] if number.signs_first_byte else packed)
    if isinstance(number, BigDecimal):
        scale = -number.exponent
        return b"\x2a" + pack_unsigned(scale << 1 if scale >= 0 else ~(scale << 1)) + _write_big(number.digits)
    return b"\x26" + _write_big(number.value)


def _write_big(number: int | Big) -> bytes:
    value = number.value if isinstance(number, Big) else number
    magnitude = value if value >= 0 else ~value
    return pack_binary(value.to_bytes(magnitude.bit_length() // 8 + 1, "big", signed=True))
