"""The index of profiles as its builder sees it: what is written, and what is there of builds before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.catalog.mapping_files import load_body
from middleware.catalog.vector_keeper import send_all
from middleware.errors import CommandError
from middleware.personalization.documents import CLUSTER, EVERYBODY, KIND, USER

Documents = Mapping[str, Mapping[str, Any]]


class ProfileKeeper:
    """The index of profiles; every call is repeated while the node is busy, then raises CommandError."""

    def __init__(self, client: Elasticsearch, index: str, patience: Patience) -> None:
        self.index = index
        self._client = client
        self._patience = patience

    def prepare(self) -> None:
        """Create the index, or give an older one the fields that it lacks."""
        body, indices = load_body("profiles"), self._client.indices
        exists = fetch(self._client, lambda: indices.exists(index=self.index), self._patience)
        if exists:
            properties = body["mappings"]["properties"]
            fetch(self._client, lambda: indices.put_mapping(index=self.index, properties=properties), self._patience)
            return
        create = self._client.options(ignore_status=400).indices.create  # two builds may start at once
        fetch(self._client, lambda: create(index=self.index, **body), self._patience)

    def put(self, documents: Documents) -> None:
        """Write _id -> document."""
        actions = [{"_op_type": "index", "_id": name, "_source": document} for name, document in documents.items()]
        send_all(self._client, self.index, actions, self._patience)

    def remove(self, names: Sequence[str]) -> None:
        """Remove documents by their _id."""
        send_all(self._client, self.index, [{"_op_type": "delete", "_id": name} for name in names], self._patience)

    def get(self, name: str) -> Mapping[str, Any] | None:
        """A document by its _id; None where there is none."""
        found = fetch(
            self._client.options(ignore_status=404),
            lambda: self._client.options(ignore_status=404).get(index=self.index, id=name),
            self._patience,
        )
        source = found.get("_source")
        return source if isinstance(source, Mapping) else None

    def statistics(self) -> list[Mapping[str, Any]]:
        """The documents of clusters and of everybody."""
        found = self._search({"size": 1000, "query": {"terms": {KIND: [CLUSTER, EVERYBODY]}}})
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def some_users(self, most: int) -> list[Mapping[str, Any]]:
        """Documents of users who have a cluster, vector and cluster alone."""
        query = {"bool": {"filter": [{"term": {KIND: USER}}, {"exists": {"field": "cluster"}}]}}
        fields = ["vector", "cluster"]
        found = self._search({"size": most, "query": query, "_source": fields, "sort": ["_doc"]})
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def remove_older(self, updated_at_ms: int) -> int:
        """Remove what builds before left: documents not of this moment; how many those were."""
        older = {"bool": {"must_not": [{"term": {"updated_at": {"value": updated_at_ms}}}]}}
        self.refresh()
        answer = fetch(
            self._client,
            lambda: self._client.delete_by_query(index=self.index, query=older, conflicts="proceed", refresh=True),
            self._patience,
        )
        if answer.get("failures"):
            raise CommandError(f"{self.index}: old profiles could not be removed: {answer['failures'][0]}")
        return int(answer["deleted"])

    def refresh(self) -> None:
        """Let searches find what was written."""
        fetch(self._client, lambda: self._client.indices.refresh(index=self.index), self._patience)

    def _search(self, body: Mapping[str, Any]) -> Any:
        return fetch(
            self._client,
            lambda: self._client.search(index=self.index, ignore_unavailable=True, **body),
            self._patience,
        )
