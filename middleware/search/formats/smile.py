"""SMILE (Jackson's binary JSON) read as JSON text, since Elasticsearch takes and gives it; see smile_writer."""

from __future__ import annotations

import struct

from middleware.search.formats.binary import BinaryReader
from middleware.search.formats.literals import (
    mark_text,
    spell_big,
    spell_bytes,
    spell_decimal,
    spell_double,
    spell_integer,
    spell_single,
)
from middleware.search.formats.sevens import unpack_binary, unpack_sevens
from middleware.search.formats.smile_writer import LONG_ASCII, LONG_UNICODE, long_token, write
from middleware.search.formats.text import quote
from middleware.search.json_text import Unreadable

__all__ = ["read", "write"]

_HEADER = b":)\n"
_SHARED_NAMES, _SHARED_VALUES = 1, 2
_MAX_SHARED = 1_024
_END_OF_STRING = 0xFC
_END_ARRAY, _END_OBJECT = 0xF9, 0xFB
_LITERALS = {0x20: '""', 0x21: "null", 0x22: "false", 0x23: "true"}


def read(data: bytes) -> str:
    """JSON text of one SMILE document with its header; raises Unreadable."""
    if data[:3] != _HEADER or len(data) < 5 or data[3] & 0xF0:
        raise Unreadable("no SMILE header")
    reader = _Reader(data)
    reader.run(reader.value)
    if data[reader.at :] not in (b"", b"\xff"):
        raise Unreadable("more than one SMILE document")
    return reader.build.text()


class _Reader(BinaryReader):
    """A position in SMILE data, the names and values that can be referred back to, and the text so far."""

    __slots__ = ("_names", "_shares_names", "_shares_values", "_values")

    def __init__(self, data: bytes) -> None:
        super().__init__(data, at=4)
        self._shares_names, self._shares_values = bool(data[3] & _SHARED_NAMES), bool(data[3] & _SHARED_VALUES)
        self._names: list[str] = []
        self._values: list[str] = []

    def value(self) -> None:
        """Read one value, of any kind."""
        token = self.data[self.at]
        self.at += 1
        if token == 0xFA:
            self._object()
        elif token == 0xF8:
            self._array()
        else:
            self.build.literal(self._scalar(token))

    def _object(self) -> None:
        self.build.begin("{")
        while self.data[self.at] != _END_OBJECT:
            self.build.name(self._name())
            self.value()
        self.at += 1
        self.build.end()

    def _array(self) -> None:
        self.build.begin("[")
        while self.data[self.at] != _END_ARRAY:
            self.value()
        self.at += 1
        self.build.end()

    def _name(self) -> str:
        token = self.data[self.at]
        self.at += 1
        if token == 0x20:
            return ""
        if 0x30 <= token <= 0x33:
            self.at += 1
            return self._names[(token & 3) << 8 | self.data[self.at - 1]]
        if 0x40 <= token <= 0x7F:
            return self._names[token - 0x40]
        if 0x80 <= token <= 0xF7:
            name = self.take(token - 0x7F if token < 0xC0 else token - 0xBE).decode()
        elif token == 0x34:
            name = self._until_end().decode()
        else:
            raise Unreadable(f"no SMILE name begins with {token:#x}")
        if self._shares_names:
            _remember(self._names, name)
        return name

    def _scalar(self, token: int) -> str:
        if 0x40 <= token <= 0xBF:
            return self._short_text(token)
        if token in _LITERALS:
            return _LITERALS[token]
        if 0xC0 <= token <= 0xDF:
            return str(_unzigzag(token & 0x1F))
        if 0x01 <= token <= 0x1F:
            return self._values[token - 1]
        if 0xEC <= token <= 0xEF:
            self.at += 1
            return self._values[(token & 3) << 8 | self.data[self.at - 1]]
        if token in (LONG_ASCII, LONG_UNICODE):
            return self._long_text(token)
        return self._number_or_bytes(token)

    def _short_text(self, token: int) -> str:
        is_ascii = token < 0x80
        text = self.take(token - 0x3F if is_ascii else token - 0x7E).decode()
        quoted = quote(text)
        if not is_ascii and (text.isascii() or token == 0xBF):
            quoted = f'"{mark_text(quoted[1:-1])}"'
        if self._shares_values and token != 0xBF:
            _remember(self._values, quoted)
        return quoted

    def _long_text(self, token: int) -> str:
        text = self._until_end().decode()
        quoted = quote(text)
        if text.isascii() and token != long_token(len(text)):
            quoted = f'"{mark_text(quoted[1:-1])}"'
        return quoted

    def _number_or_bytes(self, token: int) -> str:
        if token in (0x24, 0x25):
            return spell_integer(_unzigzag(self._unsigned(64)))
        if token == 0x28:
            packed = self.take(5)
            value: float = struct.unpack(">f", (unpack_sevens(packed) & 0xFFFFFFFF).to_bytes(4, "big"))[0]
            return spell_single(value, signs_first_byte=packed[0] > 0x0F)
        if token == 0x29:
            packed = self.take(10)
            return spell_double(struct.unpack(">d", (unpack_sevens(packed) & (2**64 - 1)).to_bytes(8, "big"))[0])
        if token == 0x26:
            return spell_big(self._big())
        if token == 0x2A:
            scale = _unzigzag(self._unsigned(32))
            return spell_decimal(self._big(), -scale)
        if token == 0xE8:
            return f'"{spell_bytes(self._sevens())}"'
        if token == 0xFD:
            return f'"{spell_bytes(self.take(self._unsigned(32)))}"'
        raise Unreadable(f"no SMILE value begins with {token:#x}")

    def _unsigned(self, max_bits: int) -> int:
        """A variable-length integer: seven bits a byte, six in the last, which has its highest bit set."""
        number = 0
        while not (byte := self.data[self.at]) & 0x80:
            number = number << 7 | byte
            self.at += 1
            if number.bit_length() > max_bits:
                raise Unreadable("an integer too long")
        self.at += 1
        return number << 6 | byte & 0x3F

    def _sevens(self) -> bytes:
        length = self._unsigned(32)
        return unpack_binary(self.take((8 * length + 6) // 7), length)

    def _big(self) -> int:
        content = self._sevens()
        if len(content) > 500:
            raise Unreadable("too many digits")
        return int.from_bytes(content, "big", signed=True)

    def _until_end(self) -> bytes:
        end = self.data.index(_END_OF_STRING, self.at)
        taken = self.data[self.at : end]
        self.at = end + 1
        return taken


def _remember(seen: list[str], text: str) -> None:
    if len(seen) == _MAX_SHARED:
        seen.clear()
    seen.append(text)


def _unzigzag(number: int) -> int:
    return number >> 1 ^ -(number & 1)
