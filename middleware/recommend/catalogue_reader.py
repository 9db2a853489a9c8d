"""The catalogue of one section, read in the background and read anew now and then: no answer waits for it."""

from __future__ import annotations

import logging
from base64 import b64decode
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import numpy as np

from middleware.errors import MiddlewareError
from middleware.own_requests import Ask, hits_of, search_path
from middleware.recommend.catalogue import NO_VECTORS, Catalogue
from middleware.recommend.index import ENCODER as BUILT_WITH
from middleware.recommend.index import VECTOR_KEY, newest_build_search
from middleware.recommend.scrolling import scroll
from middleware.rerank.vector_index import ENCODER, PRODUCT, VECTOR

_RETRY_S = 30.0
log = logging.getLogger(__name__)


class CatalogueReader:
    """Holds the catalogue of one section; one per process. What cannot be read leaves what was read before."""

    def __init__(self, vectors_index: str, kept_in: str, max_products: int, refresh_s: float, ask: Ask) -> None:
        """`kept_in`: the index of `es-rerank recommend build`."""
        self._vectors_index, self._kept_in, self._ask = vectors_index, kept_in, ask
        self._max_products, self._refresh_s = max_products, refresh_s
        self._closed = Event()
        self.catalogue = NO_VECTORS

    def start(self) -> None:
        """Read it in a thread of its own, and again every `refresh_s`."""
        Thread(target=self._keep_reading, name="catalogue", daemon=True).start()

    def close(self) -> None:
        """Read no more."""
        self._closed.set()

    def load(self) -> None:
        """Read it in this thread. Raises UpstreamError."""
        encoder = self._find_encoder()
        if encoder is None:
            return
        rows = _Rows()
        self._read_vectors(encoder, rows)
        products = self._read_products(encoder, rows)
        # Of a text that no build has told of, the one product that its vector names.
        for row, product in enumerate(rows.products):
            if len(products) < self._max_products:
                products.setdefault(product, row)
        codes = np.frombuffer(bytes(rows.codes), dtype=np.int8).reshape(-1, rows.dimensions or 1)
        places = np.fromiter(products.values(), dtype=np.int32, count=len(products))
        self.catalogue = Catalogue(encoder, codes, tuple(products), places)
        log.info("recommendations from %d products, %d vectors in %s", len(products), len(codes), self._vectors_index)

    def _keep_reading(self) -> None:
        while not self._closed.is_set():
            pause_s = self._refresh_s
            try:
                self.load()
            except MiddlewareError as error:
                log.warning("the catalogue of %s cannot be read: %s", self._vectors_index, error)
                pause_s = min(pause_s, _RETRY_S)
            except Exception:  # what another wrote there may be anything; the thread must not end by it
                log.exception("the catalogue of %s cannot be read", self._vectors_index)
            if not len(self.catalogue):
                pause_s = min(pause_s, _RETRY_S)
            self._closed.wait(pause_s)

    def _find_encoder(self) -> str | None:
        """That of the newest build, else the one with the most vectors."""
        for hit in hits_of(self._ask("POST", search_path(self._kept_in), newest_build_search())):
            return str(hit["_source"][BUILT_WITH])
        body = {"size": 0, "aggs": {"encoders": {"terms": {"field": ENCODER, "size": 1}}}}
        answer = self._ask("POST", search_path(self._vectors_index), body)
        buckets = answer.get("aggregations", {}).get("encoders", {}).get("buckets", [])
        return str(buckets[0]["key"]) if buckets else None

    def _read_vectors(self, encoder: str, rows: _Rows) -> None:
        body = {"query": {"term": {ENCODER: encoder}}, "_source": [VECTOR, PRODUCT]}
        with closing(scroll(self._ask, self._vectors_index, body)) as pages:
            for hits in pages:
                for hit in hits:
                    if len(rows.products) == self._max_products:
                        log.warning("%s has more vectors than recommend.max_products", self._vectors_index)
                        return
                    rows.add(str(hit["_id"]), hit["_source"])

    def _read_products(self, encoder: str, rows: _Rows) -> dict[str, int]:
        """Product -> row of its vector."""
        body = {"query": {"term": {BUILT_WITH: encoder}}, "_source": [VECTOR_KEY]}
        products: dict[str, int] = {}
        with closing(scroll(self._ask, self._kept_in, body)) as pages:
            for hits in pages:
                for hit in hits:
                    row = rows.places.get(hit["_source"].get(VECTOR_KEY))
                    if row is not None and len(products) < self._max_products:
                        products[str(hit["_id"])] = row
        return products


@dataclass(slots=True)
class _Rows:
    """Vectors as they come: their codes one after the other, the row of each key, and the product each names."""

    codes: bytearray = field(default_factory=bytearray)
    dimensions: int = 0
    places: dict[str, int] = field(default_factory=dict)
    products: list[str] = field(default_factory=list)

    def add(self, key: str, source: Mapping[str, Any]) -> None:
        """What is not like the first is left out."""
        try:
            code = b64decode(source[VECTOR])
        except (KeyError, ValueError, TypeError):
            return
        self.dimensions = self.dimensions or len(code)
        if code and len(code) == self.dimensions:
            self.places[key] = len(self.products)
            self.products.append(str(source.get(PRODUCT, "")))
            self.codes += code
