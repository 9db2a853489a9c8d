"""The cluster as somebody may see and empty it: searches through all hits, deletions that last until none is left."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import quote

from middleware.errors import ClusterRefused, UpstreamError
from middleware.message import Request
from middleware.upstream import Upstream, read_all

Body = Mapping[str, Any]
Hit = Mapping[str, Any]
_MAX_BYTES = 64 * 1024 * 1024
_PAGE = 500
_SCROLL = "2m"
_MOST_AT_ONCE = 10_000
_ROUNDS_WITHOUT_GAIN = 5
_LENIENT = "ignore_unavailable=true&allow_no_indices=true"


class Archive:
    """Indices, seen with one caller's credentials. An index that does not exist is an empty one.

    Every method raises ClusterRefused where the cluster refuses, with its status and reason, and UpstreamError where it
    cannot be reached or answers something unreadable.
    """

    def __init__(self, upstream: Upstream, credentials: Mapping[str, str]) -> None:
        self._upstream = upstream
        self._credentials = tuple(credentials.items())

    def hits(self, index: str, query: Body, source: Sequence[str] | bool = True, sort: str = "_doc") -> Iterator[Hit]:
        """Every hit, in the descending order of the field `sort`; one that it lacks comes last."""
        order = "_doc" if sort == "_doc" else {sort: {"order": "desc", "unmapped_type": "date"}}
        body = {"size": _PAGE, "query": query, "sort": [order], "_source": source}
        page = self._call("POST", f"/{_name(index)}/_search?scroll={_SCROLL}&{_LENIENT}", body)
        scroll = None
        try:
            while found := page.get("hits", {}).get("hits"):
                scroll = page.get("_scroll_id", scroll)
                yield from found
                page = self._call("POST", "/_search/scroll", {"scroll": _SCROLL, "scroll_id": scroll})
        finally:
            self._end_scroll(page.get("_scroll_id", scroll))

    def _end_scroll(self, scroll: object) -> None:
        if scroll:
            self._call("DELETE", "/_search/scroll", {"scroll_id": scroll}, missing_is_fine=True)

    def count(self, index: str, query: Body) -> int:
        """How many documents a query finds."""
        return int(self._call("POST", f"/{_name(index)}/_count?{_LENIENT}", {"query": query}).get("count", 0))

    def field_types(self, index: str, field: str) -> set[str]:
        """The types that a field is mapped to, in one index or another; none where nothing has it."""
        caps = self._call("GET", f"/{_name(index)}/_field_caps?fields={quote(field)}&{_LENIENT}")
        return set(caps.get("fields", {}).get(field, {}))

    def refresh(self, index: str) -> None:
        """Have everything found that was written."""
        self._call("POST", f"/{_name(index)}/_refresh?{_LENIENT}")

    def delete(self, hits: Iterable[Hit]) -> int:
        """Delete these very documents; how many there were. They are found until the next refresh."""
        deleted = 0
        waiting = iter(hits)
        while chunk := list(islice(waiting, _PAGE)):
            lines = "".join(json.dumps({"delete": _address(hit)}) + "\n" for hit in chunk)
            answer = self._send("POST", "/_bulk", lines.encode(), "application/x-ndjson")
            for item in answer.get("items", []):
                result = item.get("delete", {})
                if result.get("status") not in (200, 404):
                    raise ClusterRefused(int(result.get("status", 502)), f"a document was not deleted: {result}")
                deleted += result.get("status") == 200
        return deleted

    def delete_where(self, index: str, query: Body, progress: Callable[[int], None] = lambda _: None) -> int:
        """Delete all that a query finds, by _delete_by_query, at most 10,000 at once; how many there were.

        Repeated until nothing is found: documents that were written meanwhile are passed over and met again.
        """
        target = f"/{_name(index)}/_delete_by_query?conflicts=proceed&refresh=true&max_docs={_MOST_AT_ONCE}&{_LENIENT}"
        deleted = idle = 0
        self.refresh(index)
        while self.count(index, query):
            gone = int(self._call("POST", target, {"query": query}).get("deleted", 0))
            deleted, idle = deleted + gone, 0 if gone else idle + 1
            if idle == _ROUNDS_WITHOUT_GAIN:
                raise UpstreamError(f"documents of [{index}] are written as fast as they are deleted; try again later")
            progress(gone)
        return deleted

    def put(self, index: str, document_id: str, document: Body) -> None:
        """Write a document and have it found."""
        self._call("PUT", f"/{_name(index)}/_doc/{quote(document_id, safe='')}?refresh=true", document)

    def make_index(self, index: str, body: Body) -> None:
        """Create an index unless there is one, or an alias of that name."""
        if self._status("HEAD", f"/{_name(index)}") == 404:
            try:
                self._call("PUT", f"/{_name(index)}", body)
            except ClusterRefused as error:  # another was first
                if "already_exists" not in error.reason:
                    raise

    def _status(self, method: str, target: str) -> int:
        request = Request(method, target, self._credentials)
        answer = self._upstream.forward(request, safe=True)
        read_all(answer, _MAX_BYTES)
        return answer.status

    def _call(
        self, method: str, target: str, body: Body | None = None, missing_is_fine: bool = False
    ) -> dict[str, Any]:
        data = b"" if body is None else json.dumps(body).encode()
        return self._send(method, target, data, "application/json", missing_is_fine)

    def _send(
        self, method: str, target: str, data: bytes, media_type: str, missing_is_fine: bool = False
    ) -> dict[str, Any]:
        request = Request(method, target, self._credentials)
        answer = self._upstream.search(request, target, data, {"Content-Type": media_type})
        text = read_all(answer, _MAX_BYTES)
        try:
            found = json.loads(text or b"")
        except ValueError as error:
            raise UpstreamError(f"{method} {target} was answered with {answer.status} and no JSON") from error
        if answer.status < 400 or (missing_is_fine and answer.status == 404):
            return found if isinstance(found, dict) else {}
        raise ClusterRefused(answer.status, _reason(found))


def _name(index: str) -> str:
    return quote(index, safe=",*<>-")


def _address(hit: Hit) -> dict[str, Any]:
    routing = {"routing": hit["_routing"]} if "_routing" in hit else {}
    kind = {"_type": hit["_type"]} if hit.get("_type", "_doc") != "_doc" else {}
    return {"_index": hit["_index"], "_id": hit["_id"], **routing, **kind}


def _reason(answer: object) -> str:
    cause = answer.get("error") if isinstance(answer, Mapping) else None
    return str(cause.get("reason") if isinstance(cause, Mapping) else cause or "no reason given")
