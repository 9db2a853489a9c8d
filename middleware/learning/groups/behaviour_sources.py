"""UBI records as they lie around: a file in any form that `es-rerank bootstrap` takes, or the indices themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from elastic_transport import TransportError
from elasticsearch import ApiError
from elasticsearch.helpers import ScanError, scan

from middleware.catalog.client import explain
from middleware.catalog.prepare import Prepared
from middleware.catalog.read import Input
from middleware.catalog.read_events import read_entries
from middleware.errors import CommandError
from middleware.learning.shop import Shop

Kind = Literal["ubi_queries", "ubi_events"]
QUERIES: Kind = "ubi_queries"
EVENTS: Kind = "ubi_events"
_INDICES: Mapping[str, str] = {QUERIES: QUERIES, EVENTS: EVENTS}


# In the records' own order, so that the same index gives the same list.
_IN_TIME = {"sort": [{"timestamp": {"order": "asc", "unmapped_type": "date"}}]}


@dataclass(frozen=True, slots=True)
class UbiRecord:
    """A document of `ubi_queries` or `ubi_events`."""

    index: Kind
    document: Mapping[str, Any]


def read_records(shop: Shop, source: Path | str, dropped: Counter[str]) -> Iterator[UbiRecord]:
    """All records of a file, or of an index of events and the one of queries beside it (`events` -> `queries`).

    Lines that are none are counted. Raises CommandError where the index is missing or the file is damaged, ConfigError
    where it cannot be opened.
    """
    if isinstance(source, str):
        yield from _indexed(shop, source, EVENTS)
        queries = source.replace("events", "queries")
        if queries != source:
            yield from _indexed(shop, queries, QUERIES)
        return
    log = Input(source, "jsonl")
    try:
        for entry in read_entries(log, _INDICES, None):
            if isinstance(entry, Prepared):
                yield UbiRecord(QUERIES if entry.index == QUERIES else EVENTS, entry.document)
            else:
                dropped["lines of the log that are no record"] += 1
    finally:
        log.close()


def _indexed(shop: Shop, index: str, kind: Kind) -> Iterator[UbiRecord]:
    try:
        for hit in scan(shop.client, index=index, query=_IN_TIME, preserve_order=True):
            yield UbiRecord(kind, hit["_source"])
    except (ApiError, TransportError) as error:
        raise explain(shop.client, error) from error
    except ScanError as error:
        raise CommandError(f"{index} could be read in part only: {error}") from error
