"""All documents of an index, page by page in constant memory, on every version: only what a text is made of."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, Elasticsearch

from middleware.catalog.bootstrap_patience import Patience, fetch
from middleware.errors import CommandError

PAGE = 512
# Between two pages a slow encoder works: so long a node keeps its place in the scan.
_KEEP_ALIVE = "15m"

Hit = Mapping[str, Any]


def scan(
    client: Elasticsearch,
    index: str,
    fields: Sequence[str],
    patience: Patience,
    query: Mapping[str, Any] | None = None,
    page: int = PAGE,
) -> Generator[list[Hit], None, None]:
    """Every document as it was at the start, `fields` of its source (none: its _id alone), `page` at a time.

    A scroll, since points in time are called differently by each engine and are missing in some builds. A page is
    asked for again while the node is busy. Raises CommandError where the index is not there, or the scan misses any.
    """
    body: dict[str, Any] = {"size": page, "sort": ["_doc"], "_source": list(fields) or False}
    body |= {"query": query or {"match_all": {}}, "track_total_hits": True}
    answer = fetch(client, lambda: client.search(index=index, scroll=_KEEP_ALIVE, **body), patience)
    total, seen = int(answer["hits"]["total"]["value"]), 0
    try:
        while hits := _complete(answer)["hits"]["hits"]:
            seen += len(hits)
            yield hits
            answer = fetch(client, partial(_next, client, answer["_scroll_id"]), patience)
    finally:
        with suppress(ApiError, TransportError):
            client.clear_scroll(scroll_id=answer["_scroll_id"])
    if seen != total:  # a page whose answer got lost on its way is not given twice
        raise CommandError(f"the scan of {index} gave {seen} of {total} documents; run the same command again")


def _next(client: Elasticsearch, scroll: str) -> Any:
    try:
        return client.scroll(scroll_id=scroll, scroll=_KEEP_ALIVE)
    except ApiError as error:
        if error.status_code == 404:
            raise CommandError("the scan was lost, as by a restart of the node; run the same command again") from error
        raise


def _complete(answer: Any) -> Any:
    """Raises CommandError where shards are missing: their documents would pass for deleted ones."""
    if failed := answer["_shards"]["failed"]:
        raise CommandError(f"{failed} shards failed during the scan; run the same command again")
    return answer
