"""Everything about one user erased, wherever it is kept, until a search for it finds nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from middleware.config import Settings
from middleware.errors import UpstreamError
from middleware.privacy.archive import Archive
from middleware.privacy.documents import NAMED_IN, Person, Place, documents_query, is_of, personal_places
from middleware.privacy.keeping import Keeping
from middleware.privacy.tombstones import bury

_MOST_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased: documents by index, and records by what kept them on disk; `at` in seconds since 1970."""

    user: str
    at: float
    documents: dict[str, int]
    records: dict[str, int]

    @property
    def total(self) -> int:
        return sum(self.documents.values()) + sum(self.records.values())


def erase(
    archive: Archive, settings: Settings, person: Person, keeping: Keeping, now: Callable[[], float] = time.time
) -> Erasure:
    """Erase a user; nothing but the tombstone is left, in this order, so that nothing comes back meanwhile.

    The tombstone first: writers drop what they still hold. Then the disk, from which records go to the cluster. Then
    the cluster, what profiles are made of before profiles. Memory last, since it may be filled until then. Raises
    ClusterRefused or UpstreamError where some of it is left; to ask again is safe.
    """
    at = now()
    bury(archive, settings.privacy.erasures_index, person, at)
    records = {kind: sum(keeper.erase(name) for name in person.hashes) for kind, keeper in keeping.on_disk.items()}
    documents: dict[str, int] = {}
    for place in personal_places(settings):
        documents[place.index] = documents.get(place.index, 0) + _erase_in(archive, place, person)
    for forget in keeping.forget:
        for name in person.hashes:
            forget(name)
    return Erasure(person.hash, at, documents, records)


def _erase_in(archive: Archive, place: Place, person: Person) -> int:
    """Documents are deleted by their ids after a look into them: under analysed text a query would find too many."""
    deleted = 0
    for _ in range(_MOST_ROUNDS):
        archive.refresh(place.index)
        found = archive.hits(place.index, documents_query(person), source=list(NAMED_IN))
        gone = archive.delete(hit for hit in found if is_of(person, hit))
        if not gone:
            return deleted
        deleted += gone
    raise UpstreamError(f"documents of this user arrive in [{place.index}] as fast as they are erased; try again")
