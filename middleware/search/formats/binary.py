"""What the binary formats share: a position in bytes while reading, and JSON text turned into bytes token by token."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from middleware.search.formats.literals import Number, read_number
from middleware.search.formats.text import TextBuilder, tokens
from middleware.search.json_text import Unreadable


class BinaryReader:
    """A position in data, and the text so far."""

    __slots__ = ("at", "build", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at, self.build = data, at, TextBuilder()

    def take(self, length: int) -> bytes:
        """The next `length` bytes; raises Unreadable where there are fewer."""
        end = self.at + length
        if end > len(self.data):
            raise Unreadable("the data ends too early")
        taken = self.data[self.at : end]
        self.at = end
        return taken

    def run(self, read: Callable[[], None]) -> None:
        """Read one value, with everything that broken data raises as Unreadable."""
        try:
            read()
        except (IndexError, struct.error, ValueError) as error:
            raise Unreadable(f"broken at {self.at}: {error}") from error


def write_tokens(
    text: str,
    marks: Mapping[str, bytes],
    write_name: Callable[[str], bytes],
    write_string: Callable[[str], bytes],
    write_number: Callable[[Number], bytes],
) -> bytes:
    """JSON text as bytes: `marks` for brackets and words, the functions for the insides of names and strings.

    Raises Unreadable where `text` is not JSON.
    """
    pieces: list[bytes] = []
    try:
        for bracket, inside, colon, literal in tokens(text):
            if inside is not None:
                pieces.append(write_name(inside) if colon else write_string(inside))
            else:
                token = bracket or literal or ""
                pieces.append(marks.get(token) or write_number(read_number(token)))
    except (ValueError, OverflowError) as error:
        raise Unreadable(str(error)) from error
    return b"".join(pieces)
