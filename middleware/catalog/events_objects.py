"""Objects of a log by the ids of our products: shops name them by EAN or SKU, profiles by `_id`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.catalog.events_read import QUERIES
from middleware.catalog.prepare import Prepared
from middleware.search.document import read_values

_AT_ONCE = 500
_MOST_HITS = 10_000


class Objects:
    """Looks products up by `field` of `index`, each once. Of products that share a value the first `_id` counts."""

    def __init__(self, client: Elasticsearch, index: str, field: str, patience: Patience) -> None:
        self._client = client
        self._index = index
        self._field = field
        self._patience = patience
        self._known: dict[str, str | None] = {}

    def look_up(self, entries: Iterable[Prepared]) -> None:
        """Find the products of all objects in `entries`. Raises CommandError where the index cannot be searched."""
        wanted = {name for entry in entries for name in _object_ids(entry)} - set(self._known)
        names = sorted(wanted)
        for start in range(0, len(names), _AT_ONCE):
            self._look_up(names[start : start + _AT_ONCE])

    def _look_up(self, names: list[str]) -> None:
        self._known |= dict.fromkeys(names)
        query = {"terms": {self._field: names}}
        found = fetch(
            self._client,
            lambda: self._client.search(
                index=self._index, query=query, source={"includes": [self._field]}, size=_MOST_HITS
            ),
            self._patience,
        )
        for hit in sorted(found["hits"]["hits"], key=lambda hit: str(hit["_id"]), reverse=True):
            for value in read_values(hit.get("_source"), self._field):
                if str(value) in self._known:
                    self._known[str(value)] = str(hit["_id"])

    def mapped(self, entry: Prepared) -> Prepared | None:
        """The document with our ids; None for an event whose object is no product.

        Of a search's list the unknown ones keep their names: the others would change their places.
        """
        document = dict(entry.document)
        if entry.index == QUERIES:
            listed = document.get("query_response_object_ids")
            if isinstance(listed, list):
                document["query_response_object_ids"] = [self._known.get(str(name)) or str(name) for name in listed]
                document["object_id_field"] = "_id"
            return replace(entry, document=document)
        attributes: Mapping[str, Any] = document["event_attributes"]
        product = self._known.get(str(attributes["object"]["object_id"]).strip())
        if product is None:
            return None
        target = {**attributes["object"], "object_id": product, "object_id_field": "_id"}
        return replace(entry, document={**document, "event_attributes": {**attributes, "object": target}})


def _object_ids(entry: Prepared) -> list[str]:
    if entry.index == QUERIES:
        listed = entry.document.get("query_response_object_ids")
        return [str(name) for name in listed] if isinstance(listed, list) else []
    return [str(entry.document["event_attributes"]["object"]["object_id"]).strip()]
