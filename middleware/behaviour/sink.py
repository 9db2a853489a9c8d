"""The one door through which records go to the cluster in the background: kept safe first, told to listeners, written.

Nothing that `put` returned from is lost, whatever is killed when; nothing is written twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from middleware.behaviour.cluster_writer import ClusterWriter
from middleware.behaviour.dead_letters import DeadLetters
from middleware.behaviour.delivery import Delivery
from middleware.behaviour.record import Record, encode
from middleware.behaviour.spool import Spool
from middleware.behaviour.watch import EventWatch
from middleware.config import Settings, cache_dir
from middleware.errors import ConfigError, Rejected
from middleware.mapping_folder import find_mappings
from middleware.privacy.archive import Archive
from middleware.privacy.tombstones import Erasures
from middleware.upstream import Upstream

Listener = Callable[[Sequence[Record]], None]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """What waits in this process, in bytes and seconds; `trouble` says why it does, where it does for long."""

    stored_bytes: int
    oldest_age_s: float
    trouble: str | None


class EventSink:
    """One per process, thread-safe. `on_accepted`: called with each batch of `put` once it is safe, in its thread."""

    def __init__(
        self,
        spool: Spool,
        letters: DeadLetters,
        delivery: Delivery,
        watch: EventWatch,
        erasures: Erasures | None = None,
    ) -> None:
        self._erasures = erasures
        self._spool = spool
        self._letters = letters
        self._delivery = delivery
        self._watch = watch
        self.on_accepted: list[Listener] = []

    def start(self) -> None:
        """Begin to write in the background, what was left behind included."""
        self._delivery.start()

    def put(self, records: Sequence[Record]) -> None:
        """Take records, all or none; on return they are safe on disk.

        Raises RequestError, Rejected where there is no room, and SpoolUnavailable.
        """
        if not records:
            return
        self._spool.append(b"".join(map(encode, records)))
        self._accepted(records)

    def put_soon(self, records: Sequence[Record]) -> bool:
        """Take records without waiting for the disk, in a search's way; False where there is no room for them."""
        try:
            self._spool.append_soon(b"".join(map(encode, records)))
        except Rejected:
            self._watch.count_received(0, len(records))
            return False
        self._accepted(records)
        return True

    def find(self, client_hash: str) -> tuple[Record, ...]:
        """What waits of this user, dead letters included."""
        return self._spool.find(client_hash) + self._letters.find(client_hash)

    def erase(self, client_hash: str) -> int:
        """Forget what waits of this user, in every process of this machine; how many records.

        Erase here first and in the cluster second: what was being written meanwhile is there by then.
        """
        if self._erasures is not None:
            self._erasures.look_again()
        return self._spool.erase(client_hash) + self._letters.erase(client_hash)

    def status(self) -> SinkStatus:
        """For `/_rerank/health`."""
        return SinkStatus(self._spool.stored_bytes, round(self._spool.oldest_age_s(), 3), self._delivery.trouble)

    def close(self) -> None:
        """Write what can be written soon, and let go of the spool."""
        self._delivery.stop()
        self._spool.close()

    def _accepted(self, records: Sequence[Record]) -> None:
        self._watch.count_received(len(records), 0)
        self._delivery.wake()
        for listener in self.on_accepted:
            try:
                listener(records)
            except Exception:  # noqa: BLE001 - the event is safe, whatever a listener makes of it
                _log.exception("accepted events could not be told to %s", listener)


def spool_root(settings: Settings) -> Path:
    """The folder of the spool, configured or by default; two clusters' events never meet in one."""
    name = hashlib.blake2b("\0".join(sorted(settings.upstream.urls)).encode(), digest_size=8).hexdigest()
    return settings.events.spool or cache_dir() / "events" / name


def open_sink(settings: Settings, upstream: Upstream, watch: EventWatch) -> EventSink:
    """The sink as configured, not started. Raises ConfigError where the configured spool cannot be made."""
    events, root = settings.events, spool_root(settings)
    if events.spool is not None:
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigError("events.spool", str(root), f"give a folder that can be written: {error}") from error
    spool = Spool(root, events.spool_max_bytes, events.segment_bytes)
    letters = DeadLetters(root, events.dead_letters_max_bytes)
    bodies = {
        settings.profiles.events_index: _read_body("ubi_events"),
        events.queries_index: _read_body("ubi_queries"),
        settings.ads.impressions_index: _read_body("ad_impressions"),
    }
    writer = ClusterWriter(upstream, events.authorization, bodies)
    erasures = Erasures(lambda: Archive(upstream, events.authorization()), settings.privacy.erasures_index)
    return EventSink(spool, letters, Delivery(spool, writer, letters, events, watch, erasures.cover), watch, erasures)


def _read_body(name: str) -> Mapping[str, Any]:
    body: Mapping[str, Any] = json.loads((find_mappings() / f"{name}.json").read_text(encoding="utf-8"))
    return body
