"""The raw request target: which form of search it is, of which indices, and its parameters edited one by one.

Everything works on the bytes as received (latin-1 text): decoding and encoding again would lose `%2F`, `+` and `//`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes


class Form(StrEnum):
    """The forms of a search, each by the end of its path."""

    SEARCH = "_search"
    MSEARCH = "_msearch"
    TEMPLATE = "_search/template"
    MSEARCH_TEMPLATE = "_msearch/template"
    SCROLL = "_search/scroll"
    ASYNC = "_async_search"
    OPENSEARCH_ASYNC = "_plugins/_asynchronous_search"

    @property
    def is_multi(self) -> bool:
        """Whether one request holds many searches."""
        return self in (Form.MSEARCH, Form.MSEARCH_TEMPLATE)

    @property
    def is_template(self) -> bool:
        """Whether its bodies are templates with parameters."""
        return self in (Form.TEMPLATE, Form.MSEARCH_TEMPLATE)


_SEARCH_METHODS = ("GET", "POST")
_WITHOUT_INDEX = (Form.SCROLL, Form.OPENSEARCH_ASYNC)
# Elasticsearch reads ";" between parameters like "&".
_SEPARATOR = re.compile(r"([&;])")
# "%%" and "#" mean something else to Elasticsearch than to us; nobody sends them on purpose.
_ODD = re.compile(r"%(?![0-9A-Fa-f]{2})|#")


@dataclass(frozen=True, slots=True)
class SearchTarget:
    """A target that is a search: `indices` are the parts of its index expression, empty for every index."""

    form: Form
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

    def edited(self, keep: Callable[[str], bool], plus: Mapping[str, str] | None = None) -> str:
        """The raw target with the parameters that `keep` wants and those of `plus`; every other byte is as it was."""
        pieces = ["", *_SEPARATOR.split(self.query)]
        pairs = list(zip(pieces[::2], pieces[1::2], strict=True))
        kept = [pair for pair in pairs if keep(_decode(pair[1])[0])]
        query = "".join(separator + part for separator, part in kept)[len(kept[0][0]) if kept else 0 :]
        added = "&".join(f"{name}={quote(value, safe='')}" for name, value in (plus or {}).items())
        whole = f"{query}&{added}" if query and added else query or added
        return f"{self.path}?{whole}" if whole else self.path


def read_search_target(method: str, target: str) -> SearchTarget | None:
    """The target of a search, for every index or for some of them, or None for everything else."""
    if method not in _SEARCH_METHODS:
        return None
    path, _, query = target.partition("?")
    segments = [segment for segment in path.split("/") if segment]
    form = next((form for form in Form if segments[-form.count("/") - 1 :] == form.split("/")), None)
    if form is None:
        return None
    before = segments[: -form.count("/") - 1]
    expression = _text(before[0]) if before else ""
    if len(before) > (0 if form in _WITHOUT_INDEX else 1) or (expression.startswith("_") and expression != "_all"):
        return None
    if form is Form.ASYNC and method != "POST":
        return None
    return SearchTarget(form, path, query, split_indices(expression))


def split_indices(expression: str) -> tuple[str, ...]:
    """The parts of an index expression."""
    return tuple(part.strip() for part in expression.split(",") if part.strip())


def _decode(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return _text(name.replace("+", " ")), _text(value.replace("+", " "))


def _text(raw: str) -> str:
    """Percent-encoded or bare UTF-8 bytes, decoded."""
    return unquote_to_bytes(raw.encode("latin-1")).decode("utf-8", "replace")
