"""Everything about one user, for this user: as one document with pages, or as lines without an end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from middleware.config import Settings
from middleware.privacy.archive import Archive, Hit
from middleware.privacy.documents import Person, Place, documents_query, is_of, personal_places
from middleware.privacy.facts import facts_of
from middleware.privacy.keeping import Keeping
from middleware.privacy.tombstones import erased_at


@dataclass(frozen=True, slots=True)
class Page:
    """Which documents of each kind are shown: `size` of them from the `first` on, newest first."""

    first: int = 0
    size: int = 100


def export_document(
    archive: Archive, settings: Settings, person: Person, keeping: Keeping, page: Page
) -> dict[str, Any]:
    """The user's hash, facts in words, and by kind the documents of a page with their true total, as in a search.

    `found` is False where nothing is kept. Raises what `Archive` raises.
    """
    parts = {place.kind: _part(archive, place, person, page) for place in personal_places(settings)}
    waiting = {kind: _listed(list(_records(keeping, kind, person)), page) for kind in keeping.on_disk}
    counts = {kind: part["total"]["value"] for kind, part in parts.items()}
    profiles = [hit["_source"] for hit in parts["profiles"]["hits"] if hit["_id"] == person.hash]
    return {
        "user": person.hash,
        "found": any(part["total"]["value"] for part in (parts | waiting).values()),
        "erased_at": _iso(erased_at(archive, settings.privacy.erasures_index, person.hashes)),
        "facts": facts_of(profiles[0] if profiles else None, counts) + _about_names(person),
        **parts,
        "waiting": waiting,
    }


def export_lines(archive: Archive, settings: Settings, person: Person, keeping: Keeping) -> Iterator[dict[str, Any]]:
    """One after the other every document of the user: kind, _index, _id and _source; constant in memory."""
    for place in personal_places(settings):
        for hit in _hits(archive, place, person):
            yield {"kind": place.kind, **_shown(hit)}
    for kind in keeping.on_disk:
        for record in _records(keeping, kind, person):
            yield {"kind": kind, **record}


def _part(archive: Archive, place: Place, person: Person, page: Page) -> dict[str, Any]:
    """All are counted after a look into them, since under analysed text a query finds others, too."""
    total, shown = 0, []
    for hit in _hits(archive, place, person):
        if page.first <= total < page.first + page.size:
            shown.append(_shown(hit))
        total += 1
    return {"index": place.index, "total": {"value": total, "relation": "eq"}, "hits": shown}


def _hits(archive: Archive, place: Place, person: Person) -> Iterator[Hit]:
    found = archive.hits(place.index, documents_query(person), sort=place.time)
    return (hit for hit in found if is_of(person, hit))


def _shown(hit: Hit) -> dict[str, Any]:
    return {name: hit.get(name) for name in ("_index", "_id", "_source")}


def _records(keeping: Keeping, kind: str, person: Person) -> Iterator[dict[str, Any]]:
    for name in person.hashes:
        for record in keeping.on_disk[kind].find(name):
            yield {"_index": record.index, "_id": record.id, "_source": record.document}


def _listed(records: list[dict[str, Any]], page: Page) -> dict[str, Any]:
    shown = records[page.first : page.first + page.size]
    return {"total": {"value": len(records), "relation": "eq"}, "hits": shown}


def _about_names(person: Person) -> list[str]:
    if person.raw is not None:
        return []
    return ["Asked by a hash: events that the shop itself keeps under the user's name are not found by it."]


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
