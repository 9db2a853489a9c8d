"""The raw request target: whether it is a search, of which indices, and its parameters edited without touching others.

Everything works on the bytes as received (latin-1 text): decoding and encoding again would lose `%2F`, `+` and `//`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, unquote_plus

_SEARCH_METHODS = ("GET", "POST")


@dataclass(frozen=True, slots=True)
class SearchTarget:
    """A target that ends in `_search`: `indices` are the parts of its index expression, empty for every index."""

    path: str
    query: str
    indices: tuple[str, ...]

    def parameters(self) -> dict[str, str]:
        """Decoded URL parameters; of a repeated one the last, as in Elasticsearch."""
        return dict(_decode(part) for part in self.query.split("&") if part)

    def without(self, names: Collection[str]) -> str:
        """The raw target with the parameters called `names` removed and every other byte as it was."""
        kept = [part for part in self.query.split("&") if part and _decode(part)[0] not in names]
        return f"{self.path}?{'&'.join(kept)}" if kept else self.path


def read_search_target(method: str, target: str) -> SearchTarget | None:
    """The target of a plain search (`/_search` or `/{index}/_search`), or None for everything else."""
    if method not in _SEARCH_METHODS:
        return None
    path, _, query = target.partition("?")
    segments = [segment for segment in path.split("/") if segment]
    if not 1 <= len(segments) <= 2 or segments[-1] != "_search":
        return None
    expression = unquote(segments[0]) if len(segments) == 2 else ""
    if expression.startswith("_") and expression != "_all":
        return None
    return SearchTarget(path, query, tuple(part.strip() for part in expression.split(",") if part.strip()))


def _decode(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return unquote_plus(name), unquote_plus(value)
