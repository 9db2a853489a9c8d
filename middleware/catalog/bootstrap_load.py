"""Prepared documents into one index through elasticsearch-py's bulk helper: in order, patiently, in constant memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import streaming_bulk

from middleware.catalog.bootstrap_patience import BUSY_STATUS, Patience, Waiter
from middleware.catalog.prepare import Prepared
from middleware.errors import CommandError

BATCH_DOCUMENTS = 500
BATCH_CHARS = 4 * 1024 * 1024
IN_FLIGHT = 2
# So many batches are prepared ahead and their new fields announced together: each mapping update is dear.
AHEAD_BATCHES = 10
AHEAD_CHARS = 16 * 1024 * 1024
# The one passing failure that comes as a 500: the master was too busy to map a new field in time.
SLOW_MAPPING = "waiting for a dynamic mapping update"

Batch = tuple[Prepared, ...]
Announce = Callable[[Iterable[Prepared]], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that the cluster will never take, and its reason."""

    prepared: Prepared
    detail: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """One batch, done with: everything up to input line `line` is in the index or among the refusals so far."""

    line: int
    indexed: Batch
    refused: tuple[Refusal, ...]


def load(
    client: Elasticsearch,
    index: str,
    documents: Iterable[Prepared],
    patience: Patience,
    *,
    announce: Announce | None = None,
    in_flight: int = IN_FLIGHT,
) -> Generator[Loaded, None, None]:
    """Send `documents` and yield each batch when it is done with, in the order of the input.

    A document is written under its own id, so sending it again changes nothing. Batches are repeated while the node
    is away (connection errors) or busy (429, 502 to 504). Raises CommandError when that outlasts the patience.
    `announce` hears of documents before they are sent. Close the generator to stop early: then no request is left.
    """
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="bulk")
    waiting: deque[Future[Loaded]] = deque()
    try:
        for group in _groups(_batches(documents)):
            if announce is not None:
                announce(chain.from_iterable(group))
            waiting.extend(pool.submit(_send, client, index, batch, patience) for batch in group)
            while waiting and (len(waiting) > AHEAD_BATCHES or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        if waiting:
            patience.stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _batches(documents: Iterable[Prepared]) -> Iterator[Batch]:
    batch: list[Prepared] = []
    chars = 0
    for prepared in documents:
        batch.append(prepared)
        chars += len(prepared.raw)
        if len(batch) >= BATCH_DOCUMENTS or chars >= BATCH_CHARS:
            yield tuple(batch)
            batch, chars = [], 0
    if batch:
        yield tuple(batch)


def _groups(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    group: list[Batch] = []
    chars = 0
    for batch in batches:
        group.append(batch)
        chars += sum(len(item.raw) for item in batch)
        if len(group) >= AHEAD_BATCHES or chars >= AHEAD_CHARS:
            yield group
            group, chars = [], 0
    if group:
        yield group


def _send(client: Elasticsearch, index: str, batch: Batch, patience: Patience) -> Loaded:
    waiter = Waiter(client, patience)
    left = batch
    refused: list[Refusal] = []
    while True:
        try:
            left, lately, trouble = _send_once(client, index, left)
        except (ApiError, TransportError) as error:
            waiter.wait_out(error)
            continue
        refused.extend(lately)
        if not left:
            break
        waiter.wait(trouble)
    out = {refusal.prepared.line for refusal in refused}
    return Loaded(batch[-1].line, tuple(item for item in batch if item.line not in out), tuple(refused))


def _send_once(client: Elasticsearch, index: str, batch: Batch) -> tuple[Batch, list[Refusal], str]:
    """(documents to send again, documents refused for good, why some have to wait)."""
    actions = (
        {"_op_type": "index", "_index": item.index or index, "_id": item.id, "_source": item.document} for item in batch
    )
    again: list[Prepared] = []
    refused: list[Refusal] = []
    trouble = ""
    answers = streaming_bulk(client, actions, chunk_size=len(batch), raise_on_error=False, max_retries=0)
    for item, (ok, answer) in zip(batch, answers, strict=False):
        if ok:
            continue
        result = next(iter(answer.values()))
        reason = describe_item_error(result)
        if result["status"] in BUSY_STATUS or SLOW_MAPPING in reason:
            again.append(item)
            trouble = reason
        elif result["status"] == 400:
            refused.append(Refusal(item, reason))
        else:
            raise CommandError(f"{index}: the cluster answered {result['status']}: {reason}")
    return tuple(again), refused, trouble


def describe_item_error(result: dict[str, Any]) -> str:
    """Elasticsearch's reason for refusing one item of a bulk request, with its cause."""
    error = result.get("error")
    if not isinstance(error, dict):
        return str(error)
    cause = error.get("caused_by") or {}
    reasons = [error.get("type"), error.get("reason"), cause.get("reason")]
    return ": ".join(str(reason) for reason in reasons if reason)
