"""Documents of a shop's index, whole: drawn at random, or looked up by what judgments and events call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from middleware.catalog.client import ask
from middleware.errors import CommandError
from middleware.learning.shop import Shop, section_of
from middleware.search.document import parse_template, read_values

_HEADERS = {"content-type": "application/json", "accept": "application/json"}
_AT_ONCE = 500
_MOST_DRAWN = 10_000


@dataclass(frozen=True, slots=True)
class Document:
    """A document: its id in the index, its `_source`, and the text that the cross-encoder reads."""

    document_id: str
    source: Mapping[str, Any]
    text: str


def draw_documents(shop: Shop, count: int, seed: int) -> list[Document]:
    """Up to `count` (10,000 at most) documents that have a text, by chance; the same while the index stays as it is.

    Raises CommandError where there is none.
    """
    chance = {"function_score": {"random_score": {"seed": seed, "field": "_seq_no"}, "boost_mode": "replace"}}
    found = _search(shop, {"size": min(count, _MOST_DRAWN), "query": chance})
    documents = [document for document in found if document.text]
    if not documents:
        template = section_of(shop.index, shop.settings).template
        raise CommandError(f"no document of {shop.index} has a field of the template {template}")
    return documents


def find_documents(shop: Shop, keys: Iterable[str], field: str | None = None) -> dict[str, Document]:
    """key -> the document of this `_id`, or with this value in `field`; what the index lacks is not in it.

    Of several with the same value the first by id counts.
    """
    wanted = list(dict.fromkeys(keys))
    found: dict[str, Document] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        chosen: Mapping[str, Any] = {"ids": {"values": some}}
        if field:
            chosen = {"bool": {"should": [{"terms": {name: some}} for name in (field, f"{field}.keyword")]}}
        documents = _search(shop, {"size": 2 * _AT_ONCE, "query": {"bool": {"filter": [chosen]}}})
        for document in sorted(documents, key=lambda each: each.document_id):
            names = map(str, read_values(document.source, field)) if field else [document.document_id]
            for name in names:
                found.setdefault(name, document)
    return {key: found[key] for key in wanted if key in found}


def _search(shop: Shop, body: Mapping[str, Any]) -> list[Document]:
    section = section_of(shop.index, shop.settings)
    template = parse_template(section.template)
    target = f"/{quote(shop.index)}/_search"
    answer = ask(shop.client, lambda: shop.client.perform_request("POST", target, headers=_HEADERS, body=body))
    documents = []
    for hit in answer["hits"]["hits"]:
        source = hit.get("_source") or {}
        values = {path: read_values(source, path) for path in template.fields}
        documents.append(Document(str(hit["_id"]), source, template.render(values, section.max_field_chars)))
    return documents
