"""Where behaviour is read from, in portions that are the same for a run that goes on after a kill."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from elasticsearch import Elasticsearch

from middleware.behaviour.noise import FIRST_S
from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.catalog.read import Input, Record, Reject, parse_json
from middleware.catalog.vector_scan import scan

PORTION = 500_000
_PAGE = 5_000
_CLIENTS = 5_000
_FIELDS = (
    *("client_id", "action_name", "timestamp", "event_id"),
    *("event_attributes.object.object_id", "event_attributes.browser", "event_attributes.user_agent"),
)

RawEvent = tuple[str, object]
"""An event's id, which may be empty, and its document."""


class EventSource(Protocol):
    """What events come from."""

    def describe(self) -> Mapping[str, Any]:
        """What it reads: equal for a run that goes on."""
        ...

    def portions(self, done: int) -> Iterator[tuple[Iterator[RawEvent], int | None]]:
        """Portions from number `done` on, each once used up, and how many there are in all, where that is known."""
        ...

    def clients(self) -> Iterator[str] | None:
        """Every client_id that has events at this moment; None where that does not change, or cannot be told."""
        ...


@dataclass(frozen=True, slots=True)
class FileEvents:
    """UBI events, one JSON object a line, plain or gzipped."""

    path: Path
    portion: int = PORTION

    def describe(self) -> Mapping[str, Any]:
        """Raises ConfigError where the file cannot be read."""
        opened = Input(self.path, "jsonl")
        opened.close()
        stat = self.path.stat()
        return {"file": str(self.path.resolve()), "bytes": stat.st_size, "changed": stat.st_mtime_ns}

    def portions(self, done: int) -> Iterator[tuple[Iterator[RawEvent], int | None]]:
        """Raises CommandError where the file is damaged."""
        opened = Input(self.path, "jsonl")
        try:
            texts = opened.texts()
            for _ in islice(texts, done * self.portion):
                pass
            while (first := next(texts, None)) is not None:
                yield self._events(first, islice(texts, self.portion - 1)), None
        finally:
            opened.close()

    def clients(self) -> None:
        return None

    @staticmethod
    def _events(first: Record | Reject, others: Iterator[Record | Reject]) -> Iterator[RawEvent]:
        yield _event_of(first)
        yield from map(_event_of, others)


@dataclass(slots=True)
class IndexEvents:
    """The events of an index or alias up to `until_s`, in spans of time of at most `portion` events where they part.

    `plan_file` keeps the spans, so that a run that goes on after a kill cuts the same.
    """

    client: Elasticsearch
    index: str
    until_s: float
    plan_file: Path
    patience: Patience
    portion: int = PORTION
    _spans: Sequence[tuple[int, int]] = field(default=(), init=False)

    def describe(self) -> Mapping[str, Any]:
        return {"index": self.index}

    def portions(self, done: int) -> Iterator[tuple[Iterator[RawEvent], int | None]]:
        """Raises CommandError where the index is not there or cannot be read."""
        if self.plan_file.exists():
            spans = [(int(start), int(end)) for start, end in json.loads(self.plan_file.read_text())]
        else:
            spans = list(self._split(int(FIRST_S * 1000), int(self.until_s * 1000)))
            unfinished = self.plan_file.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(spans))
            unfinished.replace(self.plan_file)
        for start, end in spans[done:]:
            yield self._read(start, end), len(spans)

    def clients(self) -> Iterator[str] | None:
        """None where client_id is text alone."""
        for name in ("client_id", "client_id.keyword"):
            ask = partial(self.client.indices.get_field_mapping, index=self.index, fields=name)
            indices = [index["mappings"] for index in fetch(self.client, ask, self.patience).values()]
            if indices and all(_is_keyword(fields.get(name)) for fields in indices):
                return self._clients(name)
        return None

    def _clients(self, name: str) -> Iterator[str]:
        refresh = self.client.options(ignore_status=403).indices.refresh
        fetch(self.client, lambda: refresh(index=self.index), self.patience)
        pages: dict[str, Any] = {"size": _CLIENTS, "sources": [{"client": {"terms": {"field": name}}}]}
        while True:
            body: dict[str, Any] = {"size": 0, "aggs": {"clients": {"composite": pages}}}
            answer = fetch(self.client, partial(self.client.search, index=self.index, **body), self.patience)
            found = answer["aggregations"]["clients"]
            yield from (str(bucket["key"]["client"]) for bucket in found["buckets"])
            if "after_key" not in found:
                return
            pages["after"] = found["after_key"]

    def _split(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Spans [start, end) in milliseconds, none without events."""
        body: dict[str, Any] = {"query": _between(start, end)}
        found = int(fetch(self.client, lambda: self.client.count(index=self.index, **body), self.patience)["count"])
        if found > self.portion and end - start > 1:
            middle = (start + end) // 2
            yield from self._split(start, middle)
            yield from self._split(middle, end)
        elif found:
            yield start, end

    def _read(self, start: int, end: int) -> Iterator[RawEvent]:
        for hits in scan(self.client, self.index, _FIELDS, self.patience, _between(start, end), page=_PAGE):
            for hit in hits:
                yield str(hit["_id"]), hit.get("_source")


def _is_keyword(field: Mapping[str, Any] | None) -> bool:
    return field is not None and [each["type"] for each in field["mapping"].values()] == ["keyword"]


def _between(start: int, end: int) -> dict[str, Any]:
    return {"range": {"timestamp": {"gte": start, "lt": end, "format": "epoch_millis"}}}


def _event_of(line: Record | Reject) -> RawEvent:
    parsed = parse_json(line.line, line.raw) if isinstance(line, Record) else line
    if isinstance(parsed, Reject):
        return "", None
    event_id = parsed.document.get("event_id")
    return (event_id if isinstance(event_id, str) and event_id else parsed.raw), parsed.document
