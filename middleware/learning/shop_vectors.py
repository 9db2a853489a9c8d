"""Cosines of a shop's windows for what is learned from them: read by the very code that serves them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from middleware.catalog.client import ask
from middleware.errors import CommandError
from middleware.fusion import FloatArray
from middleware.learning.shop import Shop
from middleware.rerank.bi_encoder import BiEncoder, BiEncoderChoice, load_chosen
from middleware.rerank.vector_reader import VectorReader
from middleware.search.hits import SearchResponse
from middleware.search.plan import Plan
from middleware.search.sections import find_sections
from middleware.search.window import Window, vector_texts

_PATIENCE_S = 600.0


class ShopVectors:
    """The vectors of a shop's index; `close` it at the end.

    Raises CommandError where the index has none in the settings, ModelUnavailable where the encoder cannot be loaded.
    """

    def __init__(self, shop: Shop, load: Callable[[BiEncoderChoice], BiEncoder] = load_chosen) -> None:
        sections = find_sections((shop.index,), shop.settings.indices)
        name, section = sections.candidates[0] if sections else (shop.index, None)
        if section is None or section.vectors is None:
            raise CommandError(f"{shop.index}: no vectors in the settings; write `vectors: {{encoder: starter}}` there")
        self._shop = shop
        self._failure: CommandError | None = None
        self._reader = VectorReader(name, section.vectors, self._fetch, load=load)
        self._reader.load()

    def cosines(self, plan: Plan, response: SearchResponse, window: Window) -> FloatArray:
        """Of each hit of the window, shape (n,); NaN where it has no vector (yet: `es-rerank vectors build`).

        Raises CommandError where the vectors cannot be read.
        """
        found = vector_texts(plan, response, window)
        assert found is not None  # a shop is one section, and that has vectors
        pending = self._reader.begin(plan.query_text, found[1], {})
        cosines = self._reader.cosines(pending, time.monotonic() + _PATIENCE_S) if pending else None
        if self._failure is not None:
            raise self._failure
        if cosines is None:
            raise CommandError(f"{self._shop.index}: the query {plan.query_text[:80]!r} could not be encoded")
        return cosines

    def close(self) -> None:
        self._reader.close()

    def _fetch(self, index: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
        client = self._shop.client.options(headers=dict(headers), ignore_status=404)
        try:
            answer: Mapping[str, Any] = ask(self._shop.client, lambda: client.search(index=index, **body))
        except CommandError as error:  # a search would go on without
            self._failure = error
            raise
        return answer
