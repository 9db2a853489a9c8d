"""Which documents are somebody's: the indices that hold any, how they are searched for, and how they are told apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from middleware.config import Settings
from middleware.personalization.identity import Identity

Body = dict[str, Any]
NAMED_IN = ("client_id", "user_id", "client_ids", "event_attributes.object.user_id")
"""Fields that name a user, in UBI events and queries, exposures and profiles, ours and the shop's own."""


@dataclass(frozen=True, slots=True)
class Place:
    """One index or alias with documents of users; `kind` is what we call them, `time` the field with their date."""

    kind: str
    index: str
    time: str


@dataclass(frozen=True, slots=True)
class Person:
    """One user: the hash in force, and all names under which there may be documents, that hash first.

    `hashes`: under the key in force and those before it. `raw`: the name that the shop gave, None where we were asked
    by a hash.
    """

    hash: str
    hashes: tuple[str, ...]
    raw: str | None

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.hashes, *([self.raw] if self.raw else []))


def find_person(name: str, identity: Identity) -> Person:
    """The person behind a raw name or a hash."""
    hashes = identity.hashes(name)
    return Person(hashes[0], hashes, None if name.strip() in hashes else name.strip())


def personal_places(settings: Settings) -> tuple[Place, ...]:
    """Where documents of users are kept in the cluster, in the order in which they are erased: sources first.

    A profile is made of events: were it erased before them, it could come back.
    """
    return (
        Place("events", settings.profiles.events_index, "timestamp"),
        Place("queries", settings.events.queries_index, "timestamp"),
        Place("exposures", settings.privacy.exposures_index, "timestamp"),
        Place("ads seen", settings.ads.impressions_index, "timestamp"),
        Place("profiles", settings.profiles.index, "updated_at"),
    )


def documents_query(person: Person) -> Body:
    """Every document that may be the person's, under any mapping: analysed text lets others through, too.

    Lenient, since a shop may have mapped its ids as numbers, which no hash is.
    """
    fields = [*NAMED_IN, *(f"{name}.keyword" for name in NAMED_IN)]
    named = [
        {"multi_match": {"query": name, "type": "phrase", "fields": fields, "lenient": True}} for name in person.names
    ]
    return {"bool": {"should": [*named, {"ids": {"values": list(person.hashes)}}], "minimum_should_match": 1}}


def is_of(person: Person, hit: Mapping[str, Any]) -> bool:
    """Whether a hit of `documents_query` is really this person's, by its id or by what its source says."""
    if hit.get("_id") in person.hashes:
        return True
    source = hit.get("_source")
    if not isinstance(source, Mapping):
        return False
    return any(_is_name(value, person.names) for field in NAMED_IN for value in _values(source, field.split(".")))


def _values(value: object, path: Sequence[str]) -> Iterator[object]:
    """What stands at a path: through lists, and under keys that are written with dots."""
    if isinstance(value, list):
        for each in value:
            yield from _values(each, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        for length in range(1, len(path) + 1):
            key = ".".join(path[:length])
            if key in value:
                yield from _values(value[key], path[length:])


def _is_name(value: object, names: Sequence[str]) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip() in names
