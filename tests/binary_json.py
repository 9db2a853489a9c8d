"""CBOR and SMILE, written and (CBOR) read independently of the middleware: as much as searches and answers need."""

from __future__ import annotations

import struct
from typing import Any

_BREAK = object()


def to_cbor(value: Any) -> bytes:
    """RFC 8949, definite lengths."""
    if value is None or isinstance(value, bool):
        return {None: b"\xf6", False: b"\xf4", True: b"\xf5"}[value]
    if isinstance(value, int):
        return _cbor_head(0, value) if value >= 0 else _cbor_head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, str):
        return _cbor_head(3, len(value.encode())) + value.encode()
    if isinstance(value, dict):
        pairs = b"".join(to_cbor(name) + to_cbor(member) for name, member in value.items())
        return _cbor_head(5, len(value)) + pairs
    return _cbor_head(4, len(value)) + b"".join(to_cbor(element) for element in value)


def _cbor_head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, form in ((24, ">B"), (25, ">H"), (26, ">I"), (27, ">Q")):
        if argument < 1 << 8 * struct.calcsize(form):
            return bytes([major << 5 | code]) + struct.pack(form, argument)
    raise ValueError("too large for CBOR")


def from_cbor(data: bytes) -> Any:
    """The one value that `data` holds; raises ValueError."""
    value, end = _read_cbor(data, 0)
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes behind the value")
    return value


def _read_cbor(data: bytes, at: int) -> tuple[Any, int]:
    major, code = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        return _read_simple(data, at, code)
    if code == 31:
        return _read_indefinite(data, at, major)
    argument = code
    if code >= 24:
        form = {24: ">B", 25: ">H", 26: ">I", 27: ">Q"}[code]
        (argument,) = struct.unpack_from(form, data, at)
        at += struct.calcsize(form)
    if major in (0, 1):
        return (argument if major == 0 else -1 - argument), at
    if major in (2, 3):
        text = data[at : at + argument]
        return (text if major == 2 else text.decode()), at + argument
    if major == 6:
        return _read_cbor(data, at)
    values = []
    for _ in range(argument * (2 if major == 5 else 1)):
        value, at = _read_cbor(data, at)
        values.append(value)
    return (dict(zip(values[::2], values[1::2], strict=True)) if major == 5 else values), at


def _read_simple(data: bytes, at: int, code: int) -> tuple[Any, int]:
    if code in (25, 26, 27):
        form = {25: ">e", 26: ">f", 27: ">d"}[code]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    return {20: False, 21: True, 22: None, 23: None, 31: _BREAK}[code], at


def _read_indefinite(data: bytes, at: int, major: int) -> tuple[Any, int]:
    values = []
    while True:
        value, at = _read_cbor(data, at)
        if value is _BREAK:
            break
        values.append(value)
    if major in (2, 3):
        return (b"" if major == 2 else "").join(values), at
    return (dict(zip(values[::2], values[1::2], strict=True)) if major == 5 else values), at


def to_smile(value: Any) -> bytes:
    """The SMILE format, version 0 of its specification: no shared names or values, no raw binary."""
    return b":)\n\x00" + _smile(value)


def _smile(value: Any) -> bytes:
    if value is None or isinstance(value, bool):
        return {None: b"\x21", False: b"\x22", True: b"\x23"}[value]
    if isinstance(value, int):
        return b"\x24" + _smile_number(value << 1 if value >= 0 else (-value << 1) - 1)
    if isinstance(value, float):
        bits = int.from_bytes(struct.pack(">d", value), "big")
        return b"\x29" + bytes(bits >> 7 * place & 0x7F for place in range(9, -1, -1))
    if isinstance(value, str):
        return _smile_text(value)
    if isinstance(value, dict):
        return b"\xfa" + b"".join(_smile_name(name) + _smile(member) for name, member in value.items()) + b"\xfb"
    return b"\xf8" + b"".join(_smile(element) for element in value) + b"\xf9"


def _smile_number(number: int) -> bytes:
    parts = [number & 0x3F | 0x80]
    number >>= 6
    while number:
        parts.append(number & 0x7F)
        number >>= 7
    return bytes(reversed(parts))


def _smile_text(text: str) -> bytes:
    if not text:
        return b"\x20"
    data = text.encode()
    if text.isascii() and len(data) <= 64:
        return bytes([(0x40 if len(data) <= 32 else 0x60 - 32) + len(data) - 1]) + data
    return (b"\xe0" if text.isascii() else b"\xe4") + data + b"\xfc"


def _smile_name(name: str) -> bytes:
    data = name.encode()
    if not name.isascii() or not 0 < len(data) <= 64:
        return b"\x20" if not name else b"\x34" + data + b"\xfc"
    return bytes([0x80 + len(data) - 1]) + data
