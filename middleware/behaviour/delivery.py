"""The background thread that empties the spool into the cluster, waits while that is away, and is never in a hurry."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from middleware.backoff import Backoff
from middleware.behaviour.cluster_writer import ClusterAway, ClusterWriter, Fate
from middleware.behaviour.dead_letters import DeadLetters
from middleware.behaviour.record import Record, decode
from middleware.behaviour.segments import Line, lines_at, lines_from
from middleware.behaviour.spool import Spool
from middleware.behaviour.watch import EventWatch
from middleware.config.events import EventSettings

_IDLE_S = 1.0
_LOOK_ROUND_S = 2.0
_LAST_PASS_S = 3.0
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Progress:
    """How far a segment has been sent: from where on it has not, and which lines before that wait for another try."""

    end: int = 0
    again: list[int] = field(default_factory=list)


class Delivery:
    """One per process. `start` it, `wake` it after each append; `stop` tries once more to send what is there."""

    def __init__(
        self,
        spool: Spool,
        writer: ClusterWriter,
        letters: DeadLetters,
        settings: EventSettings,
        watch: EventWatch,
        is_erased: Callable[[Record], bool] = lambda _: False,
    ) -> None:
        """`is_erased`: whether a record's user was erased after it was made; then it goes nowhere."""
        self._is_erased = is_erased
        self._spool = spool
        self._writer = writer
        self._letters = letters
        self._settings = settings
        self._watch = watch
        self._flush_s = settings.flush_ms / 1000
        self._backoff = Backoff(self._flush_s, max(self._flush_s, settings.longest_pause_s))
        self._progress: dict[Path, _Progress] = {}
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._looked_round_at = -_LOOK_ROUND_S
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)
        self.trouble: str | None = None
        """Why nothing, or not all, can be written at this moment."""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Tell that there is something to send."""
        self._woken.set()

    def stop(self) -> None:
        """Send once more what is there, unless the cluster is away, and end."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_PASS_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(_IDLE_S)
            self._woken.clear()
            self._try_pass()
            self._stopping.wait(self._backoff.until - time.monotonic() if self._backoff.failures else self._flush_s)
        if not self._backoff.failures:
            self._try_pass()

    def _try_pass(self) -> None:
        """One pass, whatever it meets: this thread must outlive every trouble."""
        try:
            all_sent = self.run_pass()
        except ClusterAway as error:
            self._pause(str(error))
        except Exception as error:  # noqa: BLE001 - logged with its traceback, and tried again
            self._pause(f"{type(error).__name__}: {error}")
            _log.exception("events could not be sent")
        else:
            if all_sent:
                self._resume()
            else:
                self._pause(self.trouble or "some records were not taken")
        self._watch.see_spool(self._spool.stored_bytes, self._spool.oldest_age_s())

    def run_pass(self) -> bool:
        """Send what is there; False where the cluster wants some of it later. Raises ClusterAway and OSError."""
        if time.monotonic() - self._looked_round_at >= _LOOK_ROUND_S:
            self._looked_round_at = time.monotonic()
            self._spool.take_over()
        segments = self._spool.sealed()
        if not segments or not self._backoff.failures:  # while it is away, waiting makes no more files than it must
            self._spool.seal()
            segments = self._spool.sealed()
        unsent = [segment for segment in segments if not self._send_segment(segment)]
        return not unsent

    def _send_segment(self, segment: Path) -> bool:
        progress = self._progress.setdefault(segment, _Progress())
        retried, progress.again = progress.again, []
        try:
            while retried:
                with self._spool.undisturbed(segment):
                    part = retried[: self._settings.batch_records]
                    self._send(self._batch(lines_at(segment, part)), progress)
                    retried = retried[len(part) :]
        finally:
            progress.again += retried
        while True:
            with self._spool.undisturbed(segment):
                batch = self._batch(lines_from(segment, progress.end))
                if not batch:
                    break
                self._send(batch, progress)
                progress.end = max(progress.end, batch[-1].offset + len(batch[-1].text))
        if progress.again:
            return False
        with self._spool.undisturbed(segment):
            self._spool.remove(segment)
        del self._progress[segment]
        return True

    def _batch(self, lines: Iterable[Line]) -> list[Line]:
        """As many lines as go into one `_bulk`, at least one."""
        batch: list[Line] = []
        size = 0
        for line in lines:
            size += len(line.text)
            if batch and (size > self._settings.batch_bytes or len(batch) == self._settings.batch_records):
                break
            batch.append(line)
        return batch

    def _send(self, batch: list[Line], progress: _Progress) -> None:
        records = [(line, record) for line in batch if (record := decode(line.text)) is not None]
        damaged = sum(not line.is_blank for line in batch) - len(records)
        if damaged:
            _log.error("%d damaged lines in the spool were passed over", damaged)
        records = [(line, record) for line, record in records if not self._is_erased(record)]
        if not records:
            return
        outcomes = self._writer.write([record for _, record in records])
        refused: list[tuple[Record, str]] = []
        for (line, record), outcome in zip(records, outcomes, strict=True):
            if outcome.fate is Fate.AGAIN:
                progress.again.append(line.offset)
                self.trouble = outcome.reason
            elif outcome.fate is Fate.REFUSED:
                refused.append((record, outcome.reason))
        if refused:
            self._letters.add(refused)
            _log.error("the cluster refused %d records, now dead letters: %s", len(refused), refused[0][1])
        for fate in Fate:
            self._watch.count_sent(fate, sum(outcome.fate is fate for outcome in outcomes))

    def _pause(self, reason: str) -> None:
        is_new = not self._backoff.failures
        self.trouble = reason
        self._backoff.failed(time.monotonic())
        if is_new:
            _log.warning("events wait in %s: %s", self._spool.root, reason)

    def _resume(self) -> None:
        if self._backoff.failures:
            _log.info("events are written again")
            self._woken.set()
        self.trouble = None
        self._backoff.succeeded()
