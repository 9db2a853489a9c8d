"""Events on disk in few bytes each, sorted by user, so that a user's can be read together whatever their number.

External sorting in its plainest form: a portion that fits into memory is sorted and written as a run, and a bucket is a
range of users out of each run. Users' hashes are evenly spread, so are the buckets.
"""

from __future__ import annotations

import json
import shutil
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from middleware.behaviour.noise import FIRST_S, names_a_bot
from middleware.durable_files import flush_tree, unfinished_beside
from middleware.learning.profiles.sources import RawEvent
from middleware.personalization.events import parse_event
from middleware.personalization.identity import PREFIX, Identity

USER_BYTES = 18
USER = np.dtype(f"S{USER_BYTES}")
EVENT = np.dtype([("user", USER), ("at", "<f8"), ("key", "<u8"), ("object", "<u8"), ("action", "u1")], align=False)
"""user: the bytes of the hash; at: seconds since 1970; key and object: hashes of the ids; action: number in a list."""

Events = NDArray[Any]
_SHARDS = 256
_NAMES_KNOWN = 1 << 16


def id_hash(text: str) -> int:
    """64 bits of BLAKE2b: of ten million ids two are taken for one with a chance of three in a million."""
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def user_name(user: bytes) -> str:
    """The user's hash as text, of a field `user`."""
    return PREFIX + urlsafe_b64encode(user.ljust(USER_BYTES, b"\0")).decode()


def user_bytes(name: str) -> bytes:
    """The bytes of a user's hash: the other way round."""
    return urlsafe_b64decode(name[len(PREFIX) :])


@dataclass(slots=True)
class Codec:
    """Documents of events to rows of EVENT. `actions`: those that count; `until_s`: nothing counts after."""

    identity: Identity
    actions: Sequence[str]
    until_s: float
    dropped: Counter[str] = field(default_factory=Counter)
    objects: dict[str, int] = field(default_factory=dict)

    def rows(self, events: Iterable[RawEvent]) -> Events:
        """The events that count, in the order given."""
        numbers = {name: number for number, name in enumerate(self.actions)}
        user_of = lru_cache(_NAMES_KNOWN)(self._user)
        rows = []
        for event_id, document in events:
            event = parse_event(document)
            if event is None or not isinstance(document, Mapping):
                self.dropped["without a client, an action, an object or a time"] += 1
            elif event.action_name not in numbers:
                self.dropped["of actions without a weight"] += 1
            elif not FIRST_S <= event.timestamp_s <= self.until_s:
                self.dropped["at an impossible time"] += 1
            elif names_a_bot(document):
                self.dropped["of robots by their browser"] += 1
            else:
                target = self.objects.get(event.object_id)
                if target is None:
                    target = self.objects[event.object_id] = id_hash(event.object_id)
                key, action = id_hash(event_id), numbers[event.action_name]
                rows.append((user_of(event.client_id), event.timestamp_s, key, target, action))
        return np.array(rows, dtype=EVENT)

    def _user(self, name: str) -> bytes:
        return user_bytes(self.identity.hash(name))


class Runs:
    """The runs in a folder; each is there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    @property
    def done(self) -> int:
        """How many portions are written."""
        return sum(1 for _ in self._folder.glob("run-*"))

    @property
    def events(self) -> int:
        return sum(facts["shards"][-1] for facts in self._facts())

    @property
    def dropped(self) -> Counter[str]:
        """Reason -> events left out."""
        return sum((Counter(facts["dropped"]) for facts in self._facts()), Counter())

    def add(self, rows: Events, codec: Codec) -> None:
        """Write the next run and take what the codec counted."""
        rows = rows[np.lexsort((rows["key"], rows["at"], rows["user"]))]
        first_bytes = np.frombuffer(rows["user"].tobytes(), dtype=np.uint8)[::USER_BYTES]
        shards = np.searchsorted(first_bytes, np.arange(_SHARDS + 1))
        target = self._folder / f"run-{self.done:06d}"
        unfinished = unfinished_beside(target)
        unfinished.mkdir()
        rows.tofile(unfinished / "events.bin")
        (unfinished / "objects.json").write_text(json.dumps(list(codec.objects)))
        facts = {"shards": shards.tolist(), "dropped": codec.dropped}
        (unfinished / "facts.json").write_text(json.dumps(facts))
        flush_tree(unfinished)
        unfinished.rename(target)
        codec.dropped, codec.objects = Counter(), {}

    def objects(self) -> list[str]:
        """Every object_id that is named, sorted."""
        names: set[str] = set()
        for run in self._runs():
            names.update(json.loads((run / "objects.json").read_text()))
        return sorted(names)

    def buckets(self, events: int) -> int:
        """Into how many ranges of users of about `events` events they are parted: a power of two, at most 256."""
        wanted = min(_SHARDS, max(1, self.events // events))
        return int(1 << (wanted - 1).bit_length())

    def read(self, bucket: int, buckets: int) -> tuple[Events, int]:
        """A bucket's events by user and time, each once, and how many there were twice."""
        width = _SHARDS // buckets
        parts = []
        for run, facts in zip(self._runs(), self._facts(), strict=True):
            start, end = facts["shards"][bucket * width], facts["shards"][(bucket + 1) * width]
            with (run / "events.bin").open("rb") as file:
                file.seek(start * EVENT.itemsize)
                parts.append(np.fromfile(file, dtype=EVENT, count=end - start))
        rows = np.concatenate(parts) if parts else np.zeros(0, dtype=EVENT)
        rows = rows[np.lexsort((rows["key"], rows["at"], rows["user"]))]
        by_id = np.lexsort((rows["key"], rows["user"]))  # stable: of equal ids the earliest comes first
        alike = rows[by_id]
        again = (alike["key"][1:] == alike["key"][:-1]) & (alike["user"][1:] == alike["user"][:-1])
        kept = np.ones(len(rows), dtype=bool)
        kept[by_id[1:]] = ~again
        return rows[kept], int(again.sum())

    def _runs(self) -> list[Path]:
        return sorted(self._folder.glob("run-*"))

    def _facts(self) -> list[dict[str, Any]]:
        return [json.loads((run / "facts.json").read_text()) for run in self._runs()]


def users_of(events: Events) -> Iterator[tuple[bytes, int, int]]:
    """Of events sorted by user: each user's bytes, and where they begin and end."""
    if not len(events):
        return
    names = events["user"]
    starts = np.flatnonzero(np.concatenate(([True], names[1:] != names[:-1])))
    for start, end in zip(starts, [*starts[1:], len(events)], strict=True):
        yield bytes(names[start]), int(start), int(end)


def remove_unfinished(folder: Path, older_than_s: float = 0.0) -> None:
    """What a killed run of ours left half written: the folder is locked, so nobody is writing."""
    for path in folder.rglob(".unfinished-*"):
        if path.is_dir() and time.time() - path.stat().st_mtime >= older_than_s:
            shutil.rmtree(path, ignore_errors=True)
