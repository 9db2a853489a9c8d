"""The products of a shop as recommendations know them: numbers, names in events, and the key of their vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from elasticsearch import Elasticsearch

from middleware.catalog.bootstrap_patience import Patience
from middleware.catalog.product_vectors import TextSource
from middleware.catalog.vector_scan import scan
from middleware.rerank.vectors import vector_key
from middleware.search.document import read_values


@dataclass(frozen=True, slots=True)
class Products:
    """`ids`: the `_id` of each product, by its number; `keys`: of its vector, None where it has no text.

    `numbers`: what events call a product -> its number.
    """

    ids: Sequence[str]
    keys: Sequence[str | None]
    numbers: Mapping[str, int]


def read_products(
    client: Elasticsearch,
    source: TextSource,
    id_field: str | None,
    encoder: str | None,
    patience: Patience,
    on_page: Callable[[int], None],
) -> Products:
    """All products of an index; `encoder`: revision of what makes their vectors, None: there are none.

    `on_page` is told how many were read. Raises CommandError.
    """
    ids: list[str] = []
    keys: list[str | None] = []
    numbers: dict[str, int] = {}
    fields = [*(source.template.fields if encoder else ()), *([id_field] if id_field else [])]
    with closing(scan(client, source.index, fields, patience)) as pages:
        for hits in pages:
            for hit in hits:
                document = hit.get("_source")
                names = read_values(document, id_field) if id_field else [hit["_id"]]
                numbers |= {str(name): len(ids) for name in names}
                ids.append(str(hit["_id"]))
                keys.append(_key(document, source, encoder) if encoder else None)
            on_page(len(ids))
    return Products(ids, keys, numbers)


def _key(document: object, source: TextSource, encoder: str) -> str | None:
    text = source.template.render_document(document, source.max_field_chars)
    return vector_key(encoder, text) if text else None
