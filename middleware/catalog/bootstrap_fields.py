"""New fields are mapped a batch at a time: thousands of sparse attributes, one by one, would hold up the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from middleware.catalog.bootstrap_patience import Patience, Waiter
from middleware.catalog.prepare import Prepared

# A dynamic template with a condition on the value is left to the cluster, which sees the value.
NAME_ONLY = {"match", "mapping"}


class FieldMapper:
    """Tells an index of the fields that a batch brings, as its own dynamic templates would map them."""

    def __init__(self, client: Elasticsearch, index: str, mappings: dict[str, Any], patience: Patience) -> None:
        self._client = client
        self._index = index
        self._patience = patience
        self._seen = set(mappings.get("properties", {}))
        rules = [rule for entry in mappings.get("dynamic_templates", []) for rule in entry.values()]
        self._rules = [(rule["match"], rule["mapping"]) for rule in rules if set(rule) == NAME_ONLY]

    def announce(self, batch: Iterable[Prepared]) -> None:
        """One mapping update for all that is new in `batch`; raises CommandError where the cluster is gone for long.

        A refused update is no failure here: the documents are then refused one by one, each with its reason.
        """
        names = {name for item in batch for name, value in item.document.items() if value is not None}
        new = names - self._seen
        self._seen |= new
        properties = {name: mapping for name in sorted(new) if (mapping := self._mapping_of(name)) is not None}
        if properties:
            self._put(properties)

    def _mapping_of(self, name: str) -> dict[str, Any] | None:
        return next((mapping for pattern, mapping in self._rules if fnmatchcase(name, pattern)), None)

    def _put(self, properties: dict[str, Any]) -> None:
        waiter = Waiter(self._client, self._patience)
        while True:
            try:
                self._client.indices.put_mapping(index=self._index, properties=properties)
                return
            except ApiError as error:
                if error.status_code == 400:
                    return
                waiter.wait_out(error)
            except TransportError as error:
                waiter.wait_out(error)
