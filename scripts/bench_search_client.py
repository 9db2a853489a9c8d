"""The client of bench_search.py and bench_scale.py: what it searches for, and how long each search takes."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from middleware.catalog.prepare import PrepareOptions

INDEX = "bench-search-products"
PAGE = 10


@dataclass(frozen=True)
class Catalogue:
    """Products and what is searched among them; `queries` are real ones with how often each was sent."""

    name: str
    products: Path
    template: str
    fields: tuple[str, ...]
    queries: Counter[str] = field(default_factory=Counter)
    options: PrepareOptions = field(default_factory=PrepareOptions)
    index: str = INDEX

    def body(self, query: str, size: int) -> bytes:
        """The search of a shop: all words, each in whatever field it is in."""
        match = {"query": query, "type": "cross_fields", "fields": self.fields}
        return json.dumps({"query": {"multi_match": match}, "size": size}).encode()


@dataclass(frozen=True)
class Timed:
    """One search: what its client waited for, and of that the first stage by Server-Timing."""

    wall_ms: float
    es_ms: float = 0.0

    @property
    def added_ms(self) -> float:
        return self.wall_ms - self.es_ms


Search = Callable[[str], Timed]
"""Searches for a query, in one way."""


class Connection:
    """A client that keeps one connection."""

    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path: str) -> bytes:
        return self._send("GET", path, None, {})[1]

    def search(self, body: bytes, switch: str | None = None, index: str = INDEX) -> tuple[Mapping[str, str], bytes]:
        """Headers (names in lower case) and body of the answer; ends the program where the search fails."""
        headers = {"Content-Type": "application/json"} | ({"X-Rerank": switch} if switch else {})
        return self._send("POST", f"/{index}/_search", body, headers)

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[Mapping[str, str], bytes]:
        self._http.request(method, path, body, dict(headers))
        answer = self._http.getresponse()
        data = answer.read()
        if answer.status != 200:
            sys.exit(f"{method} {path} was answered with {answer.status}: {data[:500].decode(errors='replace')}")
        return {name.lower(): value for name, value in answer.getheaders()}, data


def direct(port: int, catalogue: Catalogue, size: int) -> Search:
    """Searches of Elasticsearch itself."""
    connection = Connection(port)

    def search(query: str) -> Timed:
        body = catalogue.body(query, size)
        started = time.perf_counter()
        connection.search(body, index=catalogue.index)
        return Timed((time.perf_counter() - started) * 1000)

    return search


def reranked(port: int, variant: str, catalogue: Catalogue) -> Search:
    """Searches for a page through the proxy at `port`; one that is not reranked ends the program."""
    connection = Connection(port)

    def search(query: str) -> Timed:
        body = catalogue.body(query, PAGE)
        started = time.perf_counter()
        sent, _ = connection.search(body, variant, catalogue.index)
        wall_ms = (time.perf_counter() - started) * 1000
        if sent["x-rerank"] != "applied":
            sys.exit(f"{query!r} was not reranked but {sent['x-rerank']}: {sent.get('x-rerank-reason')}")
        es_ms = float(sent["server-timing"].partition("es;dur=")[2].partition(",")[0])
        return Timed(wall_ms, es_ms)

    return search


def in_turn(searches: Sequence[Search], queries: Iterable[str]) -> list[list[Timed]]:
    """Each query searched in every way, one after the other, the order rotating; the results by way."""
    results: list[list[Timed]] = [[] for _ in searches]
    for turn, query in enumerate(queries):
        for step in range(len(searches)):
            place = (turn + step) % len(searches)
            results[place].append(searches[place](query))
    return results
