"""The index that keeps what a build found, as the build sees it: one document a product, those of older builds gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import streaming_bulk

from middleware.catalog.bootstrap_load import describe_item_error
from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.catalog.client import explain
from middleware.catalog.mapping_files import load_body
from middleware.catalog.vector_scan import scan
from middleware.errors import CommandError

_CHUNK = 500
_RETRIES = 6


class Keeper:
    """One index of recommendations; a failure that lasts raises CommandError."""

    def __init__(self, client: Elasticsearch, index: str, patience: Patience) -> None:
        self._client, self._index, self._patience = client, index, patience

    def prepare(self) -> None:
        """Create the index, or give an older one the fields that it lacks."""
        body, indices = load_body("recommend"), self._client.indices
        create = self._client.options(ignore_status=400).indices.create  # it may be there
        fetch(self._client, lambda: create(index=self._index, **body), self._patience)
        properties = body["mappings"]["properties"]
        fetch(self._client, lambda: indices.put_mapping(index=self._index, properties=properties), self._patience)

    def put(self, documents: Iterable[tuple[str, Mapping[str, Any]]], on_chunk: Callable[[int], None]) -> None:
        """Write (_id, document) pairs; `on_chunk` is told now and then how many were written."""
        actions = ({"_op_type": "index", "_id": name, "_source": document} for name, document in documents)
        for done, _ in enumerate(self._send(actions), start=1):
            if done % _CHUNK == 0:
                on_chunk(done)
        fetch(self._client, lambda: self._client.indices.refresh(index=self._index), self._patience)

    def remove_others(self, field: str, value: str) -> int:
        """Remove the documents whose `field` is not `value`, and say how many there were."""
        query = {"bool": {"must_not": [{"term": {field: value}}]}}
        removed = 0
        with closing(scan(self._client, self._index, (), self._patience, query)) as pages:
            for hits in pages:
                removed += sum(1 for _ in self._send({"_op_type": "delete", "_id": hit["_id"]} for hit in hits))
        fetch(self._client, lambda: self._client.indices.refresh(index=self._index), self._patience)
        return removed

    def _send(self, actions: Iterable[dict[str, Any]]) -> Iterable[None]:
        answers = streaming_bulk(
            self._client,
            actions,
            index=self._index,
            chunk_size=_CHUNK,
            raise_on_error=False,
            max_retries=_RETRIES,
            initial_backoff=0.5,
        )
        try:
            for ok, answer in answers:
                result = next(iter(answer.values()))
                if not ok and result.get("status") != 404:  # what is to be deleted is gone
                    raise CommandError(f"{self._index}: the cluster refused a document: {describe_item_error(result)}")
                yield
        except (ApiError, TransportError) as error:
            raise explain(self._client, error) from error
