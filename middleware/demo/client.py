"""The demo's own client: the searches of an ordinary shop, sent to the proxy as any HTTP client would."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from middleware.errors import CommandError

INDEX = "products"
FIELDS = ("title^3", "title_zh^3", "brand", "category", "description")


@dataclass(frozen=True, slots=True)
class Answer:
    """A search's hits and response headers."""

    hits: tuple[Mapping[str, Any], ...]
    headers: Mapping[str, str]

    @property
    def ids(self) -> list[str]:
        return [str(hit["_id"]) for hit in self.hits]


def search_body(text: str, size: int) -> dict[str, Any]:
    """What a shop's search page sends: several fields, the title first."""
    return {"query": {"multi_match": {"query": text, "fields": list(FIELDS)}}, "size": size}


class ShopClient:
    """Searches through the proxy at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(120), retries=False)

    def search(self, text: str, *, size: int = 5, headers: Mapping[str, str] | None = None) -> Answer:
        """One search of the catalogue. Raises CommandError where it fails."""
        found, sent = self._post(f"/{INDEX}/_search", search_body(text, size), headers or {})
        return Answer(tuple(found["hits"]["hits"]), sent)

    def explain(self, text: str, *, size: int = 5, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """Why the hits stand where they stand."""
        return self._post(f"/{INDEX}/_rerank/explain?words=false", search_body(text, size), headers or {})[0]

    def _post(
        self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        try:
            answer = self._http.request(
                "POST", self.url + path, body=json.dumps(body), headers={"Content-Type": "application/json", **headers}
            )
        except urllib3.exceptions.HTTPError as error:
            raise CommandError(f"the proxy at {self.url} does not answer: {error}") from error
        if answer.status != 200:
            raise CommandError(f"{path} was answered with {answer.status}: {answer.data.decode()[:500]}")
        return answer.json(), answer.headers
