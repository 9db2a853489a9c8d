"""Logs of behaviour as they lie around, read as UBI documents: its bulk form, lines, `index<TAB>json`, and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from middleware.catalog.prepare import Prepared
from middleware.catalog.read import FORMATS, STDIN, Input, Record, Reject
from middleware.catalog.read_events import read_entries
from middleware.errors import ConfigError

QUERIES, EVENTS = "ubi_queries", "ubi_events"
_INDICES = {QUERIES: QUERIES, EVENTS: EVENTS}
# Where a column's values go in an event; one of these names, or a field of that name in event_attributes.
_TOP = ("event_id", "client_id", "action_name", "timestamp", "query_id", "user_query", "session_id", "application")
PLACES: Mapping[str, tuple[str, ...]] = {name: (name,) for name in _TOP} | {
    "object_id": ("event_attributes", "object", "object_id"),
    "object_id_field": ("event_attributes", "object", "object_id_field"),
    "position": ("event_attributes", "position", "ordinal"),
    "browser": ("event_attributes", "browser"),
    "user_id": ("event_attributes", "user_id"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Log:
    """A file that can be read more than once; `columns`: UBI's name -> that of a CSV column."""

    path: Path
    columns: Mapping[str, str]

    def open(self) -> Input:
        """Raises ConfigError where it cannot be opened, or is of an unknown kind."""
        suffix = next((suffix for suffix in self.path.suffixes if suffix in FORMATS), "")
        kind = FORMATS.get(suffix)
        if str(self.path) == STDIN:
            raise ConfigError("FILE", STDIN, "a log is read twice, the first time to find its bots; give a file")
        if kind == "tsv" and not self.columns:
            kind = "jsonl"  # index<TAB>json
        if kind == "csv" and not self.columns:
            raise ConfigError("--column", "", "say which columns a CSV's are, e.g. --column client_id=user")
        return Input(self.path, kind)

    def entries(self, opened: Input) -> Iterator[Prepared | Reject]:
        """Each document with its id and its index, one of UBI's two names; or why a line is none."""
        if opened.format == "jsonl":
            yield from read_entries(opened, _INDICES, "event_id")
            return
        for item in opened.records():
            yield item if isinstance(item, Reject) else self._event(item)

    def _event(self, record: Record) -> Prepared | Reject:
        document: dict[str, Any] = {}
        for name, column in self.columns.items():
            if column in record.document:
                _put(document, PLACES.get(name, ("event_attributes", name)), record.document[column])
        if not document:
            return Reject(record.line, "no_columns", f"none of {', '.join(self.columns.values())}", record.raw)
        plain = json.dumps(document, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
        identity = str(document.get("event_id") or blake2b(plain, digest_size=16).hexdigest())
        return Prepared(record.line, identity, document, record.raw, EVENTS)


def _put(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        document = document.setdefault(name, {})
    is_number = path[-1] in ("ordinal", "timestamp") and isinstance(value, str) and value.isdecimal()
    document[path[-1]] = int(value) if is_number else value
