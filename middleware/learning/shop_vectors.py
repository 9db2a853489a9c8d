"""The vectors of a shop's documents as everything offline reads them: as the proxy does, but waited for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

from middleware.catalog.client import ask
from middleware.errors import CommandError
from middleware.experiments.assign import ResolvedVariant
from middleware.learning.shop import Shop, section_of
from middleware.rerank.vector_index import vector_index_name
from middleware.rerank.vector_reader import VectorReader

_PATIENCE_MS = 600_000
_LOAD_TIMEOUT_S = 600.0
_JSON = {"content-type": "application/json", "accept": "application/json"}


def open_vectors(stack: ExitStack, shop: Shop, variants: Iterable[ResolvedVariant]) -> dict[str, VectorReader]:
    """By the name of the index's section its reader, ready; none where no variant wants cosines, or there are none.

    Raises CommandError where the encoder does not load.
    """
    section = section_of(shop.index, shop.settings)
    if section.vectors is None or not any(variant.wants_cosines for variant in variants):
        return {}
    name = next(name for name, each in shop.settings.indices.items() if each is section)

    def fetch(index: str, body: Mapping[str, object], _: Mapping[str, str]) -> Mapping[str, Any]:
        target = f"/{quote(index)}/_search"
        found: Mapping[str, Any] = ask(
            shop.client, lambda: shop.client.perform_request("POST", target, headers=_JSON, body=body)
        )
        return found

    patient = section.vectors.model_copy(update={"budget_ms": _PATIENCE_MS})
    reader = VectorReader(vector_index_name(name, section.vectors.index), patient, fetch)
    reader.start()
    stack.callback(reader.close)
    deadline = time.monotonic() + _LOAD_TIMEOUT_S
    while not reader.ready:
        if time.monotonic() > deadline:
            raise CommandError(f"{section.vectors.encoder} did not load within {_LOAD_TIMEOUT_S:.0f} s")
        time.sleep(0.05)
    return {name: reader}
