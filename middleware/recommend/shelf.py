"""The products that this client may see: every search for them goes with its own credentials, under its own filter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from middleware.errors import MiddlewareError, UpstreamError
from middleware.message import Request
from middleware.own_requests import hits_of
from middleware.search.document import read_values
from middleware.upstream import Upstream, read_all

_MAX_BYTES = 64 * 1024 * 1024
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_MOST_LIKE_THIS = 100

Hits = list[Mapping[str, Any]]


class Refused(MiddlewareError):
    """Elasticsearch refused a search, as for a filter that it does not understand: its own answer, as it came."""

    def __init__(self, status: int, answer: dict[str, Any]) -> None:
        super().__init__(f"the search for products was answered with status {status}")
        self.status, self._answer = status, answer

    def body(self) -> dict[str, Any]:
        return self._answer


class Shelf:
    """Searches of one client on one index expression."""

    def __init__(self, upstream: Upstream, request: Request, index: str, only: Mapping[str, Any] | None) -> None:
        """`only`: the client's filter."""
        self._upstream, self._request = upstream, request
        self._target = f"/{quote(index, safe=',*<>-')}/_search"
        self._only = only

    def find(self, product: str) -> Mapping[str, Any] | None:
        """A product by its id, whatever the filter says."""
        found = hits_of(self._search({"size": 1, "query": {"ids": {"values": [product]}}}))
        return found[0] if found else None

    def select(self, products: Sequence[str], fields: Sequence[str]) -> Hits:
        """Those of the products that pass the filter, in the order given, with `fields` of their source."""
        if not products:
            return []
        body = self._under_filter({"ids": {"values": list(products)}}, len(products), fields)
        found = {str(hit["_id"]): hit for hit in hits_of(self._search(body))}
        return [found[product] for product in products if product in found]

    def resolve(self, object_ids: Sequence[str], id_field: str | None) -> list[str]:
        """The `_id`s of products as events name them, in the order given; what is not there is left out."""
        if id_field is None or not object_ids:
            return list(object_ids)
        named = [{"terms": {name: list(object_ids)}} for name in (id_field, f"{id_field}.keyword")]
        query = {"bool": {"should": named}}
        found: dict[str, str] = {}
        body = {"size": len(object_ids), "query": {"bool": {"filter": [query]}}, "_source": [id_field]}
        for hit in hits_of(self._search(body)):
            found |= {str(name): str(hit["_id"]) for name in read_values(hit.get("_source"), id_field)}
        return [found[name] for name in object_ids if name in found]

    def sorted_by(self, field: str, but: Sequence[str], count: int, fields: Sequence[str]) -> Hits:
        """The products with the greatest values in a field that pass the filter, without those of `but`."""
        body = self._under_filter({"exists": {"field": field}}, count, fields)
        body["query"]["bool"]["must_not"] = [{"ids": {"values": list(but)}}]
        return hits_of(self._search({**body, "sort": [{field: {"order": "desc", "unmapped_type": "long"}}]}))

    def alike_in_words(self, product: Mapping[str, Any], words_of: Sequence[str], count: int) -> list[str]:
        """Products that share rare words with one, as Elasticsearch's more_like_this finds them, best first."""
        alike = {
            "fields": list(words_of),
            "like": [{"_index": product["_index"], "_id": product["_id"]}],
            "min_term_freq": 1,
            "min_doc_freq": 1,
            "minimum_should_match": 1,
            "fail_on_unsupported_field": False,
        }
        body = self._under_filter(None, min(count, _MOST_LIKE_THIS), ())
        body["query"]["bool"]["must"] = [{"more_like_this": alike}]
        return [str(hit["_id"]) for hit in hits_of(self._search(body))]

    def page(self, products: Sequence[str], shown: Mapping[str, Any]) -> tuple[Hits, Mapping[str, Any]]:
        """The hits of a page as the client wants them, in the order given, and the answer they came in."""
        answer = self._search({**shown, "size": len(products), "query": {"ids": {"values": list(products)}}})
        found = {str(hit["_id"]): hit for hit in hits_of(answer)}
        return [found[product] for product in products if product in found], answer

    def _under_filter(self, query: Mapping[str, Any] | None, size: int, fields: Sequence[str]) -> dict[str, Any]:
        filters = [each for each in (query, self._only) if each is not None]
        source = list(fields) or False
        return {"size": size, "query": {"bool": {"filter": filters}}, "_source": source, "track_total_hits": False}

    def _search(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises Refused, UpstreamError."""
        request = Request("POST", self._target, self._request.headers)
        answer = self._upstream.search(request, self._target, json.dumps(body).encode(), _JSON)
        data = read_all(answer, _MAX_BYTES)
        try:
            decoded = json.loads(data or b"")
        except ValueError as error:
            raise UpstreamError(f"a search for products was answered with status {answer.status}") from error
        if answer.status != 200 or not isinstance(decoded, dict):
            raise Refused(answer.status, decoded if isinstance(decoded, dict) else {})
        return decoded
