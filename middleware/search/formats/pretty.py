"""JSON text spread over lines as Elasticsearch's `pretty` does, for answers that we had to write anew."""

from __future__ import annotations

from middleware.search.formats.text import tokens
from middleware.search.json_text import Unreadable


def pretty_json(text: str) -> str:
    """JSON text as Jackson's default printer spreads it: two spaces a level, `"a" : 1`, `[ ]`, `{ }`, a line feed last.

    Names, strings, numbers are copied as they stand. Raises Unreadable where `text` is no JSON.
    """
    pieces: list[str] = []
    depth = 0
    previous = ""
    for bracket, inside, colon, literal in tokens(text):
        if bracket in ("}", "]"):
            depth -= 1
            pieces.append(" " if previous in ("{", "[") else _line(depth))
        elif previous == ":":
            pieces.append(" ")
        elif previous:
            pieces.append(("" if previous in ("{", "[") else ",") + _line(depth))
        shown = bracket or (literal if inside is None else f'"{inside}"' + (" :" if colon else ""))
        pieces.append(shown or "")
        depth += bracket in ("{", "[")
        previous = bracket or colon or "value"
    if not pieces:
        raise Unreadable("no JSON")
    return "".join(pieces) + "\n"


def _line(depth: int) -> str:
    return "\n" + "  " * depth
