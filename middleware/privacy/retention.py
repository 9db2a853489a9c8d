"""Nothing is kept longer than it should be: what is too old, and what came late for those who were erased."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from middleware.config import Settings
from middleware.errors import CommandError
from middleware.privacy.archive import Archive
from middleware.privacy.documents import personal_places
from middleware.privacy.tombstones import read_erasures

_SECONDS_PER_DAY = 86_400
_ERASED_AT_ONCE = 200
_AGED_BY = {"profiles": "last_event_at"}
"""A profile is as old as the last event in it; statistics of clusters have no such field and stay."""

_DATES = {"date", "date_nanos", "long", "unmapped"}

Progress = Callable[[str, int], None]
"""Told for each step its name and how many documents went since the last time."""


@dataclass(frozen=True, slots=True)
class Step:
    """One query whose documents go: what it is about, in words, and in which index."""

    what: str
    index: str
    time: str
    query: Mapping[str, Any]


def purge_steps(archive: Archive, settings: Settings, now: float) -> Iterator[Step]:
    """What is to go at `now` (seconds since 1970), the sources of profiles before profiles, tombstones last.

    A tombstone goes when all that it speaks of would have gone by its age.
    """
    days, erasures = settings.privacy.retention_days, settings.privacy.erasures_index
    until_ms = int((now - days * _SECONDS_PER_DAY) * 1000)
    places = personal_places(settings)
    for place in places:
        what = f"{place.kind} older than {days} days"
        time = _AGED_BY.get(place.kind, place.time)
        yield Step(what, place.index, time, _before(time, until_ms))
    buried = iter(read_erasures(archive, erasures).items())
    while chunk := list(islice(buried, _ERASED_AT_ONCE)):
        for place in places:
            yield Step(f"{place.kind} that came after an erasure", place.index, place.time, _late(place.time, chunk))
    yield Step(f"erasures older than {days} days", erasures, "erased_at", _before("erased_at", until_ms))


def purge(
    archive: Archive, settings: Settings, now: float, *, dry_run: bool = False, progress: Progress = lambda *_: None
) -> dict[str, int]:
    """Remove what is to go, or only count it; how much there was of what. Killed, it goes on when it is run again.

    Raises what `Archive` raises, and CommandError where an index has no dates to go by.
    """
    done: dict[str, int] = {}
    for step in purge_steps(archive, settings, now):
        progress(step.what, 0)
        _check_dates(archive, step)
        if dry_run:
            gone = archive.count(step.index, step.query)
        else:
            gone = archive.delete_where(step.index, step.query, partial(progress, step.what))
        done[step.what] = done.get(step.what, 0) + gone
    return done


def _check_dates(archive: Archive, step: Step) -> None:
    """A date that was mapped as text sorts by its letters: by it the wrong ones would go."""
    strange = archive.field_types(step.index, step.time) - _DATES
    if strange:
        what = f"[{step.time}] of [{step.index}] is mapped as {', '.join(sorted(strange))}"
        raise CommandError(f"{what}, not as a date, so that nobody can tell what is old; reindex it")


def _before(field: str, until_ms: int) -> dict[str, Any]:
    return {"range": {field: {"lt": until_ms, "format": "epoch_millis"}}}


def _late(time: str, erased: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """What our writers' hashes did before they were erased; the shop's own documents are not ours to remove unasked."""
    return {
        "bool": {
            "should": [
                {
                    "bool": {
                        "filter": [
                            {"range": {time: {"lte": int(at * 1000), "format": "epoch_millis"}}},
                            {
                                "bool": {
                                    "should": [
                                        {"multi_match": {"query": name, "type": "phrase", "fields": list(_OURS)}},
                                        {"ids": {"values": [name]}},
                                    ]
                                }
                            },
                        ]
                    }
                }
                for name, at in erased
            ]
        }
    }


_OURS = ("client_id", "user_id")
