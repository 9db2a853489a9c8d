"""A log of behaviour into the indices of UBI: read twice, its noise left out and counted, nothing written twice."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from elasticsearch import Elasticsearch

from middleware.behaviour.event_check import EventCheck
from middleware.catalog.bootstrap_load import load
from middleware.catalog.bootstrap_patience import Patience, fetch, persist
from middleware.catalog.bootstrap_records import ensure_index
from middleware.catalog.client import describe_cluster
from middleware.catalog.events_clean import clean
from middleware.catalog.events_noise import NOISE, Rules, Survey, kind_of, survey, why_not
from middleware.catalog.events_objects import Objects
from middleware.catalog.events_read import QUERIES, Log
from middleware.catalog.prepare import Prepared
from middleware.catalog.read import Input, Reject
from middleware.errors import RequestError

_TOGETHER = 2000
_MOST_NOISE = 100
NOT_UBI = "events that UBI's schema does not allow"
NOT_READ = "lines that are no record"
TWICE = "documents that came twice"
UNKNOWN = "events of objects that are no products"
REFUSED = "documents that the cluster refused"


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` bytes of the log; `note`: why it waits."""

    phase: str
    done: int = 0
    total: int | None = None
    kept: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """What to import where: `indices` are those of UBI's names; `products`: (index, field) that name the objects.

    `check` is the one that events from pages meet, `hash_name` the identity's.
    """

    log: Log
    rules: Rules
    indices: Mapping[str, str]
    hash_name: Callable[[str], str]
    check: EventCheck
    products: tuple[str, str] | None = None
    dry_run: bool = False
    patience_s: float = 120.0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What was `kept`, by kind, and `dropped`, by rule; `noise`: the actions that say nothing of a product.

    `new`: documents that were not in the indices before; None after a dry run.
    """

    read: int
    kept: Mapping[str, int]
    dropped: Mapping[str, int]
    noise: Mapping[str, int]
    new: int | None
    seconds: float


def import_events(client: Elasticsearch, job: Job, on_progress: Callable[[Progress], None]) -> ImportReport:
    """Run it again after it was killed: documents have ids of their own, and none is written twice.

    Raises ConfigError for what cannot be used, CommandError where the cluster fails or the file is damaged.
    """
    started = time.monotonic()
    patience = Patience(job.patience_s, on_wait=lambda why: on_progress(Progress("waiting", note=why)))
    describe_cluster(client)
    with closing(job.log.open()) as opened:
        found = survey(_watched(job.log.entries(opened), opened, "looking for bots", on_progress), job.rules)
    run = _Run(client, job, found, patience)
    if not job.dry_run:
        for name, index in job.indices.items():
            ensure_index(client, index, name, patience)
    before = None if job.dry_run else run.count()
    with closing(job.log.open()) as opened:
        documents = run.documents(_watched(job.log.entries(opened), opened, "importing", on_progress, run))
        if job.dry_run:
            for _ in documents:
                pass
        else:
            run.send(documents)
    new = None if before is None else run.count() - before
    return ImportReport(run.read, dict(run.kept), dict(run.dropped), dict(run.noise), new, time.monotonic() - started)


class _Run:
    """One import, and its counts so far."""

    def __init__(self, client: Elasticsearch, job: Job, found: Survey, patience: Patience) -> None:
        self._client = client
        self._job = job
        self._found = found
        self._patience = patience
        self._objects = Objects(client, *job.products, patience) if job.products else None
        self._seen: set[int] = set()
        self.read = 0
        self.kept: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.noise: Counter[str] = Counter()

    def documents(self, entries: Iterator[Prepared | Reject]) -> Iterator[Prepared]:
        """What is written, in the order of the log, by chunks whose objects are looked up together."""
        while chunk := list(islice(entries, _TOGETHER)):
            self.read += len(chunk)
            left = [cleaned for entry in chunk if (cleaned := self._accepted(entry)) is not None]
            if self._objects is not None:
                self._objects.look_up(left)
            for entry in left:
                mapped = self._objects.mapped(entry) if self._objects is not None else entry
                if mapped is None:
                    self.dropped[UNKNOWN] += 1
                elif self._is_new(mapped):
                    self.kept[kind_of(mapped.document)] += 1
                    yield replace(mapped, index=self._job.indices[str(mapped.index)])

    def _accepted(self, entry: Prepared | Reject) -> Prepared | None:
        reason = NOT_READ if isinstance(entry, Reject) else why_not(entry, self._job.rules, self._found)
        if isinstance(entry, Reject) or reason is not None:
            self.dropped[reason or NOT_READ] += 1
            if reason == NOISE and isinstance(entry, Prepared):
                self.noise[
                    str(entry.document.get("action_name"))[:40] if len(self.noise) < _MOST_NOISE else "others"
                ] += 1
            return None
        cleaned = clean(entry, self._job.rules.actions, self._job.hash_name)
        return cleaned if entry.index == QUERIES else self._checked(cleaned, entry.document.get("event_id"))

    def _checked(self, event: Prepared, event_id: object) -> Prepared | None:
        """As `POST /_rerank/events` would keep it; with an event_id under the same id, so that it is there once."""
        try:
            record = self._job.check.record_of({**event.document, "event_id": event_id}, None, time.time())
        except RequestError:
            self.dropped[NOT_UBI] += 1
            return None
        return replace(event, id=event.id if event_id is None else record.id, document=dict(record.document))

    def _is_new(self, entry: Prepared) -> bool:
        key = hash((entry.index, entry.id))
        if key in self._seen:
            self.dropped[TWICE] += 1
            return False
        self._seen.add(key)
        return True

    def send(self, documents: Iterator[Prepared]) -> None:
        with closing(load(self._client, "", documents, self._patience)) as batches:
            for batch in batches:
                if batch.refused:
                    self.dropped[REFUSED] += len(batch.refused)

    def count(self) -> int:
        """Documents in the indices now."""
        indices = ",".join(self._job.indices.values())
        persist(self._client, lambda: self._client.indices.refresh(index=indices), self._patience)
        return int(fetch(self._client, lambda: self._client.count(index=indices), self._patience)["count"])


def _watched(
    entries: Iterator[Prepared | Reject],
    opened: Input,
    phase: str,
    on_progress: Callable[[Progress], None],
    run: _Run | None = None,
) -> Iterator[Prepared | Reject]:
    for number, entry in enumerate(entries):
        if number % 500 == 0:
            on_progress(Progress(phase, opened.position, opened.size, run.kept.total() if run else 0))
        yield entry
