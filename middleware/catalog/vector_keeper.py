"""The index that keeps vectors, as its builder sees it: what is there, what comes, what goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch
from elasticsearch.helpers import streaming_bulk

from middleware.catalog.bootstrap_load import describe_item_error
from middleware.catalog.bootstrap_patience import BUSY_STATUS, Patience, Waiter, fetch
from middleware.catalog.mapping_files import load_body
from middleware.catalog.vector_scan import scan
from middleware.errors import CommandError
from middleware.rerank.vector_index import ENCODER, INDEX

Action = dict[str, Any]

_ENCODERS_SHOWN = 20


class VectorKeeper:
    """One index of vectors; every call is repeated while the node is busy, then raises CommandError."""

    def __init__(self, client: Elasticsearch, index: str, patience: Patience) -> None:
        self.index = index
        self._client = client
        self._patience = patience

    @property
    def exists(self) -> bool:
        return bool(fetch(self._client, lambda: self._client.indices.exists(index=self.index), self._patience))

    def prepare(self) -> None:
        """Create the index, or give an older one the fields that it lacks."""
        body, indices = load_body("vectors"), self._client.indices
        if self.exists:
            properties = body["mappings"]["properties"]
            fetch(self._client, lambda: indices.put_mapping(index=self.index, properties=properties), self._patience)
        else:
            create = self._client.options(ignore_status=400).indices.create  # two builds may start at once
            fetch(self._client, lambda: create(index=self.index, **body), self._patience)
            if not self.exists:
                raise CommandError(f"{self.index} could not be created; is the name one that an index may have?")

    def missing(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that have no vector, what was just written included."""
        answer = fetch(
            self._client, lambda: self._client.mget(index=self.index, ids=list(keys), source=False), self._patience
        )
        return {str(each["_id"]) for each in answer["docs"] if not each.get("found")}

    def put(self, vectors: Mapping[str, Mapping[str, Any]]) -> None:
        """Write key -> document."""
        actions = [{"_op_type": "index", "_id": key, "_source": document} for key, document in vectors.items()]
        send_all(self._client, self.index, actions, self._patience)

    def delete(self, keys: Iterable[str]) -> None:
        send_all(self._client, self.index, [{"_op_type": "delete", "_id": key} for key in keys], self._patience)

    def scan_keys(self, built_for: str, encoder: str | None) -> Iterable[list[str]]:
        """Keys of the vectors built for an index, page by page; of one encoder's revision, or of all others (None)."""
        only: list[dict[str, Any]] = [{"term": {INDEX: built_for}}]
        only += [{"term": {ENCODER: encoder}}] if encoder else []
        fetch(self._client, lambda: self._client.indices.refresh(index=self.index), self._patience)
        for hits in scan(self._client, self.index, (), self._patience, {"bool": {"filter": only}}):
            yield [str(hit["_id"]) for hit in hits]

    def count_by_encoder(self, built_for: str) -> dict[str, int]:
        """Encoder's revision -> vectors built for an index; empty where there is no index of vectors."""
        if not self.exists:
            return {}
        body: dict[str, Any] = {
            "size": 0,
            "query": {"term": {INDEX: built_for}},
            "aggs": {"encoders": {"terms": {"field": ENCODER, "size": _ENCODERS_SHOWN}}},
        }
        fetch(self._client, lambda: self._client.indices.refresh(index=self.index), self._patience)
        answer = fetch(self._client, lambda: self._client.search(index=self.index, **body), self._patience)
        return {str(each["key"]): int(each["doc_count"]) for each in answer["aggregations"]["encoders"]["buckets"]}


def send_all(client: Elasticsearch, index: str, actions: Sequence[Action], patience: Patience) -> None:
    """Send actions in bulk, again while the node is busy. Raises CommandError for one that will never do."""
    waiter = Waiter(client, patience)
    while actions:
        try:
            actions, trouble = _send_once(client, index, actions)
        except (ApiError, TransportError) as error:
            waiter.wait_out(error)
            continue
        if actions:
            waiter.wait(trouble)


def _send_once(client: Elasticsearch, index: str, actions: Sequence[Action]) -> tuple[list[Action], str]:
    """The actions to send again, and why. Raises CommandError for one that will never do."""
    again, trouble = [], ""
    answers = streaming_bulk(client, actions, index=index, chunk_size=len(actions), raise_on_error=False, max_retries=0)
    for action, (ok, answer) in zip(actions, answers, strict=True):
        result = next(iter(answer.values()))
        if ok or result["status"] == 404:  # what is to be deleted is gone
            continue
        trouble = describe_item_error(result)
        if result["status"] not in BUSY_STATUS:
            raise CommandError(f"{index}: the cluster answered {result['status']}: {trouble}")
        again.append(action)
    return again, trouble
