"""The raw request target: whether it is a search, of which indices, and its parameters edited without touching others.

Everything works on the bytes as received (latin-1 text): decoding and encoding again would lose `%2F`, `+` and `//`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

_SEARCH_METHODS = ("GET", "POST")
# Elasticsearch reads ";" between parameters like "&".
_SEPARATOR = re.compile(r"([&;])")
# "%%" and "#" mean something else to Elasticsearch than to us; nobody sends them on purpose.
_ODD = re.compile(r"%(?![0-9A-Fa-f]{2})|#")


@dataclass(frozen=True, slots=True)
class SearchTarget:
    """A target that ends in `_search`: `indices` are the parts of its index expression, empty for every index."""

    path: str
    query: str
    indices: tuple[str, ...]

    @property
    def well_formed(self) -> bool:
        """Whether Elasticsearch reads the parameters as we do."""
        return _ODD.search(self.query) is None

    def parameters(self) -> dict[str, str]:
        """Decoded URL parameters; of a repeated one the last, as in Elasticsearch."""
        return dict(_decode(part) for part in _SEPARATOR.split(self.query)[::2] if part)

    def without(self, names: Collection[str]) -> str:
        """The raw target with the parameters called `names` removed and every other byte as it was."""
        pieces = ["", *_SEPARATOR.split(self.query)]
        pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
        kept = [pair for pair in pairs if _decode(pair[1])[0] not in names]
        if len(kept) == len(pairs):
            return f"{self.path}?{self.query}" if self.query else self.path
        query = "".join(separator + part for separator, part in kept)
        return f"{self.path}?{query[len(kept[0][0]) :]}" if query else self.path


def read_search_target(method: str, target: str) -> SearchTarget | None:
    """The target of a plain search (`/_search` or `/{index}/_search`), or None for everything else."""
    if method not in _SEARCH_METHODS:
        return None
    path, _, query = target.partition("?")
    segments = [segment for segment in path.split("/") if segment]
    if not 1 <= len(segments) <= 2 or segments[-1] != "_search":
        return None
    expression = _text(segments[0]) if len(segments) == 2 else ""
    if expression.startswith("_") and expression != "_all":
        return None
    return SearchTarget(path, query, tuple(part.strip() for part in expression.split(",") if part.strip()))


def _decode(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return _text(name.replace("+", " ")), _text(value.replace("+", " "))


def _text(raw: str) -> str:
    """Percent-encoded or bare UTF-8 bytes, decoded."""
    return unquote_to_bytes(raw.encode("latin-1")).decode("utf-8", "replace")
