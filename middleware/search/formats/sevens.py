"""SMILE's bytes of seven bits, since it keeps the highest values for its markers."""

from __future__ import annotations

from middleware.search.json_text import Unreadable


def pack_unsigned(number: int) -> bytes:
    """A non-negative integer of any size: seven bits a byte, six and a set highest bit in the last."""
    packed = [0x80 | number & 0x3F]
    number >>= 6
    while number:
        packed.append(number & 0x7F)
        number >>= 7
    return bytes(reversed(packed))


def pack_sevens(number: int, length: int) -> bytes:
    """A non-negative integer in `length` bytes of seven bits, highest first."""
    return bytes(number >> 7 * place & 0x7F for place in range(length - 1, -1, -1))


def unpack_sevens(packed: bytes) -> int:
    """The integer in bytes of seven bits each; their highest bits do not count."""
    number = 0
    for byte in packed:
        number = number << 7 | byte & 0x7F
    return number


def pack_binary(content: bytes) -> bytes:
    """Bytes behind their number: seven bytes in eight, and the rest with its last bits right-aligned."""
    pieces = [pack_unsigned(len(content))]
    for start in range(0, len(content), 7):
        part = content[start : start + 7]
        whole, left = divmod(8 * len(part), 7)
        number = int.from_bytes(part, "big")
        pieces.append(pack_sevens(number >> left, whole))
        if left:
            pieces.append(bytes((number & (1 << left) - 1,)))
    return b"".join(pieces)


def unpack_binary(packed: bytes, length: int) -> bytes:
    """The `length` bytes that `pack_binary` packed; raises Unreadable where a byte has more than seven bits."""
    if packed and max(packed) > 0x7F:
        raise Unreadable("packed bytes of more than seven bits")
    pieces = []
    for start in range(0, len(packed), 8):
        part = packed[start : start + 8]
        size = min(7, length - start // 8 * 7)
        whole, left = divmod(8 * size, 7)
        number = unpack_sevens(part[:whole])
        if left:
            number = number << left | part[whole] & (1 << left) - 1
        pieces.append((number & (1 << 8 * size) - 1).to_bytes(size, "big"))
    return b"".join(pieces)
