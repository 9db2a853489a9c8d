"""Records written to the cluster by `_bulk`, and the indices that they need: what became of each, one by one."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

from middleware.behaviour.record import Record
from middleware.errors import MiddlewareError, UpstreamError
from middleware.message import Request, Response
from middleware.upstream import Upstream, read_all

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_LOOK_AGAIN_S = 10.0
_SPLIT = (400, 413)
_NOT_FOR_GOOD = (401, 403, 404, 408, 429)
_CLOSED = "index_closed_exception"
_log = logging.getLogger(__name__)


class ClusterAway(MiddlewareError):
    """The cluster takes nothing now: it cannot be reached, is overloaded, or does not let us. Worth another attempt."""

    status = 503


class Fate(Enum):
    """What became of one record."""

    WRITTEN = "written"
    DUPLICATE = "duplicate"
    AGAIN = "again"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reason` is the cluster's, empty where it took the record."""

    fate: Fate
    reason: str = ""


class ClusterWriter:
    """Writes with credentials of our own. One thread at a time."""

    def __init__(
        self,
        upstream: Upstream,
        authorization: Callable[[], Mapping[str, str]],
        bodies: Mapping[str, Mapping[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`bodies`: for each index that we make where it is missing, its settings and mappings."""
        self._upstream = upstream
        self._authorization = authorization
        self._bodies = bodies
        self._clock = clock
        self._seen_at: dict[str, float] = {}

    def write(self, records: Sequence[Record]) -> list[Outcome]:
        """An outcome for each record, in order. Raises ClusterAway; then any of them may have been written or not."""
        for index in {record.index for record in records}:
            self._see_to(index)
        outcomes = self._write(records)
        if all(outcome.fate is Fate.REFUSED and outcome.reason.startswith("HTTP 400") for outcome in outcomes):
            # It is us, or something between, that they do not understand: no fault of every single record.
            raise ClusterAway(f"_bulk was answered with {outcomes[0].reason}")
        for record, outcome in zip(records, outcomes, strict=True):
            if "index_not_found" in outcome.reason:
                self._seen_at.pop(record.index, None)
        return outcomes

    def _write(self, records: Sequence[Record]) -> list[Outcome]:
        """By one `_bulk`, or where that as a whole is refused, by two halves, until the one at fault stands alone."""
        answer = self._send("POST", "/_bulk", _bulk_body(records), "application/x-ndjson")
        data = read_all(answer, _MAX_ANSWER_BYTES)
        if answer.status == 200:
            return _read_outcomes(data, len(records))
        reason = f"HTTP {answer.status}: {(data or b'')[:300].decode('utf-8', 'replace')}"
        if answer.status not in _SPLIT:
            raise ClusterAway(f"_bulk was answered with {reason}")
        if len(records) == 1:
            return [Outcome(Fate.REFUSED, reason)]
        middle = len(records) // 2
        return self._write(records[:middle]) + self._write(records[middle:])

    def _see_to(self, index: str) -> None:
        """Make the index where it is missing; one that we may not look at, or make, is left to the cluster's rules."""
        seen_at = self._seen_at.get(index)
        if index not in self._bodies or (seen_at is not None and self._clock() - seen_at < _LOOK_AGAIN_S):
            return
        path = f"/{quote(index, safe='')}"
        status = self._status_of("HEAD", path)
        if status == 404:
            status = self._status_of("PUT", path, json.dumps(self._bodies[index]).encode())
            if status == 200:
                _log.info("index %s was missing and has been made", index)
        if status == 429 or status >= 500:
            raise ClusterAway(f"index {index} cannot be seen to: HTTP {status}")
        self._seen_at[index] = self._clock()

    def _status_of(self, method: str, path: str, body: bytes = b"") -> int:
        answer = self._send(method, path, body, "application/json")
        read_all(answer, _MAX_ANSWER_BYTES)
        return answer.status

    def _send(self, method: str, path: str, body: bytes, content_type: str) -> Response:
        headers = {"Content-Type": content_type, "Accept": "application/json", **self._authorization()}
        try:
            return self._upstream.search(Request(method, path, ()), path, body, headers)
        except UpstreamError as error:
            raise ClusterAway(str(error)) from error


def _bulk_body(records: Sequence[Record]) -> bytes:
    lines = []
    for record in records:
        action = {"create": {"_index": record.index, "_id": record.id}}
        lines += [json.dumps(action), json.dumps(record.document, ensure_ascii=False, separators=(",", ":"))]
    return "".join(f"{line}\n" for line in lines).encode()


def _read_outcomes(data: bytes | None, expected: int) -> list[Outcome]:
    try:
        items = json.loads(data or b"")["items"]
        outcomes = [_outcome_of(item["create"]) for item in items]
    except (ValueError, KeyError, TypeError) as error:
        raise ClusterAway(f"_bulk was answered with something that is no answer to it: {error!r}") from error
    if len(outcomes) != expected:
        raise ClusterAway(f"_bulk told of {len(outcomes)} of {expected} records")
    return outcomes


def _outcome_of(item: Mapping[str, Any]) -> Outcome:
    status, error = int(item["status"]), item.get("error") or {}
    if status < 300:
        return Outcome(Fate.WRITTEN)
    if status == 409:
        return Outcome(Fate.DUPLICATE)
    cause = error.get("caused_by") or {}
    reason = f"{status} {error.get('type')}: {error.get('reason')}" + (
        f" ({cause['reason']})" if "reason" in cause else ""
    )
    is_passing = status >= 500 or status in _NOT_FOR_GOOD or error.get("type") == _CLOSED
    return Outcome(Fate.AGAIN if is_passing else Fate.REFUSED, reason)
