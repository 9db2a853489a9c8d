"""Records that wait for the cluster, on disk: acknowledged when they are safe there, and bounded in bytes.

Many threads append at once and share one flush to disk (group commit). Every process has a room of its own under the
root; rooms of processes that died are taken over by those that live. What was sent is deleted; a crash between sending
and deleting sends once more, which the records' ids make harmless.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from middleware.behaviour.record import Record, decode
from middleware.behaviour.rooms import Room, all_rooms, alone_in, enter_left_rooms, enter_new_room
from middleware.behaviour.segments import SUFFIX, Line, OpenSegment, blank_lines, lines_from, made_at_s, segments_in
from middleware.errors import MiddlewareError, Rejected

RETRY_AFTER_S = 5
_log = logging.getLogger(__name__)


class SpoolUnavailable(MiddlewareError):
    """The disk did not take what it should keep: nothing was acknowledged."""

    status = 503
    error_type = "spool_unavailable_exception"


@dataclass(slots=True)
class _Ticket:
    """Lines that wait for a flush."""

    data: bytes
    is_done: bool = False
    error: OSError | None = None


class Spool:
    """See the module. Thread-safe; folders are made by the first append, so that an unused spool leaves no trace."""

    def __init__(self, root: Path, max_bytes: int, segment_bytes: int, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970, which segments are named and ordered by."""
        self.root = root
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._clock = clock
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # of the queue and of the sums
        self._writing = threading.Lock()  # of the open segment
        self._queue: list[_Ticket] = []
        self._queued = self._stored = self._foreign = 0
        self._own: Room | None = None
        self._taken: list[Room] = []
        self._open: OpenSegment | None = None

    def append(self, data: bytes) -> None:
        """Keep whole lines; on return they survive a crash. Raises Rejected (no room) and SpoolUnavailable."""
        ticket = self._queue_up(data)
        with self._writing:
            if not ticket.is_done:
                self._write_queue()
        if ticket.error is not None:
            raise SpoolUnavailable(f"{self.root} (events.spool): {ticket.error}") from ticket.error

    def append_soon(self, data: bytes) -> None:
        """Keep whole lines with the next flush, without waiting for it. Raises Rejected where there is no room."""
        self._queue_up(data)

    def flush(self) -> None:
        """Have on disk what `append_soon` took. A disk that refuses it is logged."""
        with self._writing:
            self._write_queue()

    def seal(self) -> None:
        """Close the open segment, so that it can be sent; a new one is opened when there is something for it."""
        with self._writing:
            self._write_queue()
            self._close_segment()

    def take_over(self) -> None:
        """Make ours the rooms of processes that have died. Raises OSError."""
        for room in enter_left_rooms(self.root):
            if not segments_in(room.path):
                room.leave()
                continue
            _log.info("events that another process left behind are sent, too: %s", room.path)
            self._taken.append(room)
            with self._lock:
                self._stored += _bytes_in(room.path)
        held = {room.path for room in self._rooms()}
        foreign = sum(_bytes_in(path) for path in all_rooms(self.root) if path not in held)
        with self._lock:
            self._foreign = foreign

    def sealed(self) -> list[Path]:
        """The segments that are ours to send, oldest first: all but the one that grows."""
        with self._writing:
            now_open = self._open.path if self._open else None
            found = [path for room in self._rooms() for path in segments_in(room.path) if path != now_open]
        return sorted(found, key=lambda path: path.name)

    @contextmanager
    def undisturbed(self, segment: Path) -> Iterator[None]:
        """Nothing is erased from this segment meanwhile: what is read of it may be sent."""
        with alone_in(segment.parent):
            yield

    def remove(self, segment: Path) -> None:
        """Forget a segment, all of which was sent; a room taken over that has become empty goes, too."""
        size = segment.stat().st_size
        segment.unlink()
        with self._lock:
            self._stored -= size
        for room in [room for room in self._taken if room.path == segment.parent and not segments_in(room.path)]:
            self._taken.remove(room)
            room.leave()

    @property
    def stored_bytes(self) -> int:
        """How much waits in the rooms of this process."""
        return self._stored

    def oldest_age_s(self) -> float:
        """How long the oldest segment of this process waits; 0 where nothing does."""
        times = [made_at_s(path) for room in self._rooms() for path in segments_in(room.path)]
        return max(0.0, self._clock() - min(times)) if times else 0.0

    def find(self, client_hash: str) -> tuple[Record, ...]:
        """The records that name this user, in every process' room."""
        wanted = _wanted(client_hash)
        self.flush()
        lines = (line.text for path in self._every_segment() for line in _lines_there(path) if wanted(line.text))
        return tuple(record for line in lines if (record := decode(line)) is not None)

    def erase(self, client_hash: str) -> int:
        """Overwrite the records that name this user, in every process' room; how many there were.

        Waits for a `_bulk` under way, so that afterwards all of the user's records are in the cluster or nowhere:
        erase here first, there second.
        """
        wanted = _wanted(client_hash)
        self.flush()
        found = 0
        for room in all_rooms(self.root):
            with alone_in(room):
                found += sum(blank_lines(path, wanted) for path in segments_in(room))
        return found

    def close(self) -> None:
        """Let go of all rooms; what waits in them is sent by whoever comes next."""
        self.seal()
        for room in self._rooms():
            room.leave()
        self._own, self._taken = None, []

    def _queue_up(self, data: bytes) -> _Ticket:
        ticket = _Ticket(data)
        with self._lock:
            if self._stored + self._foreign + self._queued + len(data) > self._max_bytes:
                raise Rejected(f"the spool is full (events.spool_max_bytes: {self._max_bytes})", RETRY_AFTER_S)
            self._queue.append(ticket)
            self._queued += len(data)
        return ticket

    def _write_queue(self) -> None:
        """Write and flush all that is queued; the caller holds `_writing`."""
        with self._lock:
            tickets, self._queue = self._queue, []
        if not tickets:
            return
        data = b"".join(ticket.data for ticket in tickets)
        error = self._write(data)
        with self._lock:
            self._queued -= len(data)
            self._stored += 0 if error else len(data)
        for ticket in tickets:
            ticket.error, ticket.is_done = error, True

    def _write(self, data: bytes) -> OSError | None:
        try:
            if self._open is not None and self._open.size + len(data) > self._segment_bytes:
                self._close_segment()
            if self._open is None:
                self._open = self._new_segment()
            self._open.append(data)
        except OSError as error:
            _log.error("events cannot be kept in %s: %s", self.root, error)
            self._close_segment()
            return error
        return None

    def _new_segment(self) -> OpenSegment:
        if self._own is None:
            self._own = enter_new_room(self.root)
        name = f"{round(self._clock() * 1000):013d}-{next(self._numbers):06d}{SUFFIX}"
        return OpenSegment(self._own.path / name)

    def _close_segment(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _rooms(self) -> list[Room]:
        return [*([self._own] if self._own else []), *self._taken]

    def _every_segment(self) -> list[Path]:
        return [path for room in all_rooms(self.root) for path in segments_in(room)]


def _wanted(client_hash: str) -> Callable[[bytes], bool]:
    """Whether a line names the user anywhere; a hash is long enough to stand there for nothing else."""
    name = client_hash.encode()
    return lambda line: name in line


def _lines_there(path: Path) -> Iterator[Line]:
    try:
        yield from lines_from(path)
    except FileNotFoundError:  # sent and gone meanwhile
        return


def _bytes_in(room: Path) -> int:
    total = 0
    for path in segments_in(room):
        try:
            total += path.stat().st_size
        except FileNotFoundError:
            continue
    return total
