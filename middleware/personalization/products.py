"""The products that behaviour is about: their fields and vectors, read once and remembered, since users share them."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from middleware.config import FeatureFields, ProfileSettings
from middleware.own_requests import Fetch
from middleware.personalization.lookup import products_bodies, read_products
from middleware.personalization.state import Product, Vector
from middleware.search.document import Template
from middleware.ttl_cache import TtlLruCache


class PackedVectors(Protocol):
    """Where vectors of texts are kept; rerank.vector_reader.VectorReader is one."""

    def read_packed(self, texts: Sequence[str], headers: Mapping[str, str]) -> tuple[str, Sequence[str | None]] | None:
        """The encoder's revision, and the packed vector of each text; None where the encoder is not there (yet)."""


@dataclass(frozen=True, slots=True)
class VectorSource:
    """Whence products' vectors come, and how the text that each was made of is made again."""

    vectors: PackedVectors
    template: Template
    max_field_chars: int


@dataclass(frozen=True, slots=True)
class Products:
    """Products by object_id, those that there are; `model`: the revision of the encoder of their vectors."""

    by_id: Mapping[str, Product]
    model: str | None = None


class ProductReader:
    """Reads products through the search seam; thread-safe.

    What is remembered belongs to the credentials that it was read with; about 3 KB a product with its vector.
    """

    def __init__(
        self,
        settings: ProfileSettings,
        features: FeatureFields,
        fetch: Fetch,
        source: VectorSource | None,
        remembered: TtlLruCache[tuple[bytes, str], tuple[Product | None, str | None]],
    ) -> None:
        """`source`: None where products have no vectors; `remembered`: (credentials, object_id) -> product, model."""
        self._settings, self._features, self._fetch = settings, features, fetch
        self._source, self._remembered = source, remembered

    def read(self, object_ids: Iterable[str], headers: Mapping[str, str], who: bytes) -> Products:
        """The products that there are; `who`: a digest of the credentials in `headers`. Raises UpstreamError."""
        found: dict[str, tuple[Product | None, str | None]] = {}
        missing = []
        for object_id in dict.fromkeys(object_ids):
            known = self._remembered.get((who, object_id))
            if known is None:
                missing.append(object_id)
            else:
                found[object_id] = known[0]
        if missing:
            found |= self._read(missing, headers, who)
        models = [model for _, model in found.values() if model is not None]
        model = models[-1] if models else None  # those just read are the last: an encoder may have been replaced
        by_id = {
            object_id: product if own == model or product.vector is None else product._replace(vector=None)
            for object_id, (product, own) in found.items()
            if product is not None
        }
        return Products(by_id, model)

    def _read(
        self, object_ids: Sequence[str], headers: Mapping[str, str], who: bytes
    ) -> dict[str, tuple[Product | None, str | None]]:
        settings, source = self._settings, self._source
        fields, texts = {}, {}
        for body in products_bodies(object_ids, settings, self._features, source.template if source else None):
            answer = self._fetch(settings.products_index, body, headers)
            for object_id, (own, values) in read_products(answer, settings, self._features, source).items():
                fields[object_id], texts[object_id] = own, values
        model, vectors = self._vectors(texts, headers)
        found: dict[str, tuple[Product | None, str | None]] = {}
        for object_id in object_ids:
            product = Product(fields[object_id], vectors.get(object_id)) if object_id in fields else None
            found[object_id] = product, model if product and product.vector is not None else None
            is_whole = product is not None and (source is None or product.vector is not None)
            ttl_s = settings.statistics_ttl_s if is_whole else settings.cache_ttl_s
            self._remembered.put((who, object_id), found[object_id], ttl_s)
        return found

    def _vectors(self, texts: Mapping[str, str], headers: Mapping[str, str]) -> tuple[str | None, dict[str, Vector]]:
        wanted = {object_id: text for object_id, text in texts.items() if text}
        read = self._source.vectors.read_packed(list(wanted.values()), headers) if self._source and wanted else None
        if read is None:
            return None, {}
        vectors = {name: _unit_vector(each) for name, each in zip(wanted, read[1], strict=True)}
        return read[0], {name: vector for name, vector in vectors.items() if vector is not None}


def _unit_vector(packed: str | None) -> Vector | None:
    """What rerank.vectors.pack packed, of unit length; None where there is nothing, or it is damaged."""
    try:
        codes = np.frombuffer(b64decode(packed or ""), dtype=np.int8).astype(np.float32)
    except (NotBase64, ValueError):
        return None
    length = float(np.linalg.norm(codes))
    return codes / np.float32(length) if length else None
